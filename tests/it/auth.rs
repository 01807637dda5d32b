//! Signing up and in with a password: who is let in, and who is not.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    client::{Client, perform},
    machine,
    person::Person,
    reply::Reply,
    server::{PASSWORD, TestServer},
};

async fn registers(client: &Client, username: &str, password: &str) -> Reply {
    client.post("/auth/register", json!({"username": username, "password": password})).await
}

async fn logs_in(client: &Client, name: &str, password: &str) -> Reply {
    client.post("/auth/login", json!({"username": name, "password": password})).await
}

#[tokio::test]
async fn who_registers_is_signed_in_at_once() {
    let server = TestServer::start().await;

    let body =
        json!({"username": "Ada", "password": PASSWORD, "display_name": "Ada Lovelace", "email": "ada@example.com"});
    let reply = server.client.post("/auth/register", body).await;

    insta::assert_json_snapshot!("register", reply.shape());
    let ada = Person::new(&server.client, "Ada", &reply.expect(201));
    assert_eq!(ada.get("/users/me").await.expect(200)["id"], ada.id.as_str());
}

#[tokio::test]
async fn who_says_no_name_is_shown_by_the_username() {
    let server = TestServer::start().await;

    let reply = registers(&server.client, "ada", PASSWORD).await;

    assert_eq!(reply.header("cache-control"), "no-store");
    let signed_in = reply.expect(201);
    assert_eq!(signed_in["user"]["display_name"], "ada");
    assert_eq!(signed_in["user"]["email"], Value::Null);
}

#[tokio::test]
async fn a_username_is_given_once_whatever_its_case() {
    let server = TestServer::start().await;
    server.person("Ada.L").await;

    registers(&server.client, "aDA.l", PASSWORD).await.refused(409, "username_taken");
}

#[tokio::test]
async fn an_email_is_given_once_whatever_its_case() {
    let server = TestServer::start().await;
    let with_email = |username: &str, email: &str| json!({"username": username, "password": PASSWORD, "email": email});
    server.client.post("/auth/register", with_email("ada", "ada@example.com")).await.expect(201);

    server.client.post("/auth/register", with_email("bob", "ADA@example.com")).await.refused(409, "email_taken");
}

#[tokio::test]
async fn one_username_registered_by_many_at_once_is_given_to_one() {
    let server = TestServer::start().await;

    let replies = futures_util::future::join_all((0..8).map(|_| registers(&server.client, "ada", PASSWORD))).await;

    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1, "{replies:#?}");
    assert_eq!(replies.iter().filter(|reply| reply.status == 409).count(), 7, "{replies:#?}");
}

#[tokio::test]
async fn usernames_are_3_to_32_plain_signs() {
    let server = TestServer::start().await;

    for good in ["a.b", "x_-", "0123456789abcdef0123456789abcdef"] {
        registers(&server.client, good, PASSWORD).await.expect(201);
    }
    for bad in ["", "ab", "0123456789abcdef0123456789abcdef0", "a b c", "añb", "a/b", "ada@home", "ad\u{0430}"] {
        registers(&server.client, bad, PASSWORD).await.refused_for("username");
    }
}

#[tokio::test]
async fn passwords_must_not_be_short_and_may_be_anything_else() {
    let server = TestServer::start().await;

    registers(&server.client, "ada", "1234567").await.refused_for("password");
    registers(&server.client, "bob", &"x".repeat(100_000)).await.refused_for("password");
    registers(&server.client, "eve", " pässwörd 🔑 ").await.expect(201);

    logs_in(&server.client, "eve", " pässwörd 🔑 ").await.expect(200);
    logs_in(&server.client, "eve", "pässwörd 🔑").await.refused(401, "bad_credentials");
}

#[tokio::test]
async fn what_cannot_be_an_address_is_no_email() {
    let server = TestServer::start().await;

    for bad in ["ada", "ada@", "@example.com", "a b@example.com", "a@b@example.com"] {
        let body = json!({"username": "ada", "password": PASSWORD, "email": bad});
        server.client.post("/auth/register", body).await.refused_for("email");
    }
}

#[tokio::test]
async fn nobody_makes_themselves_somebody_else_by_registering() {
    let server = TestServer::start().await;
    let id = "0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b";

    let body = json!({"username": "eve", "password": PASSWORD, "id": id, "roles": ["operator"], "role": "operator",
        "external_id": "u-1", "created_at": "2001-01-01T00:00:00Z"});
    let reply = server.client.post("/auth/register", body).await;

    let user = &reply.expect(201)["user"];
    assert_ne!(user["id"], id);
    assert_eq!((&user["roles"], &user["external_id"]), (&json!([]), &Value::Null));
    assert!(!user["created_at"].to_string().contains("2001"), "{user:#}");
}

#[tokio::test]
async fn one_signs_in_by_username_or_email_whatever_their_case() {
    let server = TestServer::start().await;
    let body = json!({"username": "Ada", "password": PASSWORD, "email": "Ada@Example.com"});
    let registered = server.client.post("/auth/register", body).await.expect(201);

    let by_name = logs_in(&server.client, "aDa", PASSWORD).await;
    let by_email = logs_in(&server.client, "ada@example.com", PASSWORD).await;

    insta::assert_json_snapshot!("login", by_name.shape());
    assert_eq!(by_name.expect(200)["user"], registered["user"]);
    assert_eq!(by_email.expect(200)["user"], registered["user"]);
}

#[tokio::test]
async fn a_wrong_password_and_a_name_that_nobody_has_are_refused_alike() {
    let server = TestServer::start().await;
    server.person("ada").await;

    let mut wrong = logs_in(&server.client, "ada", "not the password").await.refused(401, "bad_credentials");
    let mut unknown = logs_in(&server.client, "nobody", "not the password").await.refused(401, "bad_credentials");
    let mut absurd =
        logs_in(&server.client, "no body\u{1F47B}", "not the password").await.refused(401, "bad_credentials");

    for problem in [&mut wrong, &mut unknown, &mut absurd] {
        problem["request_id"].take();
    }
    assert_eq!(wrong, unknown);
    assert_eq!(wrong, absurd);
}

#[tokio::test]
async fn a_name_that_nobody_has_takes_as_long_as_a_wrong_password() {
    let _machine = machine::most().await;
    let server = TestServer::start().await;
    server.person("ada").await;
    // The least of several, which what else the machine does can only lengthen.
    let least = async |name: &str| {
        let mut least = Duration::MAX;
        for _ in 0..7 {
            let began = Instant::now();
            logs_in(&server.client, name, "not the password").await.refused(401, "bad_credentials");
            least = least.min(began.elapsed());
        }
        least
    };

    let (wrong, unknown) = (least("ada").await, least("nobody").await);

    assert!(unknown * 2 > wrong, "{unknown:?} tells that nobody has the name; a wrong password takes {wrong:?}");
}

#[tokio::test]
async fn who_shows_no_token_or_nonsense_is_told_so() {
    let server = TestServer::start().await;

    let anonymous = server.client.get("/users/me").await;
    let nonsense = server.client.with_token("nonsense").get("/users/me").await;
    let basic = server.client.ask(Method::GET, "/users/me").basic_auth("ada", Some(PASSWORD));

    assert_eq!(anonymous.header("www-authenticate"), "Bearer");
    insta::assert_json_snapshot!("unauthenticated", anonymous.shape());
    anonymous.refused(401, "unauthenticated");
    nonsense.refused(401, "invalid_token");
    perform(basic).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn an_access_token_ends_when_it_said_with_a_minute_of_grace() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    server.clock.advance(chrono::Duration::seconds(900 + 50));
    ada.get("/users/me").await.expect(200);
    server.clock.advance(chrono::Duration::seconds(15));

    ada.get("/users/me").await.refused(401, "token_expired");
}

#[tokio::test]
async fn secrets_are_not_in_the_database() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    ada.post("/auth/refresh", json!({"refresh_token": ada.refresh_token})).await.expect(200);

    let mut db = server.database.connect().await;
    let rows: Vec<String> = sqlx::query_scalar(
        "select row_to_json(users)::text from users
         union all
         select row_to_json(sessions)::text from sessions",
    )
    .fetch_all(&mut db)
    .await
    .expect("the tables are there");

    let kept = rows.join("\n");
    assert!(kept.contains("$argon2id$"), "{kept}");
    for secret in [PASSWORD, &ada.refresh_token, ada.token().expect("she is signed in")] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!kept.contains(secret) && !kept.contains(&hex), "{secret} is in {kept}");
    }
}
