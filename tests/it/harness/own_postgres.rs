//! A PostgreSQL that one test has for itself, to stop and to kill. Held by a pipe, and gone when this process is.

use super::shell::Shell;

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
    shell: Shell,
}

impl OwnPostgres {
    /// Starts one; its database was never migrated.
    pub fn start() -> Self {
        let mut shell = Shell::with_postgres(SCRIPT, "");
        let url = shell.answer();
        assert!(!url.is_empty(), "PostgreSQL does not start; see above");
        Self { url, shell }
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
        assert_eq!(self.shell.order(word), "done");
    }
}
