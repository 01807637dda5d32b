//! Shells that keep what tests need: programs beside this process, and directories.
//!
//! Trap: nothing of it may outlive this process, even one that is killed. So a shell starts it, waits at a pipe of which
//! only this process holds the other end, and takes everything down when that closes.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdout, Command, Stdio},
};

/// A shell that answers and obeys, line by line, and is waited for when this is dropped.
pub struct Shell {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Shell {
    /// Runs a script.
    pub fn run(script: &str) -> Self {
        Self::start(Command::new("bash").args(["-c", script]))
    }

    /// Runs a script that finds in `DATABASE_URL` a PostgreSQL of its own, started with some options.
    pub fn with_postgres(script: &str, options: &str) -> Self {
        let mut command = Command::new("bash");
        let command = command.args([".ci/with-postgres", "bash", "-c", script]).env("POSTGRES_OPTIONS", options);
        Self::start(command.current_dir(env!("CARGO_MANIFEST_DIR")))
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command
            // Out of reach of a Ctrl-C, which ends this process, and thereby the shell in good order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash is installed");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, answers }
    }

    /// Has it do something, and answers with what it says then.
    pub fn order(&mut self, word: &str) -> String {
        writeln!(self.child.stdin.as_ref().expect("it is piped"), "{word}").expect("the shell obeys");
        self.answer()
    }

    /// What it says next; nothing once it has ended.
    pub fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the shell speaks UTF-8");
        line.trim().to_owned()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}
