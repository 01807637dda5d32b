//! The host application's public keys, fetched in the background and served from memory.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use futures_util::FutureExt as _;
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use reqwest::{Client, Url, redirect};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::domain::error::{Error, Result};

/// Keys are fetched this often even if nobody misses one, so that withdrawn keys go.
const REFRESH_EVERY: Duration = Duration::from_mins(10);
/// However many unknown keys are asked for, the host application is not asked more often.
const REFRESH_AT_MOST_EVERY: Duration = Duration::from_secs(15);
/// A fetch, and whoever waits for it, takes this long at most.
const FETCH_WITHIN: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 * 1024;
const MAX_KEYS: usize = 64;

/// The keys behind `COLLOQUY_JWKS_URL`.
#[derive(Debug)]
pub struct Jwks {
    url: Url,
    client: Client,
    published: watch::Sender<Published>,
    wanted: Notify,
}

/// A key, and what it may be used for.
#[derive(Debug)]
pub struct Key {
    /// The `kid`.
    pub id: Option<String>,
    /// The algorithms that fit it.
    pub algorithms: Vec<Algorithm>,
    /// To verify with.
    pub key: DecodingKey,
}

#[derive(Debug, Default)]
struct Published {
    /// Of the last fetch that succeeded; none before the first one.
    keys: Option<Vec<Arc<Key>>>,
    attempted_at: Option<Instant>,
}

impl Jwks {
    /// Keys from this URL; none until [`Jwks::keep_fresh`] runs.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let url = Url::parse(url).context("read COLLOQUY_JWKS_URL")?;
        let client = Client::builder().timeout(FETCH_WITHIN).redirect(redirect::Policy::limited(3)).build()?;
        Ok(Self { url, client, published: watch::Sender::default(), wanted: Notify::new() })
    }

    /// Fetches the keys now, from time to time, and when one is missed, until told to stop.
    pub async fn keep_fresh(&self, stop: CancellationToken) {
        let rounds = async {
            loop {
                let pause = if self.refresh().await { REFRESH_EVERY } else { REFRESH_AT_MOST_EVERY };
                // A wish from before the answer is fulfilled by it.
                self.wanted.notified().now_or_never();
                tokio::select! {
                    () = sleep(pause) => {}
                    () = self.wanted.notified() => {}
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = rounds => {}
        }
    }

    /// The keys of this id, or all where the token names none; waits for a fetch where no such key is known yet.
    pub async fn find(&self, id: Option<&str>) -> Result<Vec<Arc<Key>>> {
        let mut published = self.published.subscribe();
        let (known, asked_recently) = {
            let published = published.borrow_and_update();
            (published.of(id), published.attempted_at.is_some_and(|at| at.elapsed() < REFRESH_AT_MOST_EVERY))
        };
        if known.is_empty() && !asked_recently {
            self.wanted.notify_one();
            // Late or failed, what is there then is what there is.
            let _ = timeout(FETCH_WITHIN, published.changed()).await;
        }
        let published = published.borrow();
        if published.keys.is_none() {
            return Err(Error::Unavailable("The host application's keys are away; try again soon."));
        }
        Ok(published.of(id))
    }

    /// Whether a key of this id is known already.
    pub fn knows(&self, id: &str) -> bool {
        !self.published.borrow().of(Some(id)).is_empty()
    }

    /// Fetches the keys; on failure the ones from before stay. Says whether it went well.
    async fn refresh(&self) -> bool {
        let fetched = self.fetch().await;
        let failure = fetched.as_ref().err().map(|error| format!("{error:#}"));
        self.published.send_modify(|published| {
            published.attempted_at = Some(Instant::now());
            if let Ok(keys) = fetched {
                published.keys = Some(keys);
            }
        });
        if let Some(error) = &failure {
            warn!(error, "Could not fetch the host application's keys");
        }
        failure.is_none()
    }

    async fn fetch(&self) -> anyhow::Result<Vec<Arc<Key>>> {
        let mut response = self.client.get(self.url.clone()).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            ensure!(body.len() + chunk.len() <= MAX_BYTES, "the key set is over {MAX_BYTES} bytes");
            body.extend_from_slice(&chunk);
        }
        let set: JwkSet = serde_json::from_slice(&body).context("read the key set")?;
        Ok(set.keys.iter().filter_map(Key::read).take(MAX_KEYS).map(Arc::new).collect())
    }
}

impl Published {
    fn of(&self, id: Option<&str>) -> Vec<Arc<Key>> {
        let fits = |key: &&Arc<Key>| id.is_none() || key.id.as_deref() == id;
        self.keys.iter().flatten().filter(fits).cloned().collect()
    }
}

impl Key {
    /// A key that verifies signatures; none of another kind. A shared secret has no place among public keys.
    pub fn read(jwk: &Jwk) -> Option<Self> {
        let family = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms(),
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => &[Algorithm::ES256],
                EllipticCurve::P384 => &[Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(_) => AlgorithmFamily::Ed.algorithms(),
            _ => return None,
        };
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let algorithms = match jwk.common.key_algorithm {
            Some(own) => family.iter().copied().filter(|algorithm| KeyAlgorithm::from(*algorithm) == own).collect(),
            None => family.to_vec(),
        };
        let key = DecodingKey::from_jwk(jwk).ok()?;
        Some(Self { id: jwk.common.key_id.clone(), algorithms, key })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// A host application that answers one request with this key set; its URL.
    pub async fn serve_once(keys: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 4096]).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", keys.len());
            socket.write_all((head + &keys).as_bytes()).await.unwrap();
        });
        url
    }

    #[tokio::test]
    async fn without_any_keys_the_server_says_so_and_does_not_blame_the_token() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks = Jwks::new(&format!("http://{}/keys", listener.local_addr().unwrap())).unwrap();
        drop(listener);

        let stop = CancellationToken::new();
        let look = async {
            let found = jwks.find(Some("a")).await;
            stop.cancel();
            found
        };
        let (found, ()) = tokio::join!(look, jwks.keep_fresh(stop.clone()));

        assert!(matches!(found, Err(Error::Unavailable(_))));
    }

    #[tokio::test]
    async fn keys_from_before_stay_while_the_host_application_is_away() {
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AAAA"}]});
        let jwks = Jwks::new(&serve_once(keys.to_string()).await).unwrap();

        assert!(jwks.refresh().await);
        assert!(!jwks.refresh().await);

        assert!(jwks.knows("a"));
        assert!(!jwks.knows("b"));
    }
}
