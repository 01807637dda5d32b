//! How many files, sockets among them, this process may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Takes as many as we are allowed to: the usual 1,024 are fewer than people who chat.
pub fn raise_limit() {
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        warn!(%error, "The limit of open files stays as it is: {error}");
    }
}
