//! Every way in which a token is good or bad.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};

use super::{
    claims::{MAX_BYTES, ROLES},
    *,
};
use crate::{
    auth::jwks::tests::serve_once,
    domain::{clock::Clock, error::Error},
};

const SECRET: &[u8] = b"a secret that only the test and the host application know";
const RSA: &[u8] = include_bytes!("../../../tests/keys/host_rsa.der");

fn tokens(audience: Option<&str>) -> Tokens {
    settings(audience.map(str::to_owned), None)
}

fn settings(audience: Option<String>, jwks_url: Option<String>) -> Tokens {
    Tokens::new(TokenSettings { secret: SECRET.to_vec(), audience, lifetime: Duration::from_mins(15), jwks_url })
        .unwrap()
}

fn now() -> Time {
    Clock::default().now()
}

fn seconds_from_now(seconds: i64) -> i64 {
    (now() + TimeDelta::seconds(seconds)).timestamp()
}

fn sign(algorithm: Algorithm, key_id: Option<&str>, key: &EncodingKey, claims: &Value) -> String {
    let header = Header { kid: key_id.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

fn host_signs(claims: &Value) -> String {
    sign(Algorithm::HS256, None, &EncodingKey::from_secret(SECRET), claims)
}

fn unsigned(head: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(head), part(claims))
}

async fn failure(tokens: &Tokens, token: &str) -> AuthFailure {
    match tokens.verify(token, now()).await {
        Err(Error::Unauthenticated(failure)) => failure,
        other => panic!("{other:?} for {token}"),
    }
}

#[tokio::test]
async fn our_token_names_its_session_until_it_ends() {
    let (tokens, user, session) = (tokens(Some("chat")), UserId::new_v7(), SessionId::new_v7());
    let token = tokens.issue(user, session, now(), tokens.lifetime()).unwrap();

    let verified = tokens.verify(&token, now()).await.unwrap();

    assert_eq!(verified.holder, Holder::Session(user, session));
    assert!(tokens.verify(&token, now() + TimeDelta::seconds(955)).await.is_ok());
    let late = tokens.verify(&token, now() + TimeDelta::seconds(965)).await;
    assert!(matches!(late, Err(Error::Unauthenticated(AuthFailure::TokenExpired))));
}

#[tokio::test]
async fn the_host_application_vouches_for_a_person() {
    let claims = json!({"sub": "u-1", "exp": seconds_from_now(60), "name": " Ada ", "roles": ["coach"], "sid": "any"});

    let verified = tokens(None).verify(&host_signs(&claims), now()).await.unwrap();

    let person = HostPerson {
        external_id: "u-1".to_owned(),
        display_name: Some("Ada".to_owned()),
        roles: Some(vec!["coach".to_owned()]),
    };
    assert_eq!(verified.holder, Holder::Host(person));
}

#[tokio::test]
async fn times_are_told_apart_with_a_minute_of_grace() {
    let (tokens, soon) = (tokens(None), seconds_from_now(600));
    let cases = [
        (json!({"sub": "u", "exp": seconds_from_now(-70)}), Some(AuthFailure::TokenExpired)),
        (json!({"sub": "u", "exp": seconds_from_now(-50)}), None),
        (json!({"sub": "u", "exp": soon, "nbf": seconds_from_now(70)}), Some(AuthFailure::TokenNotYetValid)),
        (json!({"sub": "u", "exp": soon, "nbf": seconds_from_now(50)}), None),
        (json!({"sub": "u", "exp": soon, "iat": seconds_from_now(70)}), Some(AuthFailure::TokenNotYetValid)),
        (json!({"sub": "u", "exp": 1e300}), Some(AuthFailure::InvalidToken)),
        (json!({"sub": "u", "exp": "tomorrow"}), Some(AuthFailure::InvalidToken)),
    ];
    for (claims, expected) in cases {
        let verified = tokens.verify(&host_signs(&claims), now()).await;
        match expected {
            None => assert!(verified.is_ok(), "{claims}"),
            Some(expected) => assert_eq!(failure(&tokens, &host_signs(&claims)).await, expected, "{claims}"),
        }
    }
}

#[tokio::test]
async fn the_audience_matters_where_one_is_set() {
    let aud = |aud: Value| host_signs(&json!({"sub": "u", "exp": seconds_from_now(60), "aud": aud}));
    let (picky, any) = (tokens(Some("chat")), tokens(None));

    for wrong in [json!("shop"), json!(["shop"]), json!([]), Value::Null] {
        assert_eq!(failure(&picky, &aud(wrong.clone())).await, AuthFailure::WrongAudience, "{wrong}");
        assert!(any.verify(&aud(wrong), now()).await.is_ok());
    }
    for right in [json!("chat"), json!(["shop", "chat"])] {
        assert!(picky.verify(&aud(right), now()).await.is_ok());
    }
}

#[tokio::test]
async fn what_lacks_a_person_or_an_end_or_is_no_token_is_invalid() {
    let (tokens, exp) = (tokens(None), seconds_from_now(60));
    let roles = vec!["x"; ROLES + 1];
    let claims = [
        json!({"exp": exp}),
        json!({"sub": "u"}),
        json!({"sub": "", "exp": exp}),
        json!({"sub": 7, "exp": exp}),
        json!({"sub": "u\0", "exp": exp}),
        json!({"sub": "u".repeat(256), "exp": exp}),
        json!({"sub": "u", "exp": exp, "roles": roles}),
        json!({"sub": "u", "exp": exp, "name": "\0"}),
    ];
    for claims in claims {
        assert_eq!(failure(&tokens, &host_signs(&claims)).await, AuthFailure::InvalidToken, "{claims}");
    }
    let good = host_signs(&json!({"sub": "u", "exp": exp}));
    let (body, signature) = good.rsplit_once('.').unwrap();
    let reversed: String = signature.chars().rev().collect();
    let critical = unsigned(&json!({"alg": "HS256", "crit": ["b64"]}), &json!({"sub": "u", "exp": exp}));
    for text in ["", "a.b", "a.b.c", "..", body, &format!("{body}."), &format!("{body}.{reversed}"), &critical] {
        assert_eq!(failure(&tokens, text).await, AuthFailure::InvalidToken, "{text}");
    }
    let long = host_signs(&json!({"sub": "u", "exp": exp, "more": "x".repeat(MAX_BYTES)}));
    assert_eq!(failure(&tokens, &long).await, AuthFailure::InvalidToken);
}

#[tokio::test]
async fn no_algorithm_but_those_expected_is_accepted() {
    let (tokens, secret) = (tokens(None), EncodingKey::from_secret(SECRET));
    let claims = json!({"sub": "u", "exp": seconds_from_now(60)});

    for alg in ["none", "None", "", "HS257", "ES512"] {
        let token = unsigned(&json!({"alg": alg}), &claims);
        assert_eq!(failure(&tokens, &token).await, AuthFailure::TokenAlgorithm, "{alg}");
    }
    for token in [
        sign(Algorithm::HS512, None, &secret, &claims),
        sign(Algorithm::RS256, None, &EncodingKey::from_rsa_der(RSA), &claims),
    ] {
        assert_eq!(failure(&tokens, &token).await, AuthFailure::TokenAlgorithm);
    }
}

#[tokio::test]
async fn nobody_becomes_one_of_ours_by_saying_so() {
    let (user, session, exp) = (UserId::new_v7(), SessionId::new_v7(), seconds_from_now(60));
    let claims = json!({"iss": ISSUER, "sub": user, "sid": session, "iat": 0, "exp": exp});
    let own_jwk = json!({"keys": [public(&EncodingKey::from_rsa_der(RSA), Algorithm::RS256, "host")]});
    let tokens = settings(None, Some(serve_once(own_jwk.to_string()).await));

    let by_another = sign(Algorithm::HS256, None, &EncodingKey::from_secret(b"another"), &claims);
    let by_host_key = sign(Algorithm::RS256, Some("host"), &EncodingKey::from_rsa_der(RSA), &claims);
    let without_session = host_signs(&json!({"iss": ISSUER, "sub": user, "iat": 0, "exp": exp}));
    let no_uuid = host_signs(&json!({"iss": ISSUER, "sub": "u-1", "sid": session, "iat": 0, "exp": exp}));

    assert_eq!(failure(&tokens, &by_another).await, AuthFailure::InvalidToken);
    assert_eq!(failure(&tokens, &by_host_key).await, AuthFailure::TokenAlgorithm);
    assert_eq!(failure(&tokens, &without_session).await, AuthFailure::InvalidToken);
    assert_eq!(failure(&tokens, &no_uuid).await, AuthFailure::InvalidToken);
}

#[tokio::test]
async fn published_keys_verify_in_their_own_algorithm_only() {
    let (rsa, p256, ed) = (EncodingKey::from_rsa_der(RSA), p256_key(), ed25519_key());
    let set = json!({"keys": [
        public(&rsa, Algorithm::RS256, "rsa"),
        public(&p256, Algorithm::ES256, "ec"),
        public(&ed, Algorithm::EdDSA, "ed"),
        {"kty": "oct", "kid": "oct", "k": URL_SAFE_NO_PAD.encode("public, so no secret")},
        {"kty": "AKP", "kid": "later"},
    ]});
    let tokens = settings(None, Some(serve_once(set.to_string()).await));
    let claims = json!({"sub": "u", "exp": seconds_from_now(60)});
    let stop = CancellationToken::new();
    let check = async {
        for (algorithm, id, key) in
            [(Algorithm::RS256, "rsa", &rsa), (Algorithm::ES256, "ec", &p256), (Algorithm::EdDSA, "ed", &ed)]
        {
            assert!(tokens.verify(&sign(algorithm, Some(id), key, &claims), now()).await.is_ok(), "{id}");
            assert!(tokens.verify(&sign(algorithm, None, key, &claims), now()).await.is_ok(), "{id}, unnamed");
        }
        let public_rsa = public(&rsa, Algorithm::RS256, "rsa").to_string();
        let confused = sign(Algorithm::HS256, Some("rsa"), &EncodingKey::from_secret(public_rsa.as_bytes()), &claims);
        assert_eq!(failure(&tokens, &confused).await, AuthFailure::TokenAlgorithm);
        let other_algorithm = sign(Algorithm::RS512, Some("rsa"), &rsa, &claims);
        assert_eq!(failure(&tokens, &other_algorithm).await, AuthFailure::TokenAlgorithm);
        let other_key = sign(Algorithm::ES256, Some("rsa"), &p256, &claims);
        assert_eq!(failure(&tokens, &other_key).await, AuthFailure::TokenAlgorithm);
        let by_oct = sign(Algorithm::HS256, Some("oct"), &EncodingKey::from_secret(b"public, so no secret"), &claims);
        assert_eq!(failure(&tokens, &by_oct).await, AuthFailure::InvalidToken);
        for unknown in ["new", "../../etc/passwd", "' or 1=1 --"] {
            let by_unknown = sign(Algorithm::RS256, Some(unknown), &rsa, &claims);
            assert_eq!(failure(&tokens, &by_unknown).await, AuthFailure::InvalidToken);
        }
        assert!(tokens.verify(&host_signs(&claims), now()).await.is_ok(), "the shared secret stays good");
        stop.cancel();
    };
    tokio::join!(check, tokens.keep_keys_fresh(stop.clone()));
}

fn public(key: &EncodingKey, algorithm: Algorithm, id: &str) -> Value {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    serde_json::to_value(jwk).unwrap()
}

/// A private key is any number; around it PKCS #8 says of which kind it is.
fn ed25519_key() -> EncodingKey {
    const AROUND: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    EncodingKey::from_ed_der(&[AROUND, &[7; 32]].concat())
}

fn p256_key() -> EncodingKey {
    const AROUND: &[u8] =
        b"\x30\x41\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\
        \x03\x01\x07\x04\x27\x30\x25\x02\x01\x01\x04\x20";
    EncodingKey::from_ec_der(&[AROUND, &[7; 32]].concat())
}
