//! People: what they say of themselves, how they are found, and how they go.

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::harness::{
    client::encoded,
    each, new_id,
    person::Person,
    server::{PASSWORD, TestServer},
    token::{host_server, host_token},
    until,
};

async fn registers(server: &TestServer, username: &str, display_name: &str) -> Person {
    let email = format!("{username}@example.com");
    let body = json!({"username": username, "password": PASSWORD, "display_name": display_name, "email": email});
    let signed_in = server.client.post("/auth/register", body).await.expect(201);
    Person::new(&server.client, username, &signed_in)
}

async fn finds(person: &Person, query: &str) -> Vec<String> {
    let found = person.get(&format!("/users?q={}", encoded(query))).await.expect(200);
    each(&found, "username").iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_profile_shows_others_everything_but_the_address() {
    let server = TestServer::start().await;
    let (ada, bob) = (registers(&server, "ada", "Ada Lovelace").await, server.person("bob").await);

    let own = ada.get("/users/me").await;
    let others = bob.get(&format!("/users/{}", ada.id)).await;

    insta::assert_json_snapshot!("own_profile", own.shape());
    insta::assert_json_snapshot!("other_profile", others.shape());
}

#[tokio::test]
async fn an_address_is_shown_to_nobody_else_anywhere() {
    let server = TestServer::start().await;
    let (ada, bob) = (registers(&server, "ada", "Ada").await, registers(&server, "bob", "Bob").await);
    let mut socket = bob.socket().await;
    let group = ada.opens_group_with([&bob]).await;
    ada.says(&group, "Hello").await;

    let sync = bob.syncs(json!({})).await;
    let pages = [
        bob.get("/users?q=ada").await,
        bob.get("/conversations").await,
        bob.get(&format!("/conversations/{group}/participants")).await,
        bob.put(&format!("/blocks/{}", ada.id), json!({})).await,
        bob.get("/blocks").await,
    ];

    assert!(!sync.to_string().contains("ada@example.com"), "{sync:#}");
    for page in pages {
        assert!(!page.body.to_string().contains("ada@example.com"), "{page}");
        assert!(page.body.to_string().contains(&ada.id), "{page}");
    }
    let heard = socket.drains().await;
    assert!(!json!(heard).to_string().contains("ada@example.com"), "{heard:#?}");
}

#[tokio::test]
async fn a_profile_is_changed_field_by_field() {
    let server = TestServer::start().await;
    let ada = registers(&server, "ada", "Ada").await;

    let change = json!({"display_name": "Ada Lovelace", "metadata": {"city": "London"}});
    let changed = ada.patch("/users/me", change).await.expect(200);
    assert_eq!((&changed["display_name"], &changed["metadata"]), (&json!("Ada Lovelace"), &json!({"city": "London"})));
    assert_eq!(changed["email"], "ada@example.com");
    assert_eq!(ada.get(&format!("/users/{}", ada.id)).await.expect(200), changed);

    let cleared = ada.patch("/users/me", json!({"email": null})).await.expect(200);
    assert_eq!((&cleared["email"], &cleared["display_name"]), (&Value::Null, &json!("Ada Lovelace")));
    assert_eq!(ada.get("/users/me").await.expect(200), cleared);
}

#[tokio::test]
async fn what_a_profile_may_not_hold_is_refused_and_nothing_changes() {
    let server = TestServer::start().await;
    let ada = registers(&server, "ada", "Ada").await;
    registers(&server, "bob", "Bob").await;
    let before = ada.get("/users/me").await.expect(200);
    // Quotes, colon and braces are part of the 4 KiB.
    let full = json!({"note": "x".repeat(4_096 - r#"{"note":""}"#.len())});

    for (field, value) in [
        ("display_name", json!("")),
        ("display_name", json!("   ")),
        ("display_name", json!("x".repeat(121))),
        ("metadata", json!([1, 2])),
        ("metadata", json!("text")),
        ("metadata", json!({"note": "x".repeat(4_097)})),
        ("email", json!("nowhere")),
    ] {
        ada.patch("/users/me", json!({ field: value })).await.refused_for(field);
    }
    ada.patch("/users/me", json!({"email": "bob@example.com"})).await.refused(409, "email_taken");
    ada.patch("/users/me", json!({"display_name": 7})).await.refused_with(422);

    assert_eq!(ada.get("/users/me").await.expect(200), before);
    ada.patch("/users/me", json!({"display_name": "Ä".repeat(120), "metadata": full})).await.expect(200);
}

#[tokio::test]
async fn nobody_gives_themselves_roles_or_another_id() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let before = ada.get("/users/me").await.expect(200);

    let grab = json!({"roles": ["operator"], "id": new_id(), "external_id": "u-1", "username": "root"});
    ada.patch("/users/me", grab).await;

    assert_eq!(ada.get("/users/me").await.expect(200), before);
}

#[tokio::test]
async fn people_are_found_by_how_their_names_begin_before_what_looks_alike() {
    let server = TestServer::start().await;
    let eve = registers(&server, "eve", "Eve").await;
    registers(&server, "lovelace", "Ada").await;
    registers(&server, "countess", "Lovelace, Ada").await;
    registers(&server, "grover", "Grover Lowelace").await;
    registers(&server, "charles", "Charles Babbage").await;

    let begun = finds(&eve, "LOVE").await;
    let mistyped = finds(&eve, "lovelase").await;

    let mut first = begun[..2].to_vec();
    first.sort();
    assert_eq!(first, ["countess", "lovelace"], "{begun:?}");
    assert!(mistyped.contains(&"lovelace".to_owned()), "{mistyped:?}");
    assert!(!mistyped.contains(&"charles".to_owned()), "{mistyped:?}");
    assert_eq!(finds(&eve, "babb").await, ["charles"]);
    assert_eq!(finds(&eve, "nobody like that").await, [] as [&str; 0]);
}

#[tokio::test]
async fn signs_that_mean_something_to_a_database_mean_nothing_in_a_search() {
    let server = TestServer::start().await;
    let eve = server.person("eve").await;
    registers(&server, "ada", "100% Ada_L").await;
    registers(&server, "bob", "100 Bob").await;

    assert_eq!(finds(&eve, "100%").await.first().map(String::as_str), Some("ada"));
    for odd in
        ["%", "_", "\\", "'", "\"; drop table users; --", "' or '1'='1", "(((", "*", ":*", "a & b", "<->", "\u{202e}"]
    {
        let found = finds(&eve, odd).await;
        assert!(!found.contains(&"bob".to_owned()), "{odd} finds {found:?}");
    }
    assert_eq!(finds(&eve, "bob").await, ["bob"]);
}

#[tokio::test]
async fn found_people_come_in_pages() {
    let server = TestServer::start().await;
    let eve = server.person("eve").await;
    for number in 0..7 {
        server.person(&format!("ada{number}")).await;
    }

    let mut found = Vec::new();
    let mut path = "/users?q=ada&limit=3".to_owned();
    loop {
        let page = eve.get(&path).await.expect(200);
        assert!(each(&page, "id").len() <= 3);
        found.extend(each(&page, "username").into_iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/users?q=ada&limit=3&cursor={cursor}");
    }

    let names: std::collections::BTreeSet<_> = found.iter().map(|name| name.as_str().unwrap_or_default()).collect();
    assert_eq!((found.len(), names.len()), (7, 7), "{found:?}");
}

#[tokio::test]
async fn a_search_asks_for_one_thing() {
    let server = TestServer::start().await;
    let eve = server.person("eve").await;

    eve.get("/users").await.refused_with(422);
    eve.get("/users?q=").await.refused_for("q");
    eve.get(&format!("/users?q={}", "x".repeat(1_000))).await.refused_for("q");
    eve.get("/users?q=ada&limit=0").await.refused_for("limit");
    eve.get("/users?q=ada&limit=101").await.refused_for("limit");
    eve.get("/users?q=ada&cursor=nonsense").await.refused_with(400);
    eve.get("/users?q=a%00b").await.refused_with(400);
}

#[tokio::test]
async fn people_are_looked_up_by_the_hosts_ids() {
    let server = host_server().await;
    for (sub, name) in [("u-1", "Ada"), ("u-2", "Bob"), ("u,3", "Eve")] {
        let client = server.client.with_token(&host_token(sub, json!({"name": name})));
        client.get("/users/me").await.expect(200);
    }
    let eve = server.person("eve").await;

    let found = eve.get("/users?external_id=u-2,u-1,u-9").await.expect(200);

    let mut names = each(&found, "display_name");
    names.sort_by_key(std::string::ToString::to_string);
    assert_eq!(names, ["Ada", "Bob"]);
    let one = eve.get("/users?external_id=u-2,u-1,u-9&limit=1").await.expect(200);
    let cursor = one["next_cursor"].as_str().expect("there is another page");
    let other = eve.get(&format!("/users?external_id=u-2,u-1,u-9&limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((each(&one, "id").len(), each(&other, "id").len(), &other["next_cursor"]), (1, 1, &Value::Null));
    assert_ne!(each(&one, "id"), each(&other, "id"));
    eve.get("/users?external_id=u-1&cursor=nonsense").await.refused_with(400);
}

#[tokio::test]
async fn there_is_no_such_person() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    ada.get(&format!("/users/{}", new_id())).await.refused(404, "not_found");
    ada.get("/users/not-an-id").await.refused_with(400);
}

#[tokio::test]
async fn who_deletes_their_account_is_gone_but_what_they_said_is_not() {
    let server = TestServer::start().await;
    let (ada, bob) = (registers(&server, "ada", "Ada Lovelace").await, server.person("bob").await);
    let group = ada.opens_group_with([&bob]).await;
    let said = ada.says(&group, "Remember me").await;

    ada.delete("/users/me").await.expect(204);

    ada.get("/users/me").await.refused_with(401);
    server.client.post("/auth/refresh", json!({"refresh_token": ada.refresh_token})).await.refused_with(401);
    let login = json!({"username": "ada", "password": PASSWORD});
    server.client.post("/auth/login", login).await.refused(401, "bad_credentials");
    assert_eq!(finds(&bob, "ada").await, [] as [&str; 0]);
    assert_eq!(bob.words(&group).await, ["Remember me"]);
    let message = bob.looks_at(&said).await.expect(200);
    assert_eq!(message["sender_id"], ada.id.as_str());
    let everything = [bob.sees(&group).await, bob.syncs(json!({})).await].map(|value| value.to_string()).join("");
    assert!(!everything.contains("Lovelace") && !everything.contains("ada@example.com"), "{everything}");
}

#[tokio::test]
async fn who_deletes_their_account_stays_nowhere_whoever_adds_them_meanwhile() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (mut groups, mut leaving) = (Vec::new(), Vec::new());
    for number in 0..16 {
        groups.push(bob.opens_group_with([]).await);
        if number % 2 == 0 {
            leaving.push(bob.opens_group_with([&ada]).await);
        }
    }

    let adding = groups.iter().enumerate().map(async |(place, group)| {
        // Each a little later than the one before, so that they meet the deletion wherever it is.
        for _ in 0..place {
            bob.get("/users/me").await.expect(200);
        }
        bob.adds(group, [&ada]).await.status
    });
    let (deleted, added) = join(ada.delete("/users/me"), join_all(adding)).await;
    deleted.expect(204);

    for (group, status) in groups.iter().zip(added) {
        assert!(matches!(status, 201 | 422), "added or refused, but {status}");
        assert_eq!(bob.sees(group).await["participant_count"], 1, "{status}");
    }
    for group in &leaving {
        assert_eq!(bob.sees(group).await["participant_count"], 1);
    }
    bob.adds(&groups[0], [&ada]).await.refused_for("user_ids");
}

#[tokio::test]
async fn who_deleted_their_account_comes_out_of_every_group_although_it_was_cut_short() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut db = server.database.connect().await;
    let stop = "alter table members add constraint stop check (left_at is null)";
    sqlx::query(stop).execute(&mut db).await.expect("the table is there");

    ada.delete("/users/me").await.expect(204);
    ada.get("/users/me").await.refused_with(401);
    assert_eq!(bob.sees(&group).await["participant_count"], 2);
    sqlx::query("alter table members drop constraint stop").execute(&mut db).await.expect("it is there");
    server.clock.advance(chrono::Duration::minutes(2));

    until("she is out", async || (bob.sees(&group).await["participant_count"] == 1).then_some(())).await;
    assert_eq!(bob.sees(&group).await["my_role"], "owner");
}

#[tokio::test]
async fn a_deleted_user_is_shown_as_one_and_their_name_is_free_again() {
    let server = TestServer::start().await;
    let (ada, bob) = (registers(&server, "ada", "Ada Lovelace").await, server.person("bob").await);
    let group = ada.opens_group_with([&bob]).await;
    ada.says(&group, "Remember me").await;
    ada.delete("/users/me").await.expect(204);

    let shown = bob.get(&format!("/users/{}", ada.id)).await;
    let second = registers(&server, "ada", "Another Ada").await;

    insta::assert_json_snapshot!("deleted_profile", shown.shape());
    assert_ne!(second.id, ada.id);
    second.get(&format!("/conversations/{group}")).await.refused(404, "not_found");
}
