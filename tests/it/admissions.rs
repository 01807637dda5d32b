//! Who was admitted by a node that died before it could tell: all that is left of such an admission is what it wrote.

use sqlx::PgConnection;

use crate::harness::{person::Person, server::TestServer, socket::Socket};

/// Writes an admission of which nobody is told.
async fn admitted(db: &mut PgConnection, conversation: &str, person: &Person) {
    let id = |text: &str| text.parse::<uuid::Uuid>().expect("it is an id");
    sqlx::query(
        "insert into members (conversation_id, user_id, role, joined_at, changed_seq)
         values ($1, $2, 'member', now(), 0)",
    )
    .bind(id(conversation))
    .bind(id(&person.id))
    .execute(db)
    .await
    .expect("they are not in it yet");
}

async fn is_told_to_sync(socket: &mut Socket, conversation: &str) {
    assert_eq!(socket.hears("sync:required").await["data"]["conversation_id"], conversation);
}

#[tokio::test]
async fn whoever_was_admitted_by_a_node_that_died_before_it_could_tell_is_told_to_sync() {
    let (north, south) = TestServer::pair().await;
    let [ada, carol, eve] = north.people(["ada", "carol", "eve"]).await;
    let (group, told) = (ada.opens_group_with([]).await, ada.opens_group_with([&carol]).await);
    let (mut carols, mut eves) = (carol.at(&south).socket().await, eve.at(&south).socket().await);

    admitted(&mut south.database.connect().await, &group, &carol).await;

    is_told_to_sync(&mut carols, &group).await;
    ada.says(&group, "Hello Carol").await;
    assert_eq!(carols.hears("message:new").await["data"]["body"], "Hello Carol");
    carols
        .heard_nothing_where("any more doubts", |frame| {
            frame["type"] == "sync:required" || frame["type"] == "conversation:new" && frame.to_string().contains(&told)
        })
        .await;
    eves.heard_nothing_in(&group).await;
}

#[tokio::test]
async fn that_somebody_else_hears_the_conversation_at_a_node_hides_no_admission_from_it() {
    let (north, south) = TestServer::pair().await;
    let [ada, carol] = north.people(["ada", "carol"]).await;
    let group = ada.opens_group_with([]).await;
    let mut carols = carol.at(&south).socket().await;

    admitted(&mut south.database.connect().await, &group, &carol).await;
    // She knows the log from after the admission on.
    let mut adas = ada.at(&south).socket().await;

    is_told_to_sync(&mut carols, &group).await;
    ada.says(&group, "Hello Carol").await;
    assert_eq!(carols.hears("message:new").await["data"]["body"], "Hello Carol");
    adas.heard_nothing_of("sync:required").await;
}
