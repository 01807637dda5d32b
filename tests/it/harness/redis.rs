//! A private Redis, for tests of several nodes. Like PostgreSQL it is held by a pipe, and gone when this process is.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Mutex, MutexGuard},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Starts the server on a socket in a directory of its own, says where, and obeys until the pipe closes.
const SCRIPT: &str = r#"
directory=$(mktemp -d "${TMPDIR:-/tmp}/colloquy-redis.XXXXXX")
start() {
    redis-server --port 0 --unixsocket "$directory/socket" --save "" --appendonly no --dir "$directory" >"$directory/log" &
    until [ -S "$directory/socket" ]; do
        kill -0 $! 2>/dev/null || { cat "$directory/log" >&2; rm -rf "$directory"; exit 1; }
        sleep 0.01
    done
    echo "$! $directory/socket"
}
# It is there no more where it was killed before.
end() { { kill -9 $!; wait $!; } 2>/dev/null; }
start
while read -r order; do
    case $order in
        kill) end; rm -f "$directory/socket"; echo killed ;;
        start) start ;;
        flush) redis-cli -s "$directory/socket" flushall ;;
    esac
done
end
rm -rf "$directory"
"#;

/// A running Redis, which goes away with this.
pub struct Redis {
    url: String,
    shell: Child,
    answers: Mutex<BufReader<ChildStdout>>,
    pid: Mutex<Pid>,
}

impl Redis {
    /// Starts one.
    pub fn start() -> Self {
        let mut shell = Command::new("bash")
            .args(["-c", SCRIPT])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash is installed");
        let mut answers = BufReader::new(shell.stdout.take().expect("it is piped"));
        let (pid, socket) = started(&mut answers);
        Self { url: format!("unix://{socket}"), shell, answers: Mutex::new(answers), pid: Mutex::new(pid) }
    }

    /// Ends it as a crash would; what it knew is gone.
    pub fn kill(&self) {
        answer(&mut *self.order("kill"));
    }

    /// Starts it again where it was.
    pub fn start_again(&self) {
        *self.pid() = started(&mut *self.order("start")).0;
    }

    /// Makes it forget everything.
    pub fn flush(&self) {
        assert_eq!(answer(&mut *self.order("flush")), "OK");
    }

    /// Stops it answering, as if it were far too slow.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// How to connect to it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its socket is.
    pub fn socket(&self) -> PathBuf {
        PathBuf::from(self.url.strip_prefix("unix://").expect("it listens on a socket"))
    }

    fn order(&self, word: &str) -> MutexGuard<'_, BufReader<ChildStdout>> {
        let answers = self.answers.lock().expect("nobody panics with it");
        writeln!(self.shell.stdin.as_ref().expect("it is piped"), "{word}").expect("the shell obeys");
        answers
    }

    fn signal(&self, signal: Signal) {
        kill(*self.pid(), signal).expect("Redis is there");
    }

    fn pid(&self) -> MutexGuard<'_, Pid> {
        self.pid.lock().expect("nobody panics with it")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().ok();
    }
}

fn started(answers: &mut impl BufRead) -> (Pid, String) {
    let says = answer(answers);
    let (pid, socket) = says.split_once(' ').expect("Redis starts; see above");
    (Pid::from_raw(pid.parse().expect("it is a number")), socket.to_owned())
}

fn answer(answers: &mut impl BufRead) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).expect("the shell speaks UTF-8");
    line.trim().to_owned()
}
