//! What is taken out of words, and for how long they can be changed.

use chrono::Duration;
use reqwest::Method;
use serde_json::json;

use crate::harness::{client::perform, files::uploads, new_id, school::School, server::PASSWORD};

const CONTACT: &str = "Call +1 (555) 123-4567 or write to ann@example.com, room 12 on 2026-11-21.";
const LEFT: &str = "Call ••• or write to •••, room 12 on 2026-11-21.";

#[tokio::test]
async fn numbers_and_addresses_are_nowhere_to_be_seen() {
    let school = School::open().await;
    let [ann, carl, _] = school.staff().await;
    let batch = ann
        .opens_group([&carl], json!({"category": "batch", "name": "Ask ann@example.com", "description": CONTACT}))
        .await;
    let mut hears = carl.socket().await;
    let draft = json!({"id": new_id(), "body": CONTACT, "metadata": {"phone": "+49 89 1234567"}});

    let sent = ann.sends(&batch, draft.clone()).await.expect(201);
    let heard = hears.hears("message:new").await;
    ann.sends(&batch, draft).await.expect(200);
    let edited = ann.edits(&sent, &format!("Again: {CONTACT}")).await.expect(200);
    let changed = ann.patch(&format!("/conversations/{batch}"), json!({"name": CONTACT})).await.expect(200);

    assert_eq!((&sent["body"], &sent["metadata"]), (&json!(LEFT), &json!({"phone": "•••"})));
    assert_eq!(heard["data"]["body"], LEFT);
    assert_eq!(edited["body"], format!("Again: {LEFT}"));
    assert_eq!((&changed["name"], &changed["description"]), (&json!(LEFT), &json!(LEFT)));
    let everything = carl.syncs(json!({})).await.to_string();
    // Three digits alone may well be in an id.
    assert!(!everything.contains("(555)") && !everything.contains("example.com"), "{everything}");
}

#[tokio::test]
async fn files_are_not_called_by_numbers_and_addresses() {
    let school = School::open().await;
    let [ann, carl, _] = school.staff().await;
    let batch = ann.opens_group([&carl], json!({"category": "batch"})).await;

    let named = uploads(&ann, &batch, "Call +49 89 1234567, ann@example.com.txt", b"hello").await.expect(201);
    let sent = ann.sends(&batch, json!({"attachment_ids": [named["id"]]})).await.expect(201);

    assert_eq!((&named["filename"], &named["mime_type"]), (&json!("Call •••, •••.txt"), &json!("text/plain")));
    assert_eq!(sent["attachments"][0]["filename"], named["filename"]);
    let seen = carl.get(&format!("/attachments/{}", named["id"].as_str().expect("text"))).await.expect(200);
    let file = perform(school.server.client.ask_outside(Method::GET, seen["url"].as_str().expect("text"))).await;
    let disposition = file.header("content-disposition").to_owned();
    assert!(disposition.ends_with(".txt") && !disposition.contains("1234567"), "{disposition}");
}

#[tokio::test]
async fn nobody_is_called_by_a_number_or_an_address() {
    let school = School::open().await;
    let ann = school.person("ann", "admin").await;

    let profile =
        json!({"display_name": "Ann 98765 43210", "metadata": {"mail": "ann@example.com"}, "email": "ann@example.com"});
    let changed = ann.patch("/users/me", profile).await.expect(200);
    let number = json!({"username": "9876543210", "password": PASSWORD});
    let named = json!({"username": "bob", "password": PASSWORD, "display_name": "bob@example.com"});

    assert_eq!((&changed["display_name"], &changed["metadata"]), (&json!("Ann •••"), &json!({"mail": "•••"})));
    assert_eq!(changed["email"], "ann@example.com");
    school.server.client.post("/auth/register", number).await.refused_for("username");
    assert_eq!(school.server.client.post("/auth/register", named).await.expect(201)["user"]["display_name"], "•••");
}

#[tokio::test]
async fn words_can_be_changed_for_a_while() {
    let school = School::with(|settings| settings.access_token_seconds = 86_400).await;
    let [ann, carl, _] = school.staff().await;
    let batch = ann.opens_group([&carl], json!({"category": "batch"})).await;
    let said = carl.says(&batch, "Hello").await;
    let ask = |action: &str| json!({"action": action, "conversation_id": batch, "message_id": said["id"]});
    carl.edits(&said, "Hello!").await.expect(200);
    assert_eq!(carl.post("/policy/check", ask("edit_message")).await.expect(200)["allowed"], true);

    school.server.clock.advance(Duration::minutes(16));
    let late = carl.edits(&said, "Hello?").await.refused(403, "against_rules");
    assert_eq!(late["rule"], "messages.edit_within_seconds");
    assert_eq!(carl.post("/policy/check", ask("edit_message")).await.expect(200)["rule"], late["rule"]);
    school.server.clock.advance(Duration::minutes(60));
    let late = carl.deletes(&said, "everyone").await.refused(403, "against_rules");
    assert_eq!(late["rule"], "messages.delete_within_seconds");
    assert_eq!(carl.post("/policy/check", ask("delete_message")).await.expect(200)["allowed"], false);

    assert_eq!(carl.words(&batch).await, ["Hello!"]);
    let limits = carl.get("/limits").await.expect(200);
    assert_eq!((&limits["edit_within_seconds"], &limits["delete_within_seconds"]), (&json!(900), &json!(3600)));
    ann.deletes(&said, "everyone").await.expect(200);
}
