//! The command line: what an operator does to accounts, how contracts and settings are shown, and how it fails.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{
    client::Client,
    command::{colloquy, colloquy_reading},
    directory::Directory,
    each,
    postgres::Database,
    process::Process,
    redis::Redis,
    server::{PASSWORD, TestServer},
    token::{HOST_SECRET, host_server, host_token},
    until,
};

/// In which a banned person's sockets close.
const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn an_account_that_was_made_on_the_command_line_signs_in_with_its_roles() {
    let server = TestServer::start().await;
    let database = [("DATABASE_URL", server.database.url())];

    let create =
        ["user", "create", "ada", "--display-name", "Ada L.", "--email", "ada@example.org", "--role", "operator"];
    let id = colloquy_reading(&format!("{PASSWORD}\n"), &create, &database).await.expect();

    let login = json!({"username": "ada@example.org", "password": PASSWORD});
    let user = server.client.post("/auth/login", login).await.expect(200)["user"].take();
    assert_eq!(
        (&user["id"], &user["display_name"], &user["roles"]),
        (&json!(id), &json!("Ada L."), &json!(["operator"]))
    );
    let again = colloquy(&["user", "create", "Ada", "--password", PASSWORD], &database).await.refused();
    assert_eq!(again, "This username is taken.");
    let weak = colloquy(&["user", "create", "bob", "--password", "123"], &database).await.refused();
    assert!(weak.starts_with("password: ") && weak.contains("characters"), "{weak}");
}

#[tokio::test]
async fn roles_are_replaced() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let roles = async || ada.signs_in_again().await.get("/users/me").await.expect(200)["roles"].take();
    let database = [("DATABASE_URL", server.database.url())];

    let given = colloquy(&["user", "role", "ada", "operator", "coach"], &database).await.expect();
    let both = roles().await;
    let taken = colloquy(&["user", "role", "ada"], &database).await.expect();

    assert_eq!((given.as_str(), both), ("ada has now: operator, coach", json!(["operator", "coach"])));
    assert_eq!((taken.as_str(), roles().await), ("ada has now: no roles", json!([])));
    assert_eq!(colloquy(&["user", "role", "eve"], &database).await.refused(), "There is no such user.");
}

#[tokio::test]
async fn a_ban_closes_the_persons_sockets_at_once_and_keeps_them_out_until_it_is_lifted() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (mut phone, mut desk) = (ada.socket().await, ada.signs_in_again().await.socket().await);
    let mut bobs = bob.socket().await;
    let database = [("DATABASE_URL", server.database.url())];

    colloquy(&["user", "ban", "ada", "--hours", "1"], &database).await.expect();
    let began = Instant::now();

    for socket in [&mut phone, &mut desk] {
        assert_eq!(socket.is_closed().await.0, 4003);
    }
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    bobs.sends("ping", json!({})).await;
    ada.get("/users/me").await.refused_with(403);
    let login = json!({"username": "ada", "password": PASSWORD});
    server.client.post("/auth/login", login.clone()).await.refused(403, "banned");
    colloquy(&["user", "unban", "ada"], &database).await.expect();
    server.client.post("/auth/login", login).await.expect(200);
    for command in ["ban", "unban"] {
        assert_eq!(colloquy(&["user", command, "eve"], &database).await.refused(), "There is no such user.");
    }
}

#[tokio::test]
async fn a_ban_reaches_the_server_that_runs_on_the_data_directory() {
    let directory = Directory::create();
    let settings = [("COLLOQUY_DATA_DIR", directory.text())];
    let server = Process::start(&settings).await;
    let mut socket = server.person("ada").await.socket().await;

    colloquy(&["user", "ban", "ada"], &settings).await.expect();

    assert_eq!(socket.is_closed().await.0, 4003);
    server.client.get("/users/me").await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_token_opens_the_api_for_as_long_as_it_says() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let database = [("DATABASE_URL", server.database.url())];

    let token = colloquy(&["token", "ada", "--hours", "2"], &database).await.expect();

    let bearer = server.client.with_token(&token);
    assert_eq!(bearer.get("/users/me").await.expect(200)["id"], ada.id);
    server.clock.advance(chrono::Duration::minutes(119));
    bearer.get("/users/me").await.expect(200);
    server.clock.advance(chrono::Duration::minutes(3));
    bearer.get("/users/me").await.refused(401, "token_expired");
    assert_eq!(colloquy(&["token", "eve"], &database).await.refused(), "There is no such user.");
}

#[tokio::test]
async fn the_session_of_a_long_token_lasts_as_long() {
    let server = TestServer::start().await;
    server.person("ada").await;
    let token =
        colloquy(&["token", "ada", "--hours", "8760"], &[("DATABASE_URL", server.database.url())]).await.expect();

    server.clock.advance(chrono::Duration::days(300));

    let sessions = server.client.with_token(&token).get("/auth/sessions").await.expect(200);
    assert_eq!(each(&sessions, "current"), [&json!(true)], "the other one, of a phone, is over");
}

#[tokio::test]
async fn people_are_named_by_their_ids_too_and_nobody_by_what_several_are_called() {
    let server = host_server().await;
    let ada = server.client.with_token(&host_token("user-1", json!({"name": "Ada"})));
    let id = ada.get("/users/me").await.expect(200)["id"].as_str().expect("an id").to_owned();
    let database = [("DATABASE_URL", server.database.url()), ("COLLOQUY_JWT_SECRET", HOST_SECRET)];

    colloquy(&["user", "role", "user-1", "coach"], &database).await.expect();
    colloquy(&["user", "ban", &id], &database).await.expect();
    until("she is out", async || (ada.get("/users/me").await.status == 403).then_some(())).await;
    colloquy(&["user", "unban", "user-1"], &database).await.expect();
    let token = colloquy(&["token", "user-1"], &database).await.expect();
    let me = server.client.with_token(&token).get("/users/me").await.expect(200);
    assert_eq!((&me["id"], &me["roles"]), (&json!(id), &json!(["coach"])));

    server.person("user-1").await;
    let refused = colloquy(&["user", "role", "user-1", "operator"], &database).await.refused();
    assert!(refused.contains("Several"), "{refused}");
    colloquy(&["user", "role", &id, "operator"], &database).await.expect();
}

#[tokio::test]
async fn a_database_is_migrated_once_and_by_many_at_once() {
    let database = Database::empty().await;
    let url = [("DATABASE_URL", database.url())];
    let migrate = || colloquy(&["migrate"], &url);

    let before = colloquy(&["doctor", "--listen", "127.0.0.1:0"], &url).await.expect();
    let (one, other, third) = tokio::join!(migrate(), migrate(), migrate());
    let after = colloquy(&["doctor", "--listen", "127.0.0.1:0"], &url).await.expect();

    for outcome in [one, other, third] {
        assert_eq!(outcome.expect(), "The database is up to date.");
    }
    assert!(before.contains("migrations will be applied at next start."), "{before}");
    assert!(after.contains("answers, and its schema is up to date."), "{after}");
    assert_eq!(migrate().await.expect(), "The database is up to date.");
}

#[tokio::test]
async fn the_doctor_finds_what_is_broken_and_changes_nothing() {
    let (directory, redis) = (Directory::create(), Redis::start());
    let place = directory.path().join("not yet there");
    let place = place.to_str().expect("its name is ASCII");
    let well = [("COLLOQUY_DATA_DIR", place), ("COLLOQUY_LISTEN", "127.0.0.1:0"), ("REDIS_URL", redis.url())];
    let ill = [
        ("DATABASE_URL", "mysql://root:hunter2@db/chat"),
        ("COLLOQUY_LISTEN", "192.0.2.1:80"),
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("COLLOQUY_JWT_SECRET", "hunter2"),
    ];

    let (healthy, broken) = tokio::join!(colloquy(&["doctor"], &well), colloquy(&["doctor"], &ill));

    let healthy = healthy.expect();
    assert!(healthy.lines().count() >= 5 && healthy.lines().all(|line| line.starts_with("ok ")), "{healthy}");
    assert!(!Path::new(place).exists(), "a doctor only looks");
    assert_eq!(broken.code, 1);
    for subject in ["settings", "database", "redis", "port"] {
        let verdict = broken.out.lines().find(|line| line.split_whitespace().nth(1) == Some(subject));
        assert!(verdict.is_some_and(|line| line.starts_with("broken ")), "{subject} in:\n{}", broken.out);
    }
    assert!(!broken.out.contains("hunter2"), "{}", broken.out);
}

#[tokio::test]
async fn the_contracts_are_printed_as_they_are_served() {
    let server = TestServer::start().await;
    let (rest, sockets) = tokio::join!(colloquy(&["openapi"], &[]), colloquy(&["asyncapi"], &[]));

    for (printed, path) in [(rest, "/openapi.yaml"), (sockets, "/asyncapi.yaml")] {
        assert_eq!(printed.expect(), served(&server.client, path).await.as_str().expect("it is text").trim_end());
    }
}

#[tokio::test]
async fn help_lists_every_setting_with_its_variable_and_default() {
    let declared = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/settings.rs"));
    let declared = declared.expect("settings are declared there");
    let variables: Vec<_> =
        declared.split("env = \"").skip(1).map(|rest| rest.split('"').next().expect("it is quoted")).collect();
    let secret = [("COLLOQUY_JWT_SECRET", "hunter2"), ("DATABASE_URL", "postgres://ada:hunter2@db/chat")];

    let help = colloquy(&["--help"], &secret).await.expect();

    // Wide terminals and narrow ones break lines at different places.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(variables.len() >= 15, "{variables:?}");
    for variable in variables {
        assert!(help.contains(&format!("[env: {variable}")), "{variable} is missing in: {help}");
    }
    for default in ["127.0.0.1:8080", "info,sqlx=warn", "900", "30", "10", "25", "1048576", "20"] {
        assert!(help.contains(&format!("[default: {default}]")), "{default} is missing in: {help}");
    }
    assert!(!help.contains("hunter2"), "{help}");
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_with_a_hint() {
    for (arguments, hint) in [
        (&["dance"][..], "unrecognized subcommand 'dance'"),
        (&["user"], "Usage: colloquy user"),
        (&["user", "ban"], "<USER>"),
        (&["token", "ada", "--hours", "0"], "'--hours <HOURS>'"),
        (&["serve", "--listen", "here"], "'--listen <ADDRESS>'"),
        (&["--shout"], "unexpected argument '--shout'"),
    ] {
        let outcome = colloquy(arguments, &[]).await;

        assert!(outcome.code == 2 && outcome.err.contains(hint), "{arguments:?}: {outcome:#?}");
    }
}

async fn served(client: &Client, path: &str) -> Value {
    crate::harness::client::perform(client.ask_outside(reqwest::Method::GET, path)).await.expect(200)
}
