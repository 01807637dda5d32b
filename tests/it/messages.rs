//! Sending and reading back: kinds, bodies, replies, mentions, and who may.

use serde_json::{Value, json};

use crate::harness::{each, id, new_id, reply::redacted, seq, server::TestServer};

#[tokio::test]
async fn a_message_reaches_every_member_the_sender_too_and_nobody_else() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let other = ada.signs_in_again().await;
    let (mut adas, mut others, mut bobs, mut eves) =
        (ada.socket().await, other.socket().await, bob.socket().await, eve.socket().await);

    let reply = ada.sends(&group, json!({"id": new_id(), "body": "Hello"})).await;

    insta::assert_json_snapshot!("sent", reply.shape());
    let message = reply.expect(201);
    for socket in [&mut adas, &mut others, &mut bobs] {
        let event = socket.hears("message:new").await;
        assert_eq!((&event["data"], &event["seq"], &event["conversation_id"]), (&message, &json!(1), &json!(group)));
    }
    eves.heard_nothing_in(&group).await;
    assert_eq!(bob.looks_at(&message).await.expect(200), message);
}

#[tokio::test]
async fn seq_counts_the_changes_of_a_conversation_from_one() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;

    let first = ada.says(&group, "One").await;
    let second = bob.says(&group, "Two").await;
    let edited = ada.edits(&first, "One!").await.expect(200);
    let third = ada.says(&group, "Three").await;

    assert_eq!([seq(&first), seq(&second), seq(&edited), seq(&third)], [1, 2, 1, 4]);
    assert_eq!([&edited["changed_seq"], &third["changed_seq"]], [3, 4]);
    assert_eq!(bob.sees(&group).await["head_seq"], 4);
}

#[tokio::test]
async fn any_text_comes_back_as_it_was_sent() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for body in [
        " spaces stay \n\t ",
        "'; drop table messages; --",
        "<script>alert(1)</script> **bold** {{x}} ${y} %s %00 \\u0000",
        "👩‍👩‍👧‍👦 ﷽ ยาวนาน e\u{301} \u{202e}rtl\u{202c} \u{200b}\u{feff}",
        "\u{1}\u{7f}\u{fffe}\u{10ffff}",
        "\r\nSet-Cookie: x=y\r\n\r\n",
    ] {
        let sent = ada.says(&group, body).await;
        assert_eq!(sent["body"], body);
        assert_eq!(ada.looks_at(&sent).await.expect(200)["body"], body);
    }
}

#[tokio::test]
async fn a_body_has_1_to_16000_characters_of_any_width() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut socket = ada.socket().await;

    for character in ["x", "ß", "日", "🙂"] {
        let longest = character.repeat(16_000);
        ada.says(&group, &longest).await;
        assert_eq!(socket.hears("message:new").await["data"]["body"], longest.as_str());
        ada.sends(&group, json!({"body": format!("{longest}{character}")})).await.refused_for("body");
    }
    ada.sends(&group, json!({"body": ""})).await.refused_for("body");
    ada.sends(&group, json!({"body": null})).await.refused_for("body");
    ada.sends(&group, json!({})).await.refused_for("body");

    assert_eq!(ada.sees(&group).await["head_seq"], 4);
}

#[tokio::test]
async fn what_is_no_text_is_refused_and_takes_no_seq() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let path = format!("/conversations/{group}/messages");

    for body in [
        r#"{"body": "a\u0000b"}"#,
        r#"{"body": "\ud800"}"#,
        r#"{"body": "\udc00 alone"}"#,
        r#"{"body": "\ud83d\ud83d"}"#,
        r#"{"body": "x", "metadata": {"key\u0000": 1}}"#,
        r#"{"body": "x", "metadata": {"key": ["\u0000"]}}"#,
        r#"{"body": "x", "metadata": {"key": "\ud800"}}"#,
        r#"{"body": 7}"#,
        r#"{"body": ["x"]}"#,
        r#"{"body": "x", "kind": "song"}"#,
        r#"{"body": "x", "id": "not-an-id"}"#,
        r#"{"body": "x", "id": 7}"#,
        r#"{"body": "x", "metadata": []}"#,
        r#"{"body": "x", "mentions": "all"}"#,
        r#"["0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "text", "a list is no message"]"#,
        r#"{"kind": "location", "location": [59.3, 18.1]}"#,
        r#""body""#,
    ] {
        let request = ada.ask(reqwest::Method::POST, &path).header("content-type", "application/json").body(body);
        let reply = crate::harness::client::perform(request).await;
        assert_eq!(reply.status, 422, "{body}: {reply}");
        reply.refused_with(422);
    }
    assert_eq!(ada.sees(&group).await["head_seq"], 0);
}

#[tokio::test]
async fn metadata_is_an_object_of_at_most_4_kib_and_comes_back_as_it_was() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let metadata = json!({
        "a": [1, 2.5, null, true, {"b": "ü"}],
        "": "",
        "big": 9_007_199_254_740_993_i64,
        // What rounds badly, or is as long as a number can be.
        "numbers": [-1.797_693_134_862_315_5e308, f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.1 + 0.2, 0.0, 1e20],
    });

    let sent = ada.sends(&group, json!({"body": "x", "metadata": metadata})).await.expect(201);
    assert_eq!(ada.looks_at(&sent).await.expect(200)["metadata"], metadata);

    let room = 4_096 - r#"{"note":""}"#.len();
    ada.sends(&group, json!({"body": "x", "metadata": {"note": "x".repeat(room)}})).await.expect(201);
    let too_much = json!({"body": "x", "metadata": {"note": "x".repeat(room + 1)}});
    ada.sends(&group, too_much).await.refused_for("metadata");
    // Numbers count as long as they are kept.
    let written_out = json!({"body": "x", "metadata": {"numbers": vec![1e308; 20]}});
    ada.sends(&group, written_out).await.refused_for("metadata");
}

#[tokio::test]
async fn a_place_can_be_sent() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let place = json!({"latitude": 59.3293, "longitude": 18.0686, "label": "Stockholm"});

    let reply = ada.sends(&group, json!({"kind": "location", "location": place})).await;

    insta::assert_json_snapshot!("location", reply.shape());
    assert_eq!(bob.history(&group).await[0]["location"], place);
    for (latitude, longitude) in [(90.1, 0.0), (-90.1, 0.0), (0.0, 180.1), (0.0, -180.1)] {
        let wrong = json!({"kind": "location", "location": {"latitude": latitude, "longitude": longitude}});
        ada.sends(&group, wrong).await.refused(422, "validation_failed");
    }
    ada.sends(&group, json!({"kind": "location"})).await.refused_for("location");
    ada.sends(&group, json!({"kind": "location", "location": {"latitude": 1.0}})).await.refused_with(422);
    ada.sends(&group, json!({"kind": "location", "location": {"latitude": 90, "longitude": -180}})).await.expect(201);
}

#[tokio::test]
async fn only_the_server_writes_system_messages_and_all_that_is_the_servers() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;

    ada.sends(&group, json!({"kind": "system", "body": "Bob left."})).await.refused_for("kind");
    let grab = json!({"body": "Hello", "sender_id": bob.id, "seq": 99, "changed_seq": 99, "status": "read",
        "created_at": "2001-01-01T00:00:00Z", "edited_at": "2001-01-01T00:00:00Z", "deleted_at": "2001-01-01T00:00:00Z",
        "pinned_at": "2001-01-01T00:00:00Z", "conversation_id": new_id(), "reactions": [{"emoji": "x", "count": 9}]});
    let sent = ada.sends(&group, grab).await.expect(201);

    assert_eq!((&sent["sender_id"], &sent["seq"], &sent["status"]), (&json!(ada.id), &json!(1), &json!("sent")));
    assert_eq!(
        (&sent["deleted_at"], &sent["edited_at"], &sent["pinned_at"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!((&sent["conversation_id"], &sent["reactions"]), (&json!(group), &json!([])));
}

#[tokio::test]
async fn a_reply_shows_how_what_it_answers_begins_until_that_is_deleted() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let asked = ada.says(&group, "How are you?").await;

    let answer = bob.sends(&group, json!({"body": "Well", "reply_to": id(&asked)})).await.expect(201);
    insta::assert_json_snapshot!("reply_to", redacted(&answer["reply_to"]));
    assert_eq!(answer["reply_to"]["id"], asked["id"]);

    ada.edits(&asked, "How do you do?").await.expect(200);
    assert_eq!(ada.looks_at(&answer).await.expect(200)["reply_to"]["preview"], "How do you do?");

    ada.deletes(&asked, "everyone").await.expect(200);
    let after = ada.looks_at(&answer).await.expect(200);
    assert_eq!((&after["reply_to"]["preview"], &after["reply_to"]["id"]), (&Value::Null, &asked["id"]));
    let shown = [ada.syncs(json!({})).await, ada.sees(&group).await, json!(ada.history(&group).await)];
    assert!(!json!(shown).to_string().contains("How do you do"), "{shown:#?}");
}

#[tokio::test]
async fn a_long_message_is_previewed_by_its_beginning() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let long = ada.says(&group, &"日".repeat(16_000)).await;

    let answer = ada.sends(&group, json!({"body": "Long!", "reply_to": id(&long)})).await.expect(201);

    let preview = answer["reply_to"]["preview"].as_str().expect("there is one");
    assert!(preview.starts_with("日日日") && preview.chars().count() <= 300, "{preview}");
}

#[tokio::test]
async fn one_replies_to_what_is_in_the_conversation() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (here, there) = (ada.opens_group_with([]).await, ada.opens_group_with([]).await);
    let elsewhere = ada.says(&there, "Elsewhere").await;

    for target in [id(&elsewhere), &new_id()] {
        ada.sends(&here, json!({"body": "Re", "reply_to": target})).await.refused_for("reply_to");
    }
    ada.sends(&here, json!({"body": "Re", "reply_to": "nonsense"})).await.refused_with(422);

    assert_eq!(ada.sees(&here).await["head_seq"], 0);
}

#[tokio::test]
async fn members_are_mentioned_and_nobody_else() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob, &eve]).await;
    ada.removes(&group, &eve).await.expect(204);
    let head = ada.sees(&group).await["head_seq"].clone();

    ada.sends(&group, json!({"body": "@eve", "mentions": [eve.id]})).await.refused_for("mentions");
    ada.sends(&group, json!({"body": "@?", "mentions": [bob.id, new_id()]})).await.refused_for("mentions");
    let many: Vec<_> = (0..51).map(|_| new_id()).collect();
    ada.sends(&group, json!({"body": "@all", "mentions": many})).await.refused_for("mentions");
    assert_eq!(ada.sees(&group).await["head_seq"], head);

    let sent = ada.sends(&group, json!({"body": "@bob @bob", "mentions": [bob.id, bob.id]})).await.expect(201);
    assert_eq!(sent["mentions"], json!([bob.id]));
    assert_eq!(bob.sees(&group).await["mentions"], 1);
    ada.says(&group, "@bob is only a word here").await;
    assert_eq!(bob.sees(&group).await["mentions"], 1);
}

#[tokio::test]
async fn a_message_belongs_to_its_conversation_alone() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    let (theirs, hers) = (ada.opens_group_with([]).await, eve.opens_group_with([]).await);
    let secret = ada.says(&theirs, "Secret").await;
    let borrowed = crate::harness::with(secret.clone(), json!({"conversation_id": hers}));

    eve.looks_at(&borrowed).await.refused(404, "not_found");
    eve.edits(&borrowed, "Mine").await.refused(404, "not_found");
    eve.deletes(&borrowed, "everyone").await.refused(404, "not_found");
    eve.deletes(&borrowed, "me").await.refused(404, "not_found");
    for path in ["edits", "receipts"] {
        eve.get(&format!("/conversations/{hers}/messages/{}/{path}", id(&secret))).await.refused(404, "not_found");
    }
    let read = json!({"message_ids": [id(&secret)]});
    eve.post(&format!("/conversations/{hers}/read"), read).await.refused(404, "not_found");

    // An id is unique within its conversation: the same one elsewhere is another message.
    let same = eve.sends(&hers, json!({"id": id(&secret), "body": "Mine"})).await.expect(201);
    assert_eq!((&same["body"], &ada.looks_at(&secret).await.expect(200)["body"]), (&json!("Mine"), &json!("Secret")));
}

#[tokio::test]
async fn what_comes_later_is_refused_rather_than_ignored() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    ada.sends(&group, json!({"body": "Later", "attachment_ids": [new_id()]})).await.refused_for("attachment_ids");
    assert_eq!(each(&json!(ada.history(&group).await), "id"), [] as [&Value; 0]);
}
