//! Which web sites may open a socket. Browsers let any site try, and tell the server which one it is.

use actix_web::http::header::{self, HeaderMap};

use crate::domain::error::{Reason, Result};

/// The sites that may.
#[derive(Clone, Debug)]
pub struct AllowedOrigins(Vec<Origin>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl AllowedOrigins {
    /// These sites; where none are listed, the server's own and localhost.
    pub fn new(listed: &[String]) -> Self {
        Self(listed.iter().filter_map(|origin| Origin::parse(origin)).collect())
    }

    /// Checks a request. One that names no origin comes from no browser, and may do as it likes.
    pub fn check(&self, headers: &HeaderMap) -> Result<()> {
        let mut named = headers.get_all(header::ORIGIN);
        let allowed = match (named.next(), named.next()) {
            (None, _) => true,
            (Some(origin), None) => {
                origin.to_str().ok().and_then(Origin::parse).is_some_and(|o| self.admits(&o, headers))
            }
            (Some(_), Some(_)) => false,
        };
        if allowed { Ok(()) } else { Err(Reason::OriginNotAllowed.into()) }
    }

    fn admits(&self, origin: &Origin, headers: &HeaderMap) -> bool {
        if !self.0.is_empty() {
            return self.0.contains(origin);
        }
        origin.is_web() && (origin.is_local() || origin.is_at(headers))
    }
}

impl Origin {
    /// Reads `scheme://host` or `scheme://host:port`; `null` and everything else is no origin.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let (host, port) = split_authority(authority)?;
        let port = port.or_else(|| default_port(&scheme));
        Some(Self { scheme, host, port })
    }

    fn is_web(&self) -> bool {
        matches!(self.scheme.as_str(), "http" | "https")
    }

    fn is_local(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }

    /// Whether the request was made to the very host that served the page. The page's scheme tells which port is meant where
    /// none is named: a proxy in front may have taken TLS off.
    fn is_at(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).and_then(split_authority);
        host.is_some_and(|(host, port)| host == self.host && port.or_else(|| default_port(&self.scheme)) == self.port)
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn split_authority(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (authority, None),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_address = host.starts_with('[') && host.ends_with(']');
    let is_host = !host.is_empty() && (is_address || host.chars().all(is_plain));
    is_host.then(|| (host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn admits(listed: &[&str], origin: &str, host: &str) -> bool {
        let listed: Vec<_> = listed.iter().map(ToString::to_string).collect();
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        AllowedOrigins::new(&listed).check(&headers).is_ok()
    }

    #[test]
    fn by_default_the_server_and_localhost_are_allowed() {
        let host = "chat.example";
        for origin in [
            "https://chat.example",
            "http://chat.example",
            "https://CHAT.example:443",
            "http://localhost",
            "https://localhost:3000",
            "http://127.0.0.1:8080",
            "http://[::1]:5173",
        ] {
            assert!(admits(&[], origin, host), "{origin}");
        }
        assert!(admits(&[], "http://192.168.0.7:8080", "192.168.0.7:8080"));
        assert!(admits(&[], "http://[fe80::1]:8080", "[fe80::1]:8080"));
    }

    #[test]
    fn whatever_else_there_is_is_refused() {
        for origin in [
            "null",
            "",
            "https://evil.example",
            "https://chat.example.evil.example",
            "https://evilchat.example",
            "https://chat.example:8443",
            "https://chat.example:x",
            "https://chat.example/",
            "https://user@chat.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://[::1].evil.example",
            "file://localhost",
            "chat.example",
        ] {
            assert!(!admits(&[], origin, "chat.example"), "{origin}");
        }
    }

    #[test]
    fn a_list_says_it_all() {
        let listed = ["https://app.example", "https://app.example:8443", "capacitor://localhost"];

        for origin in
            ["https://app.example", "https://app.example:443", "https://app.example:8443", "capacitor://localhost"]
        {
            assert!(admits(&listed, origin, "chat.example"), "{origin}");
        }
        for origin in ["http://app.example", "https://app.example:444", "https://chat.example", "http://localhost"] {
            assert!(!admits(&listed, origin, "chat.example"), "{origin}");
        }
    }

    #[test]
    fn who_is_no_browser_names_no_origin_and_nobody_names_two() {
        let allowed = AllowedOrigins::new(&[]);
        let mut headers = HeaderMap::new();
        assert!(allowed.check(&headers).is_ok());

        headers.append(header::ORIGIN, HeaderValue::from_static("http://localhost"));
        assert!(allowed.check(&headers).is_ok());
        headers.append(header::ORIGIN, HeaderValue::from_static("http://localhost"));
        assert!(allowed.check(&headers).is_err());
    }
}
