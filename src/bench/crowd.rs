//! People to chat, and conversations between them, made through the front door.

use std::{
    cell::RefCell,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio::time::sleep;
use uuid::Uuid;

use super::{http::Http, server::Target, words};
use crate::{
    domain::{clock::Clock, limits},
    store::{filling, indexing},
};

/// Requests under way at once while things are made.
const AT_ONCE: usize = 16;
/// Messages written in one statement, so that none takes long.
const FILLED_AT_ONCE: usize = 50_000;
/// How long the index may take to follow.
const INDEX_PATIENCE: Duration = Duration::from_mins(30);
/// Longer than any bench takes.
const TOKEN_LIFETIME: Duration = Duration::from_hours(24);

/// Somebody for whom we vouch, as a host application does: no passwords are hashed.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their id.
    pub id: String,
    /// What opens their doors.
    pub token: String,
}

/// Makes so many people whom nobody has seen before.
pub async fn people(target: &Target, count: usize) -> anyhow::Result<Vec<Person>> {
    let key = EncodingKey::from_secret(target.secret.as_bytes());
    let until = (Clock::default().now() + TOKEN_LIFETIME).timestamp();
    let crowd = Uuid::now_v7();
    let tokens = (0..count).map(|number| {
        let claims = json!({"sub": format!("{crowd}-{number}"), "name": format!("Person {number}"), "exp": until});
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
    });
    let tokens: Vec<_> = tokens.collect::<Result<_, _>>().context("cannot sign tokens")?;
    let made = each(target.address, tokens, async |http, token| {
        let id = id_in(http.get("/users/me", &token).await?)?;
        Ok(Person { id, token })
    });
    made.await.context("cannot make people; is the secret the server's?")
}

/// Opens a direct conversation for each pair.
pub async fn direct(target: &Target, pairs: Vec<(Person, Person)>) -> anyhow::Result<Vec<String>> {
    let made = each(target.address, pairs, async |http, (one, other)| {
        let asked = json!({"kind": "direct", "participant_ids": [other.id]}).to_string();
        id_in(http.post("/conversations", &one.token, &asked).await?)
    });
    made.await.context("cannot open direct conversations")
}

/// Makes so many pairs of people who share a direct conversation: the one, the other, and where.
pub async fn pairs(target: &Target, count: usize) -> anyhow::Result<Vec<(Person, Person, String)>> {
    let mut some = people(target, 2 * count).await?;
    let pairs: Vec<_> = some.split_off(count).into_iter().zip(some).map(|(other, one)| (one, other)).collect();
    let conversations = direct(target, pairs.clone()).await?;
    Ok(pairs.into_iter().zip(conversations).map(|((one, other), conversation)| (one, other, conversation)).collect())
}

/// Opens a group of all these, owned by the first.
pub async fn group(target: &Target, members: &[Person]) -> anyhow::Result<String> {
    let (owner, others) = members.split_first().context("a group has an owner")?;
    let ids: Vec<_> = others.iter().map(|person| person.id.as_str()).collect();
    let mut calls = ids.chunks(limits::ADDED_AT_ONCE);
    let mut http = Http::connect(target.address).await?;
    let asked = json!({"kind": "group", "participant_ids": calls.next().unwrap_or_default()}).to_string();
    let id = id_in(http.post("/conversations", &owner.token, &asked).await?)?;
    for ids in calls {
        let added = json!({"user_ids": ids}).to_string();
        http.post(&format!("/conversations/{id}/participants"), &owner.token, &added).await?;
    }
    Ok(id)
}

/// Writes so many messages into each of these conversations, as said by these people, straight into the database.
pub async fn fill(target: &Target, conversations: &[(String, String)], count: usize) -> anyhow::Result<()> {
    let database = target.database().await?;
    let filled = async {
        let mut db = database.pool().acquire().await?;
        for (conversation, sender) in conversations {
            let (conversation, sender) = (conversation.parse()?, sender.parse()?);
            for begun in (0..count).step_by(FILLED_AT_ONCE) {
                let some = FILLED_AT_ONCE.min(count - begun) as i64;
                filling::append(&mut *db, conversation, sender, some, (words::BODY, Clock::default().now())).await?;
            }
        }
        filling::count_as_indexed(&mut *db, None).await?;
        filling::settle(&mut db).await?;
        anyhow::Ok(())
    };
    let filled = filled.await;
    database.close(Duration::ZERO).await;
    filled
}

/// Waits until the index has followed all that was said.
pub async fn wait_for_index(db: &mut PgConnection) -> anyhow::Result<()> {
    let deadline = Instant::now() + INDEX_PATIENCE;
    while !indexing::behind(db, 1).await?.is_empty() {
        ensure!(Instant::now() < deadline, "The index does not follow.");
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Does something with each, several at once over connections that are kept; answers in their order.
pub async fn each<T, R>(
    address: SocketAddr,
    things: Vec<T>,
    act: impl AsyncFn(&mut Http, T) -> io::Result<R>,
) -> io::Result<Vec<R>> {
    let count = things.len();
    let waiting = RefCell::new(things.into_iter().enumerate());
    let done = RefCell::new(Vec::with_capacity(count));
    let worker = || async {
        let mut http = Http::connect(address).await?;
        loop {
            let next = waiting.borrow_mut().next();
            let Some((place, thing)) = next else { return io::Result::Ok(()) };
            let result = act(&mut http, thing).await?;
            done.borrow_mut().push((place, result));
        }
    };
    try_join_all((0..AT_ONCE.min(count)).map(|_| worker())).await?;
    let mut done = done.into_inner();
    done.sort_unstable_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// The id of what was made.
pub fn id_in(body: &[u8]) -> io::Result<String> {
    let thing: Value = serde_json::from_slice(body)?;
    let id = thing["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| io::Error::other("the answer has no id"))
}
