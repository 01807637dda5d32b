//! Groups of a thousand and of ten thousand: what everybody does there at once stays bounded.

use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::harness::{
    client::Client,
    crowd::{Crowd, host_pair},
    each, id, seq,
    token::host_server,
    until,
};

/// Batches of moved cursors that one node begins in a second, and each is three statements.
const BATCHES_A_SECOND: f64 = 50.0;

/// All items of a list, page by page.
async fn all_of(client: &Client, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("{path}?limit=100{cursor}")).await.expect(200);
        items.extend(page["items"].as_array().expect("a list").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// Statements that were made in this database since they were last forgotten, and those of them that move cursors.
async fn statements(db: &mut PgConnection) -> (i64, i64) {
    sqlx::query_as(
        "select sum(calls)::bigint, coalesce(sum(calls) filter (where query like '%into receipt_marks%'), 0)::bigint
         from pg_stat_statements
         join pg_database database on database.oid = dbid
         where database.datname = current_database()",
    )
    .fetch_one(db)
    .await
    .expect("the extension is there")
}

#[tokio::test]
async fn a_thousand_who_read_at_once_at_two_nodes_cost_few_statements_and_are_told_in_numbers() {
    let (north, south) = host_pair().await;
    let ada = north.person("ada").await;
    let crowd = Crowd::around(&ada, &north, 1_000).await;
    let sent = ada.says(&crowd.group, "Hello everybody").await;
    let people: Vec<_> = crowd.people.chunks(2).flat_map(|two| [two[0].clone(), two[1].at(&south)]).collect();
    // Whoever comes for the first time is looked up; that is not what is counted here.
    crowd.all(&people, async |member| drop(member.client.get("/users/me").await.expect(200))).await;
    let (mut adas, mut readers, mut strangers) =
        (ada.at(&south).socket().await, people[0].socket().await, south.person("eve").await.socket().await);
    let mut db = north.database.connect().await;
    for sql in ["create extension pg_stat_statements", "select pg_stat_statements_reset()"] {
        sqlx::query(sql).execute(&mut db).await.expect("the harness loads it");
    }

    let began = Instant::now();
    let read = format!("/conversations/{}/read", crowd.group);
    let replies = crowd.all(&people, async |member| member.client.post(&read, json!({})).await.expect(200)).await;
    let seconds = began.elapsed().as_secs_f64();
    let (all, moving) = statements(&mut db).await;

    assert!(replies.iter().all(|receipt| receipt["read_seq"] == sent["seq"]));
    let batches = 2.0 * (seconds * BATCHES_A_SECOND + 2.0);
    assert!((moving as f64) < batches, "{moving} statements moved cursors in {seconds} s");
    assert!(all < 1_000, "{all} statements for 1,000 who read in {seconds} s");
    let is_all = |event: &Value| event["data"]["counts"][0]["read"] == 1_000;
    let told = adas.hears_where("receipts:changed", is_all).await;
    let counts = json!([{"seq": seq(&sent), "delivered": 1_000, "read": 1_000}]);
    let data = json!({"conversation_id": crowd.group, "participant_count": 1_001, "counts": counts});
    assert_eq!((&told["data"], told.get("seq")), (&data, None));
    adas.heard_nothing_of("message:read").await;
    assert_eq!(readers.hears("message:read").await["data"]["user_id"], people[0].id.as_str());
    readers.hears_where("unread:changed", |event| event["data"]["unread"] == 0).await;
    readers.heard_nothing_of("message:read").await;
    strangers.heard_nothing_in(&crowd.group).await;
}

#[tokio::test]
async fn where_a_thousand_read_each_of_them_is_known_to_have_read() {
    let server = host_server().await;
    let ada = server.person("ada").await;
    let crowd = Crowd::around(&ada, &server, 1_000).await;
    let (first, second) = (ada.says(&crowd.group, "One").await, ada.says(&crowd.group, "Two").await);
    let (early, late) = crowd.people.split_at(300);
    let path = |what: &str| format!("/conversations/{}/{what}", crowd.group);

    let (read, delivered) = (path("read"), path("delivered"));
    crowd.all(early, async |member| member.client.post(&read, json!({"seq": seq(&first)})).await.expect(200)).await;
    crowd
        .all(late, async |member| member.client.post(&delivered, json!({"seq": seq(&second)})).await.expect(200))
        .await;

    let stands = all_of(&ada, &path("receipts")).await;
    let count = |delivered: i64, read: i64| {
        stands.iter().filter(|item| item["delivered_seq"] == delivered && item["read_seq"] == read).count()
    };
    assert_eq!((count(1, 1), count(2, 0), count(2, 2)), (300, 700, 1), "the last is Ada, who wrote both");
    let of_first = all_of(&ada, &path(&format!("messages/{}/receipts", id(&first)))).await;
    let known = |field: &str| of_first.iter().filter(|item| !item[field].is_null()).count();
    assert_eq!((of_first.len(), known("delivered_at"), known("read_at")), (1_000, 1_000, 300));
}

#[tokio::test]
async fn a_group_of_ten_thousand_is_written_to_listed_heard_and_left_like_any_other() {
    let server = host_server().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    let crowd = Crowd::around(&ada, &server, 9_999).await;
    let mut sockets = join_all(crowd.people[..50].iter().map(|member| member.socket())).await;
    let path = |what: &str| format!("/conversations/{}{what}", crowd.group);

    ada.says(&crowd.group, "Hello everybody").await;
    for socket in &mut sockets {
        assert_eq!(socket.hears("message:new").await["data"]["body"], "Hello everybody");
    }
    let seen = ada.sees(&crowd.group).await;
    assert_eq!(seen["participant_count"], 10_000);
    assert_eq!(seen["participants"].as_array().map(Vec::len), Some(50));
    let page = ada.get(&path("/participants?limit=100")).await.expect(200);
    assert_eq!(each(&page, "user_id").len(), 100);
    assert!(page["next_cursor"].is_string());
    ada.adds(&crowd.group, [&eve]).await.refused(409, "limit_reached");

    let gone = &crowd.people[0];
    ada.delete(&path(&format!("/participants/{}", gone.id))).await.expect(204);
    assert_eq!(sockets[0].hears("conversation:removed").await["data"]["conversation_id"], crowd.group.as_str());
    assert_eq!(sockets[1].hears("participant:removed").await["data"]["user_id"], gone.id.as_str());
    ada.says(&crowd.group, "One fewer").await;
    sockets[1].hears_where("message:new", |event| event["data"]["body"] == "One fewer").await;
    sockets[0].heard_nothing_of("message:new").await;
    gone.client.get(&path("")).await.refused(404, "not_found");
    ada.adds(&crowd.group, [&eve]).await.expect(201);
    let synced = crowd.people[1].client.post("/sync", json!({})).await.expect(200);
    assert_eq!(synced["conversations"][0]["receipts"], json!([]));
    ada.delete(&path("")).await.expect(204);
    sockets[1].hears("conversation:removed").await;
    until("the group is gone", async || (eve.get(&path("")).await.status == 404).then_some(())).await;
}

#[tokio::test]
async fn whoever_comes_for_the_first_time_learns_of_all_who_are_in_a_group_of_hundreds() {
    let server = host_server().await;
    let ada = server.person("ada").await;
    let crowd = Crowd::around(&ada, &server, 300).await;

    let synced = ada.syncs(json!({})).await;

    let told = &synced["conversations"][0]["participants"];
    assert_eq!((told.as_array().map(Vec::len), &synced["has_more"]), (Some(301), &json!(false)));
    assert!(told.to_string().contains(&crowd.people[299].id));
}

#[tokio::test]
async fn up_to_a_hundred_members_each_is_told_who_read() {
    let server = host_server().await;
    let ada = server.person("ada").await;
    let crowd = Crowd::around(&ada, &server, 99).await;
    ada.says(&crowd.group, "Hello").await;
    let mut adas = ada.socket().await;

    let read = format!("/conversations/{}/read", crowd.group);
    crowd.all(&crowd.people, async |member| member.client.post(&read, json!({})).await.expect(200)).await;

    let mut heard = Vec::new();
    for _ in &crowd.people {
        heard.push(adas.hears("message:read").await["data"]["user_id"].as_str().expect("it has one").to_owned());
    }
    let mut expected: Vec<_> = crowd.people.iter().map(|member| member.id.clone()).collect();
    heard.sort_unstable();
    expected.sort_unstable();
    assert_eq!(heard, expected);
    adas.heard_nothing_of("receipts:changed").await;
}
