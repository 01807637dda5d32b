//! From where a request comes, as far as that can be believed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use ipnet::IpNet;

/// The client's address: the peer's, unless that is a trusted proxy; then the nearest one that no trusted proxy has.
pub fn client_address(request: &HttpRequest, trusted_proxies: &[IpNet]) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let headers: Vec<&str> =
        request.headers().get_all("x-forwarded-for").map(|value| value.to_str().unwrap_or_default()).collect();
    nearest_untrusted(peer.to_canonical(), &headers, trusted_proxies)
}

/// Each proxy appends whom it heard from, so only what stands to the right of the last untrusted one is no hearsay.
fn nearest_untrusted(peer: IpAddr, forwarded_for: &[&str], trusted_proxies: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted_proxies.iter().any(|network| network.contains(&address));
    let mut nearest = peer;
    for hop in forwarded_for.iter().flat_map(|header| header.split(',')).rev() {
        if !is_trusted(nearest) {
            break;
        }
        // Whatever is left of something illegible is no better.
        let Some(address) = read(hop.trim()) else { break };
        nearest = address;
    }
    nearest
}

fn read(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip())).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec();
        for (peer, forwarded_for, client) in [
            ("192.0.2.1", vec![], "192.0.2.1"),
            ("192.0.2.1", vec!["198.51.100.7"], "192.0.2.1"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec!["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", vec!["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", vec!["203.0.113.9", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", vec!["203.0.113.9, nonsense, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("fd00::1", vec!["[2001:db8::7]:4711"], "2001:db8::7"),
            ("fd00::1", vec!["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", vec!["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1", vec!["::ffff:198.51.100.7"], "198.51.100.7"),
        ] {
            let found = nearest_untrusted(peer.parse().unwrap(), &forwarded_for, &proxies);
            assert_eq!(found.to_string(), client, "{peer} {forwarded_for:?}");
        }
    }
}
