//! A private Redis, for tests of several nodes. Like PostgreSQL it is held by a pipe, and gone when this process is.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

/// Starts the server on a socket in a directory of its own, says where, and waits until the pipe closes.
const SCRIPT: &str = r#"
directory=$(mktemp -d "${TMPDIR:-/tmp}/colloquy-redis.XXXXXX")
redis-server --port 0 --unixsocket "$directory/socket" --save "" --appendonly no --dir "$directory" >"$directory/log" &
until [ -S "$directory/socket" ]; do
    kill -0 $! 2>/dev/null || { cat "$directory/log" >&2; rm -rf "$directory"; exit 1; }
    sleep 0.01
done
echo "$! $directory/socket"
cat >/dev/null
kill -9 $!
rm -rf "$directory"
"#;

/// A running Redis, which goes away with this.
pub struct Redis {
    url: String,
    pid: String,
    shell: Child,
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
        let mut says = String::new();
        let output = shell.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut says).expect("the shell speaks UTF-8");
        let (pid, socket) = says.trim().split_once(' ').expect("Redis starts; see above");
        Self { url: format!("unix://{socket}"), pid: pid.to_owned(), shell }
    }

    /// Stops it answering, as if it were far too slow.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// How to connect to it.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid]).status().expect("kill is installed");
        assert!(sent.success(), "Redis is not there any more");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().ok();
    }
}
