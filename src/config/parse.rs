//! Settings as people write them, turned into what the server works with.

use std::{
    env,
    net::IpAddr,
    path::{Path, PathBuf},
    thread,
};

use ipnet::IpNet;
use nix::unistd::Uid;

/// Where the server keeps its files unless told otherwise.
pub fn default_data_directory() -> PathBuf {
    if Uid::effective().is_root() {
        return PathBuf::from("/var/lib/colloquy");
    }
    let Some(home) = env::home_dir() else { return PathBuf::from("data") };
    if cfg!(target_os = "macos") {
        return home.join("Library/Application Support/colloquy");
    }
    // The XDG specification says that a relative path is to be ignored.
    env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|directory| directory.is_absolute())
        .unwrap_or_else(|| home.join(".local/share"))
        .join("colloquy")
}

/// The program that runs, or else one that is called so.
pub fn this_program() -> PathBuf {
    env::current_exe().unwrap_or_else(|_| PathBuf::from("colloquy"))
}

/// One worker for each processor.
pub fn default_workers() -> usize {
    thread::available_parallelism().map_or(2, usize::from)
}

/// A path that still means the same after a change of directory.
pub fn absolute_path(text: &str) -> Result<PathBuf, String> {
    std::path::absolute(Path::new(text)).map_err(|error| error.to_string())
}

/// An address or a network: `10.0.0.1` or `10.0.0.0/8`.
pub fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "expected an address or a network such as 10.0.0.0/8".to_owned())
}

/// An origin as browsers send it: scheme, host and perhaps a port, without a path.
pub fn origin(text: &str) -> Result<String, String> {
    let origin = text.trim().trim_end_matches('/').to_ascii_lowercase();
    match origin.split_once("://") {
        Some((scheme, host)) if !scheme.is_empty() && !host.is_empty() && !host.contains(['/', '*', ' ']) => Ok(origin),
        _ => Err("expected an origin such as https://app.example.com".to_owned()),
    }
}

/// The address of a web page or service.
pub fn web_address(text: &str) -> Result<String, String> {
    let address = text.trim().trim_end_matches('/');
    match address.split_once("://") {
        Some(("http" | "https", rest)) if !rest.is_empty() && !rest.contains(char::is_whitespace) => {
            Ok(address.to_owned())
        }
        _ => Err("expected an address such as https://chat.example.com".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_or_a_range() {
        for (text, meaning) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            (" 127.0.0.1 ", Some("127.0.0.1/32")),
            ("::1", Some("::1/128")),
            ("", None),
            ("proxy.local", None),
            ("10.0.0.0/40", None),
        ] {
            assert_eq!(network(text).ok().map(|network| network.to_string()).as_deref(), meaning, "{text:?}");
        }
    }

    #[test]
    fn an_origin_has_a_scheme_and_a_host_and_no_path() {
        for (text, meaning) in [
            ("https://App.example.com/", Some("https://app.example.com")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("capacitor://localhost", Some("capacitor://localhost")),
            ("*", None),
            ("https://*.example.com", None),
            ("app.example.com", None),
            ("https://app.example.com/chat", None),
            ("", None),
        ] {
            assert_eq!(origin(text).ok().as_deref(), meaning, "{text:?}");
        }
    }

    #[test]
    fn a_web_address_is_http_or_https() {
        for (text, meaning) in [
            ("https://chat.example.com/", Some("https://chat.example.com")),
            ("http://localhost:8080/chat", Some("http://localhost:8080/chat")),
            ("ftp://chat.example.com", None),
            ("https://", None),
            ("chat", None),
        ] {
            assert_eq!(web_address(text).ok().as_deref(), meaning, "{text:?}");
        }
    }
}
