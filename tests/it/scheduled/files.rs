//! Files of messages to be sent later: nobody else takes them meanwhile, and they are their uploader's again if nothing is
//! sent.

use chrono::Duration;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{after, cancels, changes, settled};
use crate::harness::{
    files::{keeps_only, uploads},
    id, new_id,
    person::Person,
    server::TestServer,
};

/// A node whose people stay signed in for some days.
async fn patient() -> TestServer {
    TestServer::with(|settings| settings.access_token_seconds = 10 * 86_400).await
}

/// Uploads a file, and answers with its id.
async fn file(person: &Person, conversation: &str, name: &str) -> String {
    id(&uploads(person, conversation, name, name.as_bytes()).await.expect(201)).to_owned()
}

/// Plans a message with files for a time.
async fn plans_with(person: &Person, conversation: &str, files: &[&str], time: &str) -> Value {
    let message = json!({"id": new_id(), "attachment_ids": files, "scheduled_for": time});
    person.sends(conversation, message).await.expect(202)
}

#[tokio::test]
async fn files_go_with_what_is_sent_later_and_are_taken_meanwhile() {
    let server = patient().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let file = file(&ada, &group, "later.txt").await;
    let path = format!("/attachments/{file}");
    let message = json!({"id": new_id(), "kind": "file", "attachment_ids": [file],
                         "scheduled_for": after(&server, 2 * 86_400)});

    let plan = ada.sends(&group, message.clone()).await.expect(202);

    assert_eq!(plan["draft"]["attachment_ids"], json!([file]));
    assert_eq!(ada.sends(&group, message).await.expect(202), plan);
    let others = json!({"attachment_ids": [file]});
    ada.sends(&group, others.clone()).await.refused_for("attachment_ids");
    bob.sends(&group, others).await.refused_for("attachment_ids");
    let another = json!({"attachment_ids": [file], "scheduled_for": after(&server, 60)});
    ada.sends(&group, another).await.refused_for("attachment_ids");
    assert!(ada.delete(&path).await.status >= 400, "a plan has it");
    bob.get(&path).await.refused(404, "not_found");
    server.clock.advance(Duration::hours(47));
    ada.get(&path).await.expect(200);

    server.clock.advance(Duration::hours(1));

    assert_eq!(settled(&ada, &plan).await["state"], "sent");
    let said = bob.history(&group).await.pop().expect("it was sent");
    assert_eq!((&said["id"], &said["attachments"][0]["id"]), (&plan["id"], &json!(file)));
    assert_eq!(bob.get(&path).await.expect(200)["filename"], "later.txt");
    ada.deletes(&said, "everyone").await.expect(200);
    let left = settled(&ada, &plan).await;
    assert_eq!(left["draft"]["attachment_ids"], json!([]));
    keeps_only(&server, 0).await;
}

#[tokio::test]
async fn what_may_not_be_sent_now_is_not_planned_with_files() {
    let server = patient().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (group, other) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([&bob]).await);
    let (adas, bobs) = (file(&ada, &group, "ada.txt").await, file(&bob, &group, "bob.txt").await);
    let time = after(&server, 60);

    for (place, kind, wanted) in
        [(&group, "file", &bobs), (&group, "image", &adas), (&other, "file", &adas), (&group, "file", &new_id())]
    {
        let message = json!({"kind": kind, "attachment_ids": [wanted], "scheduled_for": time});
        ada.sends(place, message).await.refused_for("attachment_ids");
    }
    ada.sends(&group, json!({"kind": "file", "scheduled_for": time})).await.refused_for("attachment_ids");

    ada.sends(&group, json!({"attachment_ids": [adas]})).await.expect(201);
}

#[tokio::test]
async fn files_are_given_back_for_a_day_by_a_change_a_cancellation_and_a_failure() {
    let server = patient().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut files = Vec::new();
    for name in ["one.txt", "two.txt", "three.txt", "four.txt"] {
        files.push(file(&bob, &group, name).await);
    }
    let time = after(&server, 3 * 86_400);
    let changed = plans_with(&bob, &group, &[&files[0]], &time).await;
    let cancelled = plans_with(&bob, &group, &[&files[2]], &time).await;
    let failed = plans_with(&bob, &group, &[&files[3]], &after(&server, 2 * 86_400)).await;
    ada.sends(&group, json!({"id": id(&failed), "body": "Not bob's, but of the same id"})).await.expect(201);
    server.clock.advance(Duration::hours(20));
    let taken = json!({"attachment_ids": [files[2]]});
    changes(&bob, &changed, taken).await.refused_for("attachment_ids");
    let swapped = changes(&bob, &changed, json!({"attachment_ids": [files[1], files[1]]})).await.expect(200);
    assert_eq!(swapped["draft"]["attachment_ids"], json!([files[1]]));
    changes(&bob, &changed, json!({"attachment_ids": []})).await.refused_for("body");
    server.clock.advance(Duration::hours(28));
    assert_eq!(settled(&bob, &failed).await["error"]["code"], "idempotency_mismatch");
    cancels(&bob, &cancelled).await.expect(204);

    // The first was given back more than a day ago, the others just now.
    keeps_only(&server, 3).await;
    server.clock.advance(Duration::hours(23));
    bob.sends(&group, json!({"attachment_ids": [files[2]]})).await.expect(201);
    bob.get(&format!("/attachments/{}", files[3])).await.expect(200);
    server.clock.advance(Duration::hours(2));

    keeps_only(&server, 2).await;
    bob.get(&format!("/attachments/{}", files[3])).await.refused(404, "not_found");
    assert_eq!(settled(&bob, &changed).await["state"], "sent");
    assert_eq!(bob.history(&group).await.last().expect("it was sent")["attachments"][0]["id"], json!(files[1]));
}

#[tokio::test]
async fn one_of_many_plans_and_messages_takes_a_file() {
    let (north, south) = TestServer::pair().await;
    let ada = north.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let file = file(&ada, &group, "wanted.txt").await;
    let time = after(&north, 60);

    let replies = join_all((0..24).map(|number| {
        let (ada, group) = (if number % 2 == 0 { ada.clone() } else { ada.at(&south) }, &group);
        let mut message = json!({"id": new_id(), "attachment_ids": [file]});
        if number % 3 > 0 {
            message["scheduled_for"] = json!(time);
        }
        async move { ada.sends(group, message).await }
    }))
    .await;

    let (taken, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status < 300);
    assert_eq!((taken.len(), refused.len()), (1, 23));
    for reply in refused {
        reply.refused_for("attachment_ids");
    }
}

#[tokio::test]
async fn the_plans_of_a_deleted_account_keep_no_files() {
    let server = patient().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let file = file(&bob, &group, "gone.txt").await;
    plans_with(&bob, &group, &[&file], &after(&server, 7 * 86_400)).await;

    bob.delete("/users/me").await.expect(204);
    server.clock.advance(Duration::hours(25));

    keeps_only(&server, 0).await;
}
