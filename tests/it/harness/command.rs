//! The program as it is run for one thing, from its arguments to its exit code.

use std::process::Stdio;

use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use super::{PATIENCE, process::PROGRAM};

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code.
    pub code: i32,
    /// What it said.
    pub out: String,
    /// What it complained of.
    pub err: String,
}

impl Outcome {
    /// What was said, if all went well.
    #[track_caller]
    pub fn expect(self) -> String {
        assert!(self.code == 0, "the command should succeed, but: {self:#?}");
        self.out.trim_end().to_owned()
    }

    /// Why it failed: one sentence after the program's name, whatever the log says besides.
    #[track_caller]
    pub fn refused(self) -> String {
        assert!(self.code == 1 && self.out.is_empty(), "the command should fail and say nothing, but: {self:#?}");
        let complaints: Vec<_> = self.err.lines().filter(|line| !line.starts_with('{')).collect();
        let [complaint] = complaints[..] else { panic!("one line should say why, but: {self:#?}") };
        complaint
            .strip_prefix("colloquy: ")
            .unwrap_or_else(|| panic!("it does not say who complains: {self:#?}"))
            .to_owned()
    }
}

/// Runs it with these variables and no others.
pub async fn colloquy(arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    colloquy_reading("", arguments, variables).await
}

/// The same, with something to read.
pub async fn colloquy_reading(input: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let words: Vec<_> = [PROGRAM].iter().chain(arguments).copied().collect();
    run(input, &words, variables).await
}

/// Runs any command, which may run the program.
pub async fn run(input: &str, words: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("there is a search path"))
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program was built");
    let mut stdin = child.stdin.take().expect("it is piped");
    // Who reads nothing may have ended before.
    stdin.write_all(input.as_bytes()).await.ok();
    drop(stdin);
    let ended = timeout(PATIENCE, child.wait_with_output()).await;
    let ended = ended.unwrap_or_else(|_| panic!("`{}` does not end", words.join(" ")));
    let output = ended.expect("it was started");
    let text = |bytes| String::from_utf8(bytes).expect("it speaks UTF-8");
    let code = output.status.code().expect("no signal ends it");
    Outcome { code, out: text(output.stdout), err: text(output.stderr) }
}
