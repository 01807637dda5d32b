//! What goes with an account that is deleted, everywhere and in the end, while what was said stays.

use chrono::Duration;
use futures_util::future::{join_all, join3};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::harness::{
    client::perform,
    files::{PDF, keeps_only, kept, uploads},
    id,
    person::Person,
    postgres::{held, held_person, waiting},
    seq,
    server::TestServer,
    tus::Tus,
    until, with,
};

/// Sends a file, and answers with the message.
async fn shares(person: &Person, conversation: &str, name: &str) -> Value {
    let file = uploads(person, conversation, name, name.as_bytes()).await.expect(201);
    person.sends(conversation, json!({"body": name, "attachment_ids": [id(&file)]})).await.expect(201)
}

#[tokio::test]
async fn files_go_with_the_account_and_words_stay() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob, carol] = north.people(["ada", "bob", "carol"]).await;
    let (group, direct) = (ada.opens_group_with([&bob, &carol]).await, ada.opens_direct_with(&bob).await);
    let mut sent = Vec::new();
    for (place, name) in [(&group, "one.txt"), (&group, "two.txt"), (&direct, "three.txt")] {
        sent.push(shares(&ada, place, name).await);
    }
    let bobs = shares(&bob, &group, "bob.txt").await;
    let copies = bob.forwards(&sent[1], [direct.as_str()]).await.expect(201);
    uploads(&ada, &group, "untaken.txt", b"untaken").await.expect(201);
    let deleted = shares(&ada, &group, "deleted.txt").await;
    ada.deletes(&deleted, "everyone").await.expect(200);
    let cursor = json!({"cursors": {group.as_str(): seq(&deleted) + 1, direct.as_str(): 2}});
    let [mut bobs_socket, mut carols] = [bob.at(&south).socket().await, carol.at(&north).socket().await];

    ada.delete("/users/me").await.expect(204);

    let mut told = Vec::new();
    for _ in &sent {
        told.push(bobs_socket.hears("message:updated").await);
    }
    for message in &sent {
        let now = bob.looks_at(message).await.expect(200);
        assert_eq!((&now["attachments"], &now["body"]), (&json!([]), &message["body"]));
        assert_eq!((&now["edited_at"], &now["deleted_at"]), (&Value::Null, &Value::Null));
        let event = told.iter().find(|event| event["data"]["id"] == message["id"]).expect("all were told");
        assert_eq!(event["seq"], now["changed_seq"]);
        assert_eq!(event["data"], with(now, json!({"status": "sent"})));
        let file = id(&message["attachments"][0]);
        bob.get(&format!("/attachments/{file}")).await.refused(404, "not_found");
    }
    carols.hears_where("message:updated", |event| event["data"]["id"] == sent[0]["id"]).await;
    carols.heard_nothing_in(&direct).await;
    let answer = bob.syncs(cursor).await;
    let missed =
        answer["conversations"].as_array().expect("a list").iter().flat_map(|place| {
            place["messages"].as_array().expect("a list").iter().map(|message| message["id"].clone())
        });
    let missed: Vec<_> = missed.collect();
    assert!(sent.iter().all(|message| missed.contains(&message["id"])), "{answer:#}");

    keeps_only(&north, 2).await;
    let copy = &copies["items"][0]["message"]["attachments"][0];
    for file in [&bobs["attachments"][0], copy] {
        bob.get(&format!("/attachments/{}", id(file))).await.expect(200);
    }
    let mut db = north.database.connect().await;
    north.clock.advance(Duration::minutes(1));
    until("nothing is left to erase", async || {
        let left = sqlx::query_scalar("select count(*) from erasures").fetch_one(&mut db).await;
        let left: i64 = left.expect("the table is there");
        (left == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_server_does_not_finish_it_finishes_when_it_starts_again() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = shares(&ada, &group, "one.txt").await;
    let mut db = server.database.connect().await;
    let mut held = sqlx::Acquire::begin(&mut db).await.expect("the database is there");
    sqlx::query("select from conversations where id = $1::uuid for update")
        .bind(&group)
        .execute(&mut *held)
        .await
        .expect("it can be locked");
    let erased = format!("insert into erasures (user_id, erased_at) values ('{}', now())", ada.id);
    sqlx::query(sqlx::AssertSqlSafe(erased)).execute(&mut server.database.connect().await).await.expect("it is SQL");

    let server = server.restarts().await;
    assert_eq!(kept(&server), 1);
    held.rollback().await.expect("nothing was done");

    keeps_only(&server, 0).await;
    assert_eq!(bob.at(&server).looks_at(&sent).await.expect(200)["attachments"], json!([]));
}

#[tokio::test]
async fn one_whose_groups_can_not_be_left_keeps_nobody_elses_files() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let (stuck, other) = (ada.opens_group_with([&eve]).await, bob.opens_group_with([&eve]).await);
    let adas = shares(&ada, &stuck, "ada.txt").await;
    shares(&bob, &other, "bob.txt").await;
    let taken_back = id(&uploads(&eve, &other, "eve.txt", b"eve").await.expect(201)).to_owned();
    let mut db = server.database.connect().await;
    let stop = format!("alter table members add constraint stop check (left_at is null or user_id <> '{}')", ada.id);
    sqlx::query(sqlx::AssertSqlSafe(stop)).execute(&mut db).await.expect("the table is there");
    ada.delete("/users/me").await.expect(204);
    server.clock.advance(Duration::minutes(2));

    bob.delete("/users/me").await.expect(204);
    eve.delete(&format!("/attachments/{taken_back}")).await.expect(204);

    keeps_only(&server, 0).await;
    assert_eq!(eve.looks_at(&adas).await.expect(200)["attachments"], json!([]));
    server.clock.advance(Duration::minutes(2));
    let mut left = async |whose: &[&str]| {
        until("only these are left to erase", async || {
            let left = sqlx::query_scalar("select user_id::text from erasures").fetch_all(&mut db).await;
            let left: Vec<String> = left.expect("the table is there");
            (left == whose).then_some(())
        })
        .await;
    };
    left(&[&ada.id]).await;
    let mut db = server.database.connect().await;
    sqlx::query("alter table members drop constraint stop").execute(&mut db).await.expect("it is there");
    left(&[]).await;
    assert_eq!(eve.sees(&stuck).await["my_role"], "owner");
}

#[tokio::test]
async fn what_is_on_its_way_ends_with_the_account() {
    let server = TestServer::on_s3_with(|_| ()).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let announced = json!({"filename": "a.pdf", "size": PDF.len()});
    let presigned = ada.post(&format!("/conversations/{group}/attachments/presign"), announced).await.expect(201);
    let url = presigned["url"].as_str().expect("it has a URL");
    perform(ada.ask_anywhere(Method::PUT, url).body(PDF)).await.expect(200);
    for (person, text) in [(&ada, b"hello"), (&ada, b"world"), (&bob, b"again")] {
        let tus = Tus::of(person);
        let upload = tus.announces(&group, "a.txt", 10).await;
        tus.patch(&format!("/uploads/{upload}"), 0, text).await.expect(204);
    }
    assert_eq!(kept(&server), 4);

    ada.delete("/users/me").await.expect(204);

    // What was put into the store directly goes once no URL leads there any more; Bob's part stays.
    keeps_only(&server, 2).await;
    let mut db = server.database.connect().await;
    let left = sqlx::query_scalar("select uploader_id::text from uploads").fetch_all(&mut db).await;
    let left: Vec<String> = left.expect("the table is there");
    assert_eq!(left, [bob.id.as_str()]);
    server.clock.advance(Duration::hours(2));
    keeps_only(&server, 1).await;
}

#[tokio::test]
async fn what_was_private_goes_with_the_account() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let said = bob.says(&group, "Hello").await;
    for person in [&ada, &bob] {
        person.patch(&format!("/conversations/{group}/preferences"), json!({"draft": "Dear"})).await.expect(200);
        person.blocks(&eve).await.expect(200);
        person.deletes(&said, "me").await.expect(200);
    }

    ada.delete("/users/me").await.expect(204);

    assert_eq!(owners(&mut server.database.connect().await).await, [bob.id.as_str()]);
}

/// Of whom there is anything that is theirs alone.
async fn owners(db: &mut PgConnection) -> Vec<String> {
    let owners = "
        select distinct user_id::text
        from (select user_id from preferences
              union all select user_id from hidden_messages
              union all select user_id from blocks
              union all select user_id from personal_changes) as own";
    sqlx::query_scalar(owners).fetch_all(db).await.expect("the tables are there")
}

#[tokio::test]
async fn what_another_device_was_just_saving_goes_with_the_account() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let said = bob.says(&group, "Hello").await;
    let mut db = server.database.connect().await;
    let mut holder = server.database.connect().await;
    let holding = held_person(&mut holder, &ada.id).await;

    // Each has written what it has to say, and waits for its place in her log.
    let saving = join_all([0, 1, 2].map(async |what| match what {
        0 => ada.patch(&format!("/conversations/{group}/preferences"), json!({"draft": "Dear"})).await.status,
        1 => ada.blocks(&bob).await.status,
        _ => ada.deletes(&said, "me").await.status,
    }));
    let deleting = async {
        until("all of it waits", async || (waiting(&mut db).await == 3).then_some(())).await;
        ada.delete("/users/me").await
    };
    let releasing = async {
        let mut onlooker = server.database.connect().await;
        until("the deletion waits too", async || (waiting(&mut onlooker).await == 4).then_some(())).await;
        holding.rollback().await.expect("nothing was done");
    };
    let (saved, deleted, ()) = join3(saving, deleting, releasing).await;

    deleted.expect(204);
    assert_eq!(saved, [200; 3]);
    until("nothing of hers is left", async || owners(&mut db).await.is_empty().then_some(())).await;
}

#[tokio::test]
async fn who_has_much_that_is_private_does_not_wait_until_all_of_it_is_gone() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut db = server.database.connect().await;
    let much = format!(
        "with blocked as (
             insert into blocks (user_id, blocked_id, created_at)
             select '{0}', gen_random_uuid(), now() + n * interval '1 second' from generate_series(1, 2500) n
             returning blocked_id, created_at),
         logged as (
             insert into personal_changes (user_id, seq, kind, blocked_id)
             select '{0}', row_number() over (order by created_at), 'block', blocked_id from blocked)
         update users set own_seq = 2500 where id = '{0}'",
        ada.id
    );
    sqlx::query(sqlx::AssertSqlSafe(much)).execute(&mut db).await.expect("it is SQL");
    let mut holder = server.database.connect().await;
    let mut holding = sqlx::Acquire::begin(&mut holder).await.expect("a transaction begins");
    let oldest =
        "select from blocks where blocked_id = (select blocked_id from personal_changes where seq = 1) for update";
    sqlx::query(oldest).execute(&mut *holding).await.expect("nobody else holds it");

    ada.delete("/users/me").await.expect(204);

    ada.get("/users/me").await.refused_with(401);
    until("the rest waits", async || (waiting(&mut db).await == 1).then_some(())).await;
    holding.rollback().await.expect("nothing was done");
    until("nothing of hers is left", async || owners(&mut db).await.is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_deletion_is_answered_although_a_group_can_not_be_left_yet() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (group, other) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([&bob]).await);
    let mut holder = server.database.connect().await;
    let holding = held(&mut holder, &group).await;

    ada.delete("/users/me").await.expect(204);

    assert_eq!(bob.sees(&group).await["participant_count"], 2);
    holding.rollback().await.expect("nothing was done");
    // No worker does it yet: its clock stands still.
    for group in [&group, &other] {
        until("she is out", async || (bob.sees(group).await["participant_count"] == 1).then_some(())).await;
    }
}

#[tokio::test]
async fn nobody_counts_on_an_owner_or_an_heir_whose_account_is_deleted() {
    let server = TestServer::start().await;
    let [ada, bob, eve, joe] = server.people(["ada", "bob", "eve", "joe"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.adds(&group, [&joe]).await.expect(201);
    ada.adds(&group, [&eve]).await.expect(201);
    ada.makes(&group, &bob, "owner").await.expect(200);
    ada.makes(&group, &joe, "admin").await.expect(200);
    let mut db = server.database.connect().await;
    let stay = format!("alter table members add constraint stay check (left_at is null or user_id in ('{}'))", ada.id);
    sqlx::query(sqlx::AssertSqlSafe(stay)).execute(&mut db).await.expect("the table is there");
    for gone in [&bob, &joe] {
        gone.delete("/users/me").await.expect(204);
    }

    ada.makes(&group, &ada, "member").await.refused(409, "last_owner");
    ada.removes(&group, &ada).await.expect(204);

    assert_eq!(eve.sees(&group).await["my_role"], "owner");
    sqlx::query("alter table members drop constraint stay").execute(&mut db).await.expect("it is there");
    server.clock.advance(Duration::minutes(2));
    until("those who are gone are out", async || (eve.sees(&group).await["participant_count"] == 1).then_some(()))
        .await;
    assert_eq!(eve.sees(&group).await["my_role"], "owner");
}
