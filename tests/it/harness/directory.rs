//! A data directory for a server of its own, which goes away with this, and the PostgreSQL in it with it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::unistd::Pid;

use super::shell::Shell;

/// Makes a directory that PostgreSQL's account may enter, and says where. When the pipe closes, whatever main process
/// still works in it is killed; the others end with it.
const SCRIPT: &str = r#"
directory=$(mktemp -d "${TMPDIR:-/tmp}/colloquy-data.XXXXXX")
chmod 711 "$directory"
echo "$directory"
cat >/dev/null
for pid in $(head -qn 1 "$directory"/postgres/postmaster.pid 2>/dev/null); do
    ps -o args= -p "$pid" | grep -qF "$directory" && kill -9 "$pid"
done
until rm -rf "$directory" 2>/dev/null; do sleep 0.05; done
"#;

/// A directory that did not exist before.
pub struct Directory {
    path: PathBuf,
    _shell: Shell,
}

impl Directory {
    /// Makes one.
    pub fn create() -> Self {
        let mut shell = Shell::run(SCRIPT);
        let path = shell.answer();
        assert!(!path.is_empty(), "no directory can be made; see above");
        Self { path: PathBuf::from(path), _shell: shell }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same as text, for a setting.
    pub fn text(&self) -> &str {
        self.path.to_str().expect("its name is ASCII")
    }

    /// The main process of the PostgreSQL that runs in it, if one does.
    pub fn postmaster(&self) -> Option<Pid> {
        let written = fs::read_to_string(self.path.join("postgres/postmaster.pid")).ok()?;
        written.lines().next()?.trim().parse().ok().map(Pid::from_raw)
    }

    /// All processes that work on its cluster: those of PostgreSQL do so in the cluster's directory.
    pub fn at_work(&self) -> Vec<Pid> {
        let cluster = self.path.join("postgres");
        let processes = fs::read_dir("/proc").expect("the kernel says in files what runs").flatten();
        let at_work =
            processes.filter(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == cluster));
        at_work.filter_map(|process| process.file_name().to_str()?.parse().ok().map(Pid::from_raw)).collect()
    }
}
