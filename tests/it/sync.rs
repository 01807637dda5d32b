//! "What did I miss?": every sentence that the contract says of sync.

use serde_json::{Map, Value, json};

use crate::harness::{each, person::Person, reply::redacted, seq, server::TestServer, until};

/// The part of an answer that is about one conversation.
fn of<'a>(answer: &'a Value, conversation: &str) -> &'a Value {
    let all = answer["conversations"].as_array().expect("a list");
    let found = all.iter().find(|synced| synced["conversation"]["id"] == conversation);
    found.unwrap_or_else(|| panic!("{conversation} should be in {answer:#}"))
}

fn bodies<'a>(answer: &'a Value, conversation: &str) -> Vec<&'a str> {
    each(&of(answer, conversation)["messages"], "body").iter().map(|body| body.as_str().unwrap_or("(none)")).collect()
}

async fn since(person: &Person, conversation: &str, cursor: i64) -> Value {
    person.syncs(json!({"cursors": {conversation: cursor}})).await
}

#[tokio::test]
async fn an_answer_has_everything_about_a_conversation_that_was_missed() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group([&bob], json!({"name": "Saturday"})).await;
    ada.says(&group, "One").await;
    bob.reads(&group).await;

    let answer = since(&bob, &group, 0).await;

    insta::assert_json_snapshot!("answer", redacted(&answer));
    assert_eq!(of(&answer, &group)["conversation"], bob.sees(&group).await);
    assert_eq!(answer["cursors"], json!({&group: 1}));
}

#[tokio::test]
async fn who_is_up_to_date_missed_nothing() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.says(&group, "One").await;
    let first = bob.syncs(json!({})).await;

    let second = bob.syncs(json!({"cursors": first["cursors"], "own_cursor": first["own_cursor"]})).await;

    assert_eq!(
        (&second["conversations"], &second["removed"], &second["has_more"]),
        (&json!([]), &json!([]), &json!(false))
    );
    assert_eq!((&second["own"]["preferences"], &second["own"]["hidden"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn messages_come_once_with_their_last_change_in_its_order() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let first = ada.says(&group, "One").await;
    let second = ada.says(&group, "Two").await;
    ada.says(&group, "Three").await;
    ada.edits(&second, "Two!").await.expect(200);
    ada.deletes(&first, "everyone").await.expect(200);

    let all = since(&bob, &group, 0).await;
    assert_eq!(bodies(&all, &group), ["Three", "Two!", "(none)"]);
    assert_eq!(each(&of(&all, &group)["messages"], "changed_seq"), [3, 4, 5]);
    let missed = since(&bob, &group, 3).await;
    assert_eq!(bodies(&missed, &group), ["Two!", "(none)"]);
    assert!(of(&missed, &group)["messages"][1]["deleted_at"].is_string(), "{missed:#}");
    assert_eq!(since(&bob, &group, 5).await["conversations"], json!([]));
}

#[tokio::test]
async fn pages_to_the_end_hold_what_one_answer_holds() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (one, other) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([&bob]).await);
    for number in 0..11 {
        let sent = ada.says(&one, &format!("one {number}")).await;
        ada.says(&other, &format!("other {number}")).await;
        if number % 3 == 0 {
            ada.edits(&sent, &format!("one {number}!")).await.expect(200);
        }
    }
    let whole = bob.syncs(json!({"cursors": {&one: 0, &other: 0}, "limit": 500})).await;
    assert_eq!(whole["has_more"], false);

    for limit in [1, 3, 7] {
        let mut cursors: Map<String, Value> = Map::from_iter([(one.clone(), json!(0)), (other.clone(), json!(0))]);
        let (mut ones, mut others): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
        loop {
            let page = bob.syncs(json!({"cursors": cursors, "limit": limit})).await;
            let mut size = 0;
            for synced in page["conversations"].as_array().expect("a list") {
                let messages = synced["messages"].as_array().expect("a list").clone();
                size += messages.len();
                if synced["conversation"]["id"] == one.as_str() {
                    ones.extend(messages);
                } else {
                    others.extend(messages);
                }
            }
            assert!(size <= limit, "{size} messages where {limit} were asked for: {page:#}");
            cursors.extend(page["cursors"].as_object().expect("an object").clone());
            if page["has_more"] == false {
                break;
            }
        }
        assert_eq!(json!(ones), of(&whole, &one)["messages"], "in pages of {limit}");
        assert_eq!(json!(others), of(&whole, &other)["messages"], "in pages of {limit}");
        assert_eq!(json!(cursors), whole["cursors"], "in pages of {limit}");
    }
}

#[tokio::test]
async fn a_conversation_that_is_not_named_comes_with_its_newest_fifty() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (long, short) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([&bob]).await);
    for number in 1..=60 {
        ada.says(&long, &number.to_string()).await;
    }
    ada.says(&short, "Hello").await;

    let answer = bob.syncs(json!({})).await;

    let newest: Vec<_> = (11..=60).map(|number| number.to_string()).collect();
    assert_eq!(bodies(&answer, &long), newest);
    assert_eq!(bodies(&answer, &short), ["Hello"]);
    assert_eq!((&answer["cursors"], &answer["has_more"]), (&json!({&long: 60, &short: 1}), &json!(false)));
    // The older ones are in the history, and do not come again.
    let again = bob.syncs(json!({"cursors": answer["cursors"]})).await;
    assert_eq!(again["conversations"], json!([]));
}

#[tokio::test]
async fn newest_messages_of_unnamed_conversations_count_in_the_limit() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let mut groups = Vec::new();
    for _ in 0..4 {
        let group = ada.opens_group_with([&bob]).await;
        for word in ["One", "Two", "Three"] {
            ada.says(&group, word).await;
        }
        groups.push(group);
    }

    let (mut cursors, mut met, mut calls) = (Map::new(), 0, 0);
    loop {
        let page = bob.syncs(json!({"cursors": cursors, "limit": 5})).await;
        let conversations = page["conversations"].as_array().expect("a list");
        let size: usize = conversations.iter().map(|synced| each(&synced["messages"], "id").len()).sum();
        assert!(size <= 5, "{page:#}");
        cursors.extend(page["cursors"].as_object().expect("an object").clone());
        (met, calls) = (met + size, calls + 1);
        assert!(calls < 20, "it should come to an end: {page:#}");
        if page["has_more"] == false {
            break;
        }
    }

    let wanted: Map<_, _> = groups.iter().map(|group| (group.clone(), json!(3))).collect();
    assert_eq!(cursors, wanted);
    assert!(met >= 4, "every conversation shows something, but only {met} messages came");
}

#[tokio::test]
async fn a_conversation_that_is_empty_comes_too() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;

    let answer = bob.syncs(json!({})).await;

    assert_eq!(of(&answer, &group)["messages"], json!([]));
    assert_eq!(each(&of(&answer, &group)["participants"], "user_id").len(), 2);
    assert_eq!(answer["cursors"], json!({&group: 0}));
}

#[tokio::test]
async fn a_cursor_beyond_the_head_is_taken_for_the_head() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.says(&group, "One").await;

    assert_eq!(since(&bob, &group, 1).await["cursors"], json!({}));
    for cursor in [2, 1_000, i64::MAX] {
        let answer = since(&bob, &group, cursor).await;
        assert_eq!(each(&answer["conversations"], "messages").iter().filter(|list| ***list != json!([])).count(), 0);
        assert_eq!(answer["removed"], json!([]));
        assert_eq!(answer["cursors"], json!({&group: 1}), "from {cursor}: what is said next must not be missed");
    }
}

#[tokio::test]
async fn participants_come_when_they_changed_and_leavers_with_when_they_left() {
    let server = TestServer::start().await;
    let [ada, bob, eve, joe] = server.people(["ada", "bob", "eve", "joe"]).await;
    let group = ada.opens_group_with([&bob, &eve]).await;
    let cursor = seq(&ada.says(&group, "One").await);
    ada.makes(&group, &bob, "admin").await.expect(200);
    ada.adds(&group, [&joe]).await.expect(201);
    ada.removes(&group, &eve).await.expect(204);

    let missed = since(&bob, &group, cursor).await;
    let participants = &of(&missed, &group)["participants"];
    assert_eq!(each(participants, "user_id"), [&bob.id, &joe.id, &eve.id]);
    assert_eq!(each(participants, "role"), ["admin", "member", "member"]);
    let left: Vec<_> = each(participants, "left_at").iter().map(|left_at| left_at.is_string()).collect();
    assert_eq!(left, [false, false, true]);
    assert!(each(participants, "changed_seq").is_sorted_by_key(|seq| seq.as_i64()), "{participants:#}");

    let all = since(&bob, &group, 0).await;
    let mut ids = each(&of(&all, &group)["participants"], "user_id");
    ids.sort_by_key(ToString::to_string);
    let mut wanted = [&ada.id, &bob.id, &eve.id, &joe.id];
    wanted.sort();
    assert_eq!(ids, wanted, "from the start: {all:#}");
}

#[tokio::test]
async fn moved_receipts_alone_are_missed_too() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (group, quiet) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([&bob]).await);
    ada.says(&group, "One").await;
    ada.says(&quiet, "Hush").await;
    // While an older transaction is open anywhere, what was told is told again rather than lost.
    let first = until("what was told is settled", async || {
        let first = ada.syncs(json!({})).await;
        let again = ada.syncs(json!({"cursors": first["cursors"], "own_cursor": first["own_cursor"]})).await;
        (again["conversations"] == json!([])).then_some(first)
    })
    .await;

    bob.reads(&group).await;

    let second = ada.syncs(json!({"cursors": first["cursors"], "own_cursor": first["own_cursor"]})).await;
    let synced = of(&second, &group);
    assert_eq!((&synced["messages"], each(&second["conversations"], "messages").len()), (&json!([]), 1));
    let receipts = synced["receipts"].as_array().expect("a list");
    let bobs = receipts.iter().find(|receipt| receipt["user_id"] == bob.id.as_str()).expect("all cursors are there");
    assert_eq!((&bobs["read_seq"], receipts.len()), (&json!(1), 2));
    let third = ada.syncs(json!({"cursors": second["cursors"], "own_cursor": second["own_cursor"]})).await;
    assert_eq!(third["removed"], json!([]));
}

#[tokio::test]
async fn what_i_am_not_in_is_removed_whether_it_exists_or_not() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let (left, never) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([&eve]).await);
    let made_up = crate::harness::new_id();
    ada.says(&left, "One").await;
    ada.removes(&left, &bob).await.expect(204);

    let answer = bob.syncs(json!({"cursors": {&left: 1, &never: 0, &made_up: 7}})).await;

    let mut removed: Vec<_> = answer["removed"].as_array().expect("a list").iter().collect();
    removed.sort_by_key(ToString::to_string);
    let mut wanted = [&left, &never, &made_up];
    wanted.sort();
    assert_eq!(removed, wanted);
    assert_eq!((&answer["conversations"], &answer["cursors"]), (&json!([]), &json!({})));
}

#[tokio::test]
async fn own_matters_come_whole_without_a_cursor_and_else_what_changed() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let (one, other) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([&bob]).await);
    let (first, second) = (ada.says(&one, "One").await, ada.says(&one, "Two").await);
    let prefers = async |group: &str, preferences: Value| {
        ada.patch(&format!("/conversations/{group}/preferences"), preferences).await.expect(200);
    };
    prefers(&one, json!({"pinned": true})).await;
    ada.deletes(&first, "me").await.expect(200);
    ada.blocks(&eve).await.expect(200);

    let whole = ada.syncs(json!({})).await;
    insta::assert_json_snapshot!("own", redacted(&whole["own"]));

    prefers(&other, json!({"archived": true})).await;
    ada.deletes(&second, "me").await.expect(200);
    let changed = ada.syncs(json!({"own_cursor": whole["own_cursor"]})).await;
    assert_eq!(each(&changed["own"]["preferences"], "conversation_id"), [other.as_str()]);
    assert_eq!(each(&changed["own"]["hidden"], "message_id"), [&second["id"]]);
    let nothing = ada.syncs(json!({"own_cursor": changed["own_cursor"]})).await;
    assert_eq!((&nothing["own"]["preferences"], &nothing["own"]["hidden"]), (&json!([]), &json!([])));
    let again = ada.syncs(json!({})).await;
    assert_eq!(each(&again["own"]["preferences"], "conversation_id").len(), 2);
    assert_eq!(each(&again["own"]["hidden"], "message_id").len(), 2);
    let nothing = json!({"preferences": [], "hidden": [], "blocks": [], "scheduled": []});
    assert_eq!(bob.syncs(json!({})).await["own"], nothing);
}

#[tokio::test]
async fn what_i_hid_is_in_my_own_matters_and_not_among_the_newest_messages() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.says(&group, "One").await;
    let hidden = ada.says(&group, "Two").await;
    bob.deletes(&hidden, "me").await.expect(200);

    let answer = bob.syncs(json!({})).await;

    assert_eq!(bodies(&answer, &group), ["One"]);
    assert_eq!(of(&answer, &group)["conversation"]["last_message"]["body"], "One");
}

#[tokio::test]
async fn what_i_hid_does_not_come_back_when_others_change_it() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let (hidden, buried) = (ada.says(&group, "Hidden").await, ada.says(&group, "Hidden and buried").await);
    let other = ada.says(&group, "Seen").await;
    for message in [&hidden, &buried] {
        bob.deletes(message, "me").await.expect(200);
    }

    ada.edits(&hidden, "Hidden, and other words").await.expect(200);
    ada.reacts(&hidden, "👍").await.expect(200);
    ada.deletes(&buried, "everyone").await.expect(200);
    ada.edits(&other, "Seen, and other words").await.expect(200);

    for cursor in [0, 3] {
        let page = bob.syncs(json!({"cursors": {&group: cursor}, "limit": 1})).await;
        assert_eq!(bodies(&page, &group), ["Seen, and other words"]);
        assert_eq!((&page["cursors"], &page["has_more"]), (&json!({&group: 7}), &json!(false)));
    }
}

#[tokio::test]
async fn sync_answers_the_same_over_a_socket() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.says(&group, "One").await;
    let mut bobs = bob.socket().await;
    let request = json!({"cursors": {&group: 0}, "limit": 10});

    let (mut over_rest, mut over_socket) = (bob.syncs(request.clone()).await, bobs.sends("sync", request).await);

    for answer in [&mut over_rest, &mut over_socket] {
        answer["own_cursor"].take();
    }
    assert_eq!(over_rest, over_socket);
}

#[tokio::test]
async fn what_no_sync_may_ask_is_refused() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let id = crate::harness::new_id();

    for limit in [json!(0), json!(501), json!(-1)] {
        ada.post("/sync", json!({"limit": limit})).await.refused_with(422);
    }
    ada.post("/sync", json!({"cursors": {&id: -1}})).await.refused_for("cursors");
    ada.post("/sync", json!({"cursors": {&id: "one"}})).await.refused_with(422);
    ada.post("/sync", json!({"cursors": {"nonsense": 1}})).await.refused_with(422);
    ada.post("/sync", json!({"cursors": []})).await.refused_with(422);
    ada.post("/sync", json!({"own_cursor": "nonsense"})).await.refused_with(400);
    ada.post("/sync", json!({"own_cursor": "-1.-99999999999999999999"})).await.refused_with(400);
    ada.post("/sync", json!({"limit": 500, "cursors": null, "own_cursor": null})).await.expect(200);
}
