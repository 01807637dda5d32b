//! Finding messages again, in all of the caller's conversations or one.

use std::collections::HashMap;

use anyhow::Context as _;
use sqlx::PgConnection;

use super::{Context, require_member};
use crate::{
    domain::{
        clock::Time,
        error::{Error, Result},
        ids::{ConversationId, UserId},
        limits::Limit,
        message::Message,
        page::Page,
        search::{
            Found, QUERY_CHARACTERS, Question, Sort,
            fold::fold,
            highlight, pace,
            page::{self, Cursor, Hit},
            query::{Clause, Query, When},
        },
        text,
        user::Caller,
    },
    store::{
        messages, receipts,
        search::{self as rows, Criteria},
    },
};

/// What `from:` calls the one who asks.
const ONESELF: &str = "me";

/// Messages that fit a question, of those that the caller may see. A question that asks for nothing finds nothing.
pub async fn messages(
    ctx: &Context,
    caller: &Caller,
    question: Question,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Found>> {
    text::check_length("q", &question.line, QUERY_CHARACTERS)?;
    let cursor = cursor.map(str::parse::<Cursor>).transpose()?.unwrap_or_default();
    let query = Query::parse(&question.line);
    if query.is_empty() && question.is_bare() {
        return Ok(Page { items: Vec::new(), next_cursor: None });
    }
    ctx.spend(Limit::Searches, caller).await?;
    // One snapshot: what the hits were chosen by is what is shown of them.
    let mut tx = ctx.db.begin_with("begin isolation level repeatable read, read only").await?;
    if let Some(conversation) = question.conversation_id {
        require_member(&mut tx, conversation, caller.user_id).await?;
    }
    let criteria = Criteria {
        reader: caller.user_id,
        now: ctx.clock.now(),
        wanted: &query.wanted,
        unwanted: &query.unwanted,
        conversations: places(&mut tx, caller, &query, question.conversation_id).await?,
        senders: senders(&mut tx, caller, &query, question.sender_id).await?,
        kind: question.kind,
        has: query.has.iter().copied().chain(question.has).collect(),
        before: query.before.into_iter().chain(question.before.map(When::start)).min(),
        after: query.after.into_iter().chain(question.after.map(When::just_before)).max(),
        older_than: cursor.older_than,
    };
    // Without words all fit alike.
    let sort = if query.wanted.is_empty() { Sort::Newest } else { question.sort };
    let hits = find(&mut tx, &criteria, page::window(sort, limit)).await?;
    let (hits, next) = page::cut(&hits, sort, cursor, limit);
    let messages = load(&mut tx, &hits, criteria.now).await?;
    tx.commit().await?;
    Ok(Page { items: show(messages, query.wanted).await?, next_cursor: next.map(|cursor| cursor.to_string()) })
}

/// The newest messages that fit, newest first, found whichever way is quicker.
async fn find(db: &mut PgConnection, criteria: &Criteria<'_>, limit: usize) -> Result<Vec<Hit>> {
    if !criteria.has_lexemes() {
        return Ok(rows::hits_by_time(db, criteria, limit).await?);
    }
    let (conversations, messages) = rows::extent(db, criteria).await?;
    if messages > pace::FEW {
        let glances = rows::glances(db, criteria, pace::depth(conversations)).await?;
        if let Some(horizon) = pace::horizon(&glances, limit) {
            let newest = Criteria { after: criteria.after.max(Some(horizon)), ..criteria.clone() };
            let hits = rows::hits_by_time(db, &newest, limit).await?;
            if hits.len() == limit {
                return Ok(hits);
            }
        }
    }
    Ok(rows::hits_by_lexemes(db, criteria, limit).await?)
}

/// The conversations to look into; nothing where it is all of them.
async fn places(
    db: &mut PgConnection,
    caller: &Caller,
    query: &Query,
    given: Option<ConversationId>,
) -> Result<Option<Vec<ConversationId>>> {
    let named = match query.places.as_slice() {
        [] => None,
        // Compared here, since databases differ in which letters they take for the same.
        names => {
            let names: Vec<_> = names.iter().map(|name| fold(name)).collect();
            let mut named = rows::places(db, caller.user_id).await?;
            named.retain(|(_, name)| names.contains(&fold(name)));
            let ids = query.places.iter().filter_map(|name| name.parse().ok());
            Some(named.into_iter().map(|(id, _)| id).chain(ids).collect())
        }
    };
    Ok(narrowed(named, given))
}

/// Whose messages to look for; nothing where it is everybody's.
async fn senders(
    db: &mut PgConnection,
    caller: &Caller,
    query: &Query,
    given: Option<UserId>,
) -> Result<Option<Vec<UserId>>> {
    let named = match query.senders.as_slice() {
        [] => None,
        names => {
            let mut people = rows::senders(db, names).await?;
            people.extend(names.iter().any(|name| name == ONESELF).then_some(caller.user_id));
            Some(people)
        }
    };
    Ok(narrowed(named, given))
}

/// What is both typed and given beside the line, where both are.
fn narrowed<T: Copy + PartialEq>(named: Option<Vec<T>>, given: Option<T>) -> Option<Vec<T>> {
    match (named, given) {
        (Some(named), Some(given)) => Some(named.into_iter().filter(|one| *one == given).collect()),
        (named, given) => named.or(given.map(|given| vec![given])),
    }
}

/// The messages of hits, in their order.
async fn load(db: &mut PgConnection, hits: &[Hit], now: Time) -> Result<Vec<(Hit, Message)>> {
    let seqs: Vec<_> = hits.iter().map(|hit| (hit.place.conversation_id, hit.place.seq)).collect();
    let conversations: Vec<_> = seqs.iter().map(|(conversation, _)| *conversation).collect();
    let lows = receipts::lows(db, &conversations).await?;
    let mut messages: HashMap<_, _> = messages::by_seqs(db, &seqs, now)
        .await?
        .into_iter()
        .map(|message| ((message.conversation_id, message.seq), message))
        .collect();
    let message = |hit: &Hit| {
        let mut message = messages.remove(&(hit.place.conversation_id, hit.place.seq))?.veiled(hit.floor_seq);
        receipts::set_status(&lows, &mut message);
        Some((*hit, message))
    };
    Ok(hits.iter().filter_map(message).collect())
}

/// Marks what was found. A page of long bodies takes its time, and no other work waits for it.
async fn show(messages: Vec<(Hit, Message)>, wanted: Vec<Clause>) -> Result<Vec<Found>> {
    let mark = move |(hit, message): (Hit, Message)| Found {
        rank: f64::from(hit.rank) / 1_000_000.0,
        highlight: highlight::in_message(&message, &wanted),
        message,
    };
    let marking = tokio::task::spawn_blocking(move || messages.into_iter().map(mark).collect());
    marking.await.context("marking hits was cut short").map_err(Error::Internal)
}
