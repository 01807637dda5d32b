//! Names become addresses here, and only those that may be reached come out: what is connected to is what was looked at, so
//! that no later answer of somebody's name server counts.

use std::{fmt, future::Future, io, net::IpAddr, net::SocketAddr, pin::Pin, sync::Arc};

use futures_util::FutureExt;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

use crate::domain::network;

/// Resolves a name to all of its addresses.
pub type Resolver =
    Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> + Send + Sync>;

/// Admits addresses.
#[derive(Clone)]
pub struct Guard {
    networks: Arc<[IpNet]>,
    with_public: bool,
    resolver: Resolver,
}

/// Resolves as this machine does.
pub fn system() -> Resolver {
    Arc::new(|name| async move { Ok(lookup_host((name.as_str(), 0)).await?.collect()) }.boxed())
}

impl Guard {
    /// Admits what is in these networks and, where that is said, what is public.
    pub fn new(networks: Arc<[IpNet]>, with_public: bool, resolver: Resolver) -> Self {
        Self { networks, with_public, resolver }
    }

    /// Whether an address may be reached.
    pub fn admits(&self, address: IpAddr) -> bool {
        (self.with_public && network::is_public(address)) || self.networks.iter().any(|known| known.contains(&address))
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let mut addresses = (guard.resolver)(name.as_str().to_owned()).await?;
            addresses.retain(|address| guard.admits(address.ip()));
            if addresses.is_empty() {
                return Err("it is at no address that is looked at".into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("networks", &self.networks)
            .field("with_public", &self.with_public)
            .finish_non_exhaustive()
    }
}
