//! Tokens that a host application might sign, and some that it had better not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{person::merge, server::TestServer};

/// The secret that the host application and the server share.
pub const HOST_SECRET: &str = "a secret that the host application shares with the chat";

/// A server that knows [`HOST_SECRET`].
pub async fn host_server() -> TestServer {
    TestServer::with(|settings| settings.jwt_secret = HOST_SECRET.parse().ok()).await
}

/// A token of the host application for its own id of somebody, good for an hour; `claims` stand above the usual ones.
pub fn host_token(sub: &str, claims: Value) -> String {
    signed(Algorithm::HS256, &EncodingKey::from_secret(HOST_SECRET.as_bytes()), host_claims(sub, claims))
}

/// Claims as a host application makes them.
pub fn host_claims(sub: &str, claims: Value) -> Value {
    let mut all = json!({"sub": sub, "exp": seconds_from_now(3_600)});
    merge(&mut all, claims);
    all
}

/// Claims, signed.
pub fn signed(algorithm: Algorithm, key: &EncodingKey, claims: Value) -> String {
    signed_as(None, algorithm, key, claims)
}

/// Any header and claims with any signature.
pub fn forged(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

/// A moment for a claim.
pub fn seconds_from_now(seconds: i64) -> i64 {
    colloquy::domain::clock::Clock::default().now().timestamp() + seconds
}

/// Claims, signed with a key of this id.
pub fn signed_as(key_id: Option<&str>, algorithm: Algorithm, key: &EncodingKey, claims: Value) -> String {
    let header = Header { kid: key_id.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, &claims, key).expect("the key fits the algorithm")
}

/// A host application that publishes the public part of an RSA key under the id `host`.
pub struct Keys {
    /// Where.
    pub url: String,
    /// The public key.
    pub jwk: Value,
    /// Its number.
    pub modulus: String,
}

impl Keys {
    /// Answers whoever asks, as long as the test runs.
    pub async fn publish(private: &[u8]) -> Self {
        let jwk = Jwk::from_encoding_key(&EncodingKey::from_rsa_der(private), Algorithm::RS256).expect("it is RSA");
        let mut jwk = serde_json::to_value(jwk).expect("a key is JSON");
        merge(&mut jwk, json!({"kid": "host"}));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let url = format!("http://{}/keys", listener.local_addr().expect("it is bound"));
        let modulus = jwk["n"].as_str().expect("RSA keys have one").to_owned();
        let keys = json!({"keys": [&jwk]}).to_string();
        tokio::spawn(async move {
            while let Ok((mut asker, _)) = listener.accept().await {
                // The question is always the same, and who hangs up early gets no answer.
                let _read = asker.read(&mut [0; 4096]).await;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", keys.len());
                asker.write_all((head + &keys).as_bytes()).await.ok();
            }
        });
        Self { url, jwk, modulus }
    }
}
