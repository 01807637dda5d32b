//! Signatures on URLs: who holds one was given it by us.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What keeps these signatures apart from all others that are made with the same secret.
const PURPOSE: &[u8] = b"colloquy links";

/// Signs what URLs say, with HMAC-SHA-256.
#[derive(Clone)]
pub struct Links {
    key: Hmac<Sha256>,
}

impl Links {
    /// Signs with a key that is derived from the server's secret.
    pub fn new(secret: &[u8]) -> Self {
        let derived = mac(secret).chain_update(PURPOSE).finalize().into_bytes();
        Self { key: mac(&derived) }
    }

    /// The signature of what a URL says.
    pub fn sign(&self, says: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.key.clone().chain_update(says).finalize().into_bytes())
    }

    /// Whether this is its signature; takes as long whichever byte is wrong.
    pub fn is_signed(&self, says: &str, signature: &str) -> bool {
        let given = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        self.key.clone().chain_update(says).verify_slice(&given).is_ok()
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_with_the_same_secret_is_signed() {
        let links = Links::new(b"secret");
        let signature = links.sign("this");
        assert!(links.is_signed("this", &signature));
        assert!(!links.is_signed("that", &signature));
        assert!(!links.is_signed("this", ""));
        assert!(!links.is_signed("this", "not base64 !"));
        assert!(!Links::new(b"other").is_signed("this", &signature));
    }
}
