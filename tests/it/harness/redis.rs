//! A private Redis, for tests of several nodes. Like PostgreSQL it is held by a pipe, and gone when this process is.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::shell::Shell;

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
    shell: Mutex<Shell>,
    pid: Mutex<Pid>,
}

impl Redis {
    /// Starts one.
    pub fn start() -> Self {
        let mut shell = Shell::run(SCRIPT);
        let (pid, socket) = read_start(&shell.answer());
        Self { url: format!("unix://{socket}"), shell: Mutex::new(shell), pid: Mutex::new(pid) }
    }

    /// Ends it as a crash would; what it knew is gone.
    pub fn kill(&self) {
        self.order("kill");
    }

    /// Starts it again where it was.
    pub fn start_again(&self) {
        *self.pid() = read_start(&self.order("start")).0;
    }

    /// Makes it forget everything.
    pub fn flush(&self) {
        assert_eq!(self.order("flush"), "OK");
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

    fn order(&self, word: &str) -> String {
        self.shell.lock().expect("nobody panics with it").order(word)
    }

    fn signal(&self, signal: Signal) {
        kill(*self.pid(), signal).expect("Redis is there");
    }

    fn pid(&self) -> MutexGuard<'_, Pid> {
        self.pid.lock().expect("nobody panics with it")
    }
}

/// Which process it is, and where its socket.
fn read_start(says: &str) -> (Pid, String) {
    let (pid, socket) = says.split_once(' ').expect("Redis starts; see above");
    (Pid::from_raw(pid.parse().expect("it is a number")), socket.to_owned())
}
