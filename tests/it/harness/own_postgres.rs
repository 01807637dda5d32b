//! A PostgreSQL that one test has for itself, to stop and to kill. Held by a pipe, and gone when this process is.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdout, Command, Stdio},
};

/// Says where it is, and obeys until the pipe closes.
const SCRIPT: &str = r#"
directory=${DATABASE_URL#*host=}
programs=$(.ci/find-postgres)
options=$(sed -E 's/^[^ ]+ //' "$directory/data/postmaster.opts" | tr '"' "'")
as_owner() {
    if [ "$(id -u)" = 0 ]; then (cd / && runuser -u "$(stat -c %U "$directory/data")" -- "$@"); else "$@"; fi
}
echo "$DATABASE_URL"
while read -r order; do
    case $order in
        kill) kill -9 "$(head -n 1 "$directory/data/postmaster.pid")" ;;
        stop) as_owner "$programs/pg_ctl" stop --silent --wait --mode=fast --pgdata="$directory/data" ;;
        # Processes that a killed one left behind still end.
        start) until as_owner "$programs/pg_ctl" start --silent --wait --pgdata="$directory/data" \
            --log="$directory/log" --options="$options" >/dev/null 2>&1; do sleep 0.05; done ;;
    esac
    echo done
done
"#;

/// A running PostgreSQL, which goes away with this.
pub struct OwnPostgres {
    url: String,
    shell: Child,
    answers: BufReader<ChildStdout>,
}

impl OwnPostgres {
    /// Starts one; its database was never migrated.
    pub fn start() -> Self {
        let mut shell = Command::new("bash")
            .args([".ci/with-postgres", "bash", "-c", SCRIPT])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash is installed");
        let answers = BufReader::new(shell.stdout.take().expect("it is piped"));
        let mut this = Self { url: String::new(), shell, answers };
        this.url = this.answer();
        assert!(!this.url.is_empty(), "PostgreSQL does not start; see above");
        this
    }

    /// How to connect to it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends its main process as a crash would; the others follow.
    pub fn kill(&mut self) {
        self.order("kill");
    }

    /// Stops it in good order, whoever is connected.
    pub fn stop(&mut self) {
        self.order("stop");
    }

    /// Starts it again.
    pub fn start_again(&mut self) {
        self.order("start");
    }

    fn order(&mut self, word: &str) {
        writeln!(self.shell.stdin.as_ref().expect("it is piped"), "{word}").expect("the shell obeys");
        assert_eq!(self.answer(), "done");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the shell speaks UTF-8");
        line.trim().to_owned()
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().ok();
    }
}
