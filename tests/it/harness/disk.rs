//! Disks that are small, which only what runs next sees.

use std::process::{Command, Stdio};

/// Makes the directory that is named first a disk of eight MiB of its own that only what runs next sees.
const SMALL_DISK: &str = r#"mount -t tmpfs -o size=8m,mode=711 tmpfs "$1" && shift && exec "$@""#;
/// Where nothing may be mounted: lets no file have more than three MiB, and what runs next be told instead of killed.
const SMALL_FILES: &str = r#"shift; trap "" XFSZ; ulimit -f 3072; exec "$@""#;

/// The command under which disks may be mounted that nobody else sees; none where the system does not let us.
pub fn apart() -> Option<[&'static str; 2]> {
    // Root must stay who it is, to reach what belongs to others.
    let apart = if nix::unistd::geteuid().is_root() { ["unshare", "-m"] } else { ["unshare", "-rm"] };
    let mut trial = Command::new(apart[0]);
    trial.args([apart[1], "bash", "-c", "mount -t tmpfs tmpfs /tmp"]).stdout(Stdio::null()).stderr(Stdio::null());
    trial.status().is_ok_and(|status| status.success()).then_some(apart)
}

/// The command under which a server has little room in a directory: a disk of its own where the system lets us, else at
/// least a bound, which shows in the same way.
pub fn with_little_room(directory: &str) -> Vec<&str> {
    match apart() {
        Some([unshare, how]) => vec![unshare, how, "bash", "-c", SMALL_DISK, "bash", directory],
        None => vec!["bash", "-c", SMALL_FILES, "bash", directory],
    }
}
