//! Tokens that the host application signs: whom they make, and which are refused with which word.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::harness::{
    client::Client,
    each, id,
    postgres::{held_person, waiting},
    reply::Reply,
    school::operator,
    server::TestServer,
    token::{self, HOST_SECRET, Keys, forged, host_claims, host_server, host_token, seconds_from_now, signed},
    until,
};

const RSA: &[u8] = include_bytes!("../keys/host_rsa.der");

async fn shows(client: &Client, token: &str) -> Reply {
    client.with_token(token).get("/users/me").await
}

#[tokio::test]
async fn a_host_token_makes_its_person_on_first_sight() {
    let server = host_server().await;
    let token = host_token("u-1", json!({"name": "Ada Lovelace", "roles": ["coach"]}));

    let reply = shows(&server.client, &token).await;
    let again = shows(&server.client, &token).await;

    insta::assert_json_snapshot!("host_person", reply.shape());
    assert_eq!(reply.expect(200), again.expect(200));
}

#[tokio::test]
async fn one_person_first_seen_in_many_calls_at_once_is_made_once() {
    let server = host_server().await;
    let token = host_token("u-1", json!({}));

    let replies = futures_util::future::join_all((0..8).map(|_| shows(&server.client, &token))).await;

    let first = replies[0].body["id"].clone();
    for reply in replies {
        assert_eq!(reply.expect(200)["id"], first);
    }
}

#[tokio::test]
async fn later_tokens_change_name_and_roles() {
    let server = host_server().await;
    shows(&server.client, &host_token("u-1", json!({"name": "Ada", "roles": ["coach", "member"]}))).await.expect(200);

    let changed = host_token("u-1", json!({"name": "Ada Lovelace", "roles": ["alumna"]}));
    let user = shows(&server.client, &changed).await.expect(200);

    assert_eq!((&user["display_name"], &user["roles"]), (&json!("Ada Lovelace"), &json!(["alumna"])));
}

#[tokio::test]
async fn the_host_names_people_by_its_own_ids_only() {
    let server = host_server().await;
    let ada = server.person("ada").await;

    for sub in [ada.id.as_str(), "ada"] {
        let user = shows(&server.client, &host_token(sub, json!({}))).await.expect(200);

        assert_ne!(user["id"], ada.id.as_str());
        assert_eq!(user["external_id"], sub);
    }
}

#[tokio::test]
async fn who_deleted_their_account_does_not_come_back_by_a_token_from_before() {
    let server = host_server().await;
    let long = json!({"iat": seconds_from_now(0), "exp": seconds_from_now(30 * 24 * 3_600)});
    let ahead = json!({"iat": seconds_from_now(50), "exp": seconds_from_now(30 * 24 * 3_600)});
    let [long, ahead] = [long, ahead].map(|claims| host_token("u-1", claims));
    let first = shows(&server.client, &long).await.expect(200);

    server.client.with_token(&long).delete("/users/me").await.expect(204);

    for later in [0, 3] {
        server.clock.advance(chrono::Duration::days(later));
        for token in [&long, &ahead] {
            shows(&server.client, token).await.refused(401, "session_revoked");
        }
    }
    let after = json!({"iat": seconds_from_now(24 * 3_600), "exp": seconds_from_now(30 * 24 * 3_600)});
    let second = shows(&server.client, &host_token("u-1", after)).await.expect(200);
    assert_ne!(second["id"], first["id"]);
}

#[tokio::test]
async fn who_deletes_their_account_does_not_come_back_by_what_is_under_way() {
    let server = host_server().await;
    let [first, renamed] = ["Ada", "Ada Lovelace"].map(|name| host_token("u-1", json!({"name": name})));
    let ada = shows(&server.client, &first).await.expect(200);
    let (mut holder, mut onlooker) = (server.database.connect().await, server.database.connect().await);
    let holding = held_person(&mut holder, id(&ada)).await;

    let deleting = tokio::spawn({
        let client = server.client.with_token(&first);
        async move { client.delete("/users/me").await }
    });
    until("the deletion waits", async || (waiting(&mut onlooker).await == 1).then_some(())).await;
    let coming = tokio::spawn({
        let client = server.client.clone();
        async move { shows(&client, &renamed).await }
    });
    until("the newer token waits too", async || (waiting(&mut onlooker).await == 2).then_some(())).await;
    holding.rollback().await.expect("nothing was done");

    deleting.await.expect("it ends").expect(204);
    coming.await.expect("it ends").refused(401, "session_revoked");
    let olga = operator(&server).await;
    assert_eq!(olga.get("/users?external_id=u-1").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_ban_bites_on_a_token_whose_maker_has_a_clock_that_is_ahead() {
    let server = host_server().await;
    let ahead = server.client.with_token(&host_token("u-1", json!({"iat": seconds_from_now(50)})));
    ahead.get("/users/me").await.expect(200);
    let olga = operator(&server).await;
    let found = olga.get("/users?external_id=u-1").await.expect(200);

    let path = format!("/admin/users/{}/ban", id(&found["items"][0]));
    olga.put(&path, json!({"reason": "Spam"})).await.expect(200);

    ahead.get("/users/me").await.refused(403, "banned");
}

#[tokio::test]
async fn what_the_host_says_of_somebody_is_bounded_like_what_they_say_themselves() {
    let server = host_server().await;

    let long = shows(&server.client, &host_token(&"x".repeat(255), json!({}))).await.expect(200);
    assert_eq!(long["display_name"].as_str().map(str::len), Some(120));
    for bad in ["", &"x".repeat(65)] {
        let token = host_token("u-1", json!({"roles": ["coach", bad]}));
        shows(&server.client, &token).await.refused(401, "invalid_token");
    }
    shows(&server.client, &host_token("u-1", json!({"roles": ["x".repeat(64)]}))).await.expect(200);
}

#[tokio::test]
async fn people_of_the_host_talk_like_all_others_but_have_no_session() {
    let server = host_server().await;
    let bob = server.person("bob").await;
    let ada = server.client.with_token(&host_token("u-1", json!({"name": "Ada"})));

    let opened = ada.post("/conversations", json!({"kind": "direct", "participant_ids": [bob.id]})).await.expect(201);
    let conversation = opened["id"].as_str().expect("it has an id");
    ada.post(&format!("/conversations/{conversation}/messages"), json!({"body": "Hello"})).await.expect(201);

    assert_eq!(bob.words(conversation).await, ["Hello"]);
    let sessions = ada.get("/auth/sessions").await.expect(200);
    assert_eq!(each(&sessions, "id"), [] as [&Value; 0]);
    let change = json!({"current_password": "", "new_password": "a better password"});
    ada.post("/auth/password", change).await.refused(409, "no_password");
}

#[tokio::test]
async fn times_in_tokens_are_granted_a_minute() {
    let server = host_server().await;
    let with = |claims: Value| host_token("u-1", claims);

    for good in [json!({"exp": seconds_from_now(-50)}), json!({"nbf": seconds_from_now(50)})] {
        shows(&server.client, &with(good)).await.expect(200);
    }
    shows(&server.client, &with(json!({"exp": seconds_from_now(-70)}))).await.refused(401, "token_expired");
    shows(&server.client, &with(json!({"nbf": seconds_from_now(75)}))).await.refused(401, "token_not_yet_valid");
}

#[tokio::test]
async fn an_audience_is_asked_for_where_one_is_set() {
    let server = TestServer::with(|settings| {
        settings.jwt_secret = HOST_SECRET.parse().ok();
        settings.token_audience = Some("chat".to_owned());
    })
    .await;

    for good in [json!("chat"), json!(["shop", "chat"])] {
        shows(&server.client, &host_token("u-1", json!({"aud": good}))).await.expect(200);
    }
    for bad in [json!("shop"), json!(["shop"]), json!("chatter"), Value::Null] {
        shows(&server.client, &host_token("u-1", json!({"aud": bad}))).await.refused(401, "wrong_audience");
    }
    server.person("ada").await.get("/users/me").await.expect(200);
}

#[tokio::test]
async fn unsigned_and_otherwise_signed_tokens_are_refused() {
    let server = host_server().await;
    let claims = host_claims("u-1", json!({}));
    let signed_part = host_token("u-1", json!({}));
    let signature = signed_part.rsplit('.').next().expect("a token has three parts");

    for algorithm in ["none", "None", "nOnE", "", "HS512"] {
        let token = forged(&json!({"alg": algorithm, "typ": "JWT"}), &claims, "");
        shows(&server.client, &token).await.refused(401, "token_algorithm");
    }
    let unsigned = forged(&json!({"alg": "HS256", "typ": "JWT"}), &claims, "");
    shows(&server.client, &unsigned).await.refused(401, "invalid_token");
    let borrowed = forged(&json!({"alg": "HS256"}), &host_claims("u-2", json!({})), signature);
    shows(&server.client, &borrowed).await.refused(401, "invalid_token");
    let another = signed(Algorithm::HS256, &EncodingKey::from_secret(b"another secret"), claims.clone());
    shows(&server.client, &another).await.refused(401, "invalid_token");
    let by_rsa = signed(Algorithm::RS256, &EncodingKey::from_rsa_der(RSA), claims);
    shows(&server.client, &by_rsa).await.refused(401, "token_algorithm");
}

#[tokio::test]
async fn tokens_without_a_person_or_an_end_are_refused() {
    let server = host_server().await;
    let key = EncodingKey::from_secret(HOST_SECRET.as_bytes());
    let exp = seconds_from_now(60);

    for claims in [
        json!({"exp": exp}),
        json!({"sub": "u-1"}),
        json!({"sub": "", "exp": exp}),
        json!({"sub": 7, "exp": exp}),
        json!({"sub": "u\0", "exp": exp}),
        json!({"sub": "u-1", "exp": "tomorrow"}),
    ] {
        let token = signed(Algorithm::HS256, &key, claims.clone());
        let reply = shows(&server.client, &token).await;
        assert_eq!(reply.status, 401, "{claims}: {reply}");
        reply.refused(401, "invalid_token");
    }
}

#[tokio::test]
async fn keys_that_the_host_publishes_are_good_in_their_own_algorithm_only() {
    let keys = Keys::publish(RSA).await;
    let server = TestServer::with(|settings| {
        settings.jwt_secret = HOST_SECRET.parse().ok();
        settings.jwks_url = Some(keys.url.clone());
    })
    .await;
    let (rsa, claims) = (EncodingKey::from_rsa_der(RSA), host_claims("u-1", json!({})));

    let good = token::signed_as(Some("host"), Algorithm::RS256, &rsa, claims.clone());
    let user = shows(&server.client, &good).await.expect(200);
    assert_eq!(user["external_id"], "u-1");
    shows(&server.client, &host_token("u-1", json!({}))).await.expect(200);

    // The classic confusion: the public key, taken for a shared secret.
    for public in [keys.jwk.to_string(), keys.modulus.clone()] {
        let secret = EncodingKey::from_secret(public.as_bytes());
        let confused = token::signed_as(Some("host"), Algorithm::HS256, &secret, claims.clone());
        shows(&server.client, &confused).await.refused_with(401);
    }
    let otherwise = token::signed_as(Some("host"), Algorithm::RS512, &rsa, claims.clone());
    shows(&server.client, &otherwise).await.refused(401, "token_algorithm");
    for unknown in ["new", "../../../../etc/passwd", "' or 1=1 --", ""] {
        let by_unknown = token::signed_as(Some(unknown), Algorithm::RS256, &rsa, claims.clone());
        shows(&server.client, &by_unknown).await.refused(401, "invalid_token");
    }
}
