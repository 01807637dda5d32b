//! The program itself, as operators run it: a process that can be asked to stop, or killed.
//!
//! Like PostgreSQL it is held by a pipe, and gone when this process is.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    thread,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{client::Client, person::Person, until};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_colloquy");

/// Runs a command, says its number and, once it has ended, how; kills it when the pipe closes before.
const SCRIPT: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- >/dev/null &
child=$!
echo $child
(read -r _ <&3; kill -9 $child) >/dev/null 2>&1 &
wait $child
echo $?
kill $!
"#;

/// A running `colloquy serve`, which is killed with this.
pub struct Process {
    /// One without a token.
    pub client: Client,
    /// Its process.
    pub pid: Pid,
    shell: Child,
    log: Arc<Mutex<Vec<String>>>,
    status: Arc<OnceLock<i32>>,
}

impl Process {
    /// Starts one with these variables, on a free port, and waits until it serves.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_by(&[], variables).await
    }

    /// The same, by a command that becomes it.
    pub async fn start_by(command: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut process = Self::launch_by(command, variables);
        let address: SocketAddr = until("the server listens", async || {
            let line = process.line_with("Listening on http://");
            assert!(line.is_some() || process.status.get().is_none(), "the server ended:\n{}", process.last_words());
            line?.split("http://").nth(1)?.split('"').next()?.parse().ok()
        })
        .await;
        process.client = Client::new(format!("http://{address}"));
        process
    }

    /// Starts one with these variables that need not come so far as to serve.
    pub fn launch(variables: &[(&str, &str)]) -> Self {
        Self::launch_by(&[], variables)
    }

    fn launch_by(command: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut shell = Command::new("bash")
            .args(["-c", SCRIPT, "bash"])
            .args(command)
            .args([PROGRAM, "serve"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("there is a search path"))
            .envs([("COLLOQUY_LISTEN", "127.0.0.1:0"), ("COLLOQUY_WORKERS", "2")])
            .envs([("COLLOQUY_MESSAGES_PER_MINUTE", "0"), ("COLLOQUY_CONVERSATIONS_PER_HOUR", "0")])
            .envs([("COLLOQUY_LOGINS_PER_MINUTE", "0"), ("COLLOQUY_UPLOADS_PER_HOUR", "0")])
            .env("COLLOQUY_REGISTRATIONS_PER_MINUTE", "0")
            .env("COLLOQUY_SHUTDOWN_SECONDS", "10")
            .env("COLLOQUY_LOG", "warn,colloquy::boot=info,colloquy::cluster=info")
            .envs(variables.iter().copied())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash is installed");
        let mut says = BufReader::new(shell.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let pid = says.next().and_then(|pid| pid.parse().ok()).expect("the shell says which process it started");
        let (log, status) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<OnceLock<i32>>::default());
        let (lines, ended, complaints) = (log.clone(), status.clone(), shell.stderr.take().expect("it is piped"));
        thread::spawn(move || keep(complaints, &lines));
        thread::spawn(move || says.next().and_then(|status| status.parse().ok()).map(|status| ended.set(status)));
        Self { client: Client::new(String::new()), pid: Pid::from_raw(pid), shell, log, status }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let address = self.client.origin().strip_prefix("http://").expect("servers of tests speak plain HTTP");
        address.parse().expect("it is an address")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        assert!(self.status.get().is_none(), "the server has ended already:\n{}", self.last_words());
        kill(self.pid, signal).expect("the server is there");
    }

    /// Ends it as a crash would, and waits until it is gone.
    pub async fn kill(self) {
        self.signal(Signal::SIGKILL);
        self.ended().await;
    }

    /// Asks it to stop in good order, and waits until it has.
    pub async fn stop(self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.ended().await, 0, "{}", self.last_words());
    }

    /// Waits until it has ended, and answers with its exit code; with 128 and the signal where one ended it.
    pub async fn ended(&self) -> i32 {
        until("the server ends", async || self.status.get().copied()).await
    }

    /// Waits until its log says something.
    pub async fn says(&self, words: &str) {
        until(&format!("the server says `{words}`"), async || self.line_with(words)).await;
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let log = self.log.lock().expect("nobody panics with it");
        log[log.len().saturating_sub(40)..].join("\n")
    }

    /// Somebody new, registered and signed in.
    pub async fn person(&self, username: &str) -> Person {
        Person::registers(&self.client, username).await
    }

    fn line_with(&self, words: &str) -> Option<String> {
        self.log.lock().expect("nobody panics with it").iter().find(|line| line.contains(words)).cloned()
    }
}

impl AsRef<Client> for Process {
    fn as_ref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().ok();
    }
}

fn keep(complaints: impl Read, log: &Mutex<Vec<String>>) {
    for line in BufReader::new(complaints).lines().map_while(Result::ok) {
        log.lock().expect("nobody panics with it").push(line);
    }
}
