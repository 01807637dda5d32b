//! A great many people in one group: more than could be registered in a test's time, so that they are written at once.

use futures_util::{StreamExt, stream};
use serde_json::json;
use uuid::Uuid;

use super::{
    client::Client,
    person::Person,
    server::TestServer,
    socket::Socket,
    token::{HOST_SECRET, host_token},
};

/// Calls made at once.
const AT_ONCE: usize = 100;

/// A group of somebody and many others.
pub struct Crowd {
    /// The group.
    pub group: String,
    /// The others, in no order, signed in by tokens of a host application.
    pub people: Vec<Member>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Member {
    /// Their id.
    pub id: String,
    /// Their voice.
    pub client: Client,
}

impl Crowd {
    /// Gathers so many around somebody, on a server that knows [`HOST_SECRET`].
    pub async fn around(person: &Person, server: &TestServer, size: usize) -> Self {
        let group = person.opens_group([], json!({"name": "Everybody"})).await;
        let ids: Vec<_> = (0..size).map(|_| Uuid::now_v7()).collect();
        let mut db = server.database.connect().await;
        sqlx::query(
            "with people as (
                 insert into users (id, external_id, display_name, created_at)
                 select id, id::text, 'One of many', now()
                 from unnest($1::uuid[]) as id
                 returning id),
             counted as (
                 update conversations
                 set member_count = member_count + $3
                 where id = $2::uuid)
             insert into members (conversation_id, user_id, role, joined_at, changed_seq)
             select $2::uuid, id, 'member', now(), 0
             from people",
        )
        .bind(&ids)
        .bind(group.parse::<Uuid>().expect("a group has an id"))
        .bind(size as i32)
        .execute(&mut db)
        .await
        .expect("they are written");
        let member = |id: Uuid| {
            let client = server.client.with_token(&host_token(&id.to_string(), json!({})));
            Member { id: id.to_string(), client }
        };
        Self { group, people: ids.into_iter().map(member).collect() }
    }

    /// Lets many do something, a hundred at a time.
    pub async fn all<T>(&self, people: &[Member], does: impl AsyncFn(&Member) -> T) -> Vec<T> {
        stream::iter(people).map(|member| does(member)).buffer_unordered(AT_ONCE).collect().await
    }
}

impl Member {
    /// A socket of theirs, ready.
    pub async fn socket(&self) -> Socket {
        Socket::open(&self.client).await
    }

    /// The same person, calling another node.
    pub fn at(&self, node: &TestServer) -> Self {
        Self { client: self.client.on(node.client.origin()), ..self.clone() }
    }
}

/// Two nodes that know the host application's secret.
pub async fn host_pair() -> (TestServer, TestServer) {
    TestServer::pair_with(|settings| settings.jwt_secret = HOST_SECRET.parse().ok()).await
}
