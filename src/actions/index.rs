//! Keeping the index of what was said up with the logs. Nobody waits for it, and whatever happens to it, it can be made
//! anew from the logs.

use std::collections::HashMap;

use anyhow::Context as _;
use sqlx::PgConnection;

use super::Context;
use crate::{
    domain::{
        error::{Error, Result},
        ids::ConversationId,
        message::MessageKind,
        search::document::{self, Facts},
    },
    store::indexing::{self, Changed, Claim, Entry},
};

/// Conversations that are brought up to date in one step at most.
pub const CONVERSATIONS: usize = 64;
/// Messages that are indexed in one step, give or take.
const MESSAGES: usize = 1_024;
/// What follows from the logs need not be waited for: if it is lost with the machine, so is how far it went, and both are
/// made anew.
const BEGIN: &str = "begin; set local synchronous_commit = off";

/// What one step came to.
#[derive(Debug)]
pub struct Step {
    /// Those of the conversations that have more.
    pub behind: Vec<ConversationId>,
    /// Whether none was worked on: they are not behind, or another node is at work on them.
    pub is_idle: bool,
    /// How many messages were taken in.
    pub messages: usize,
}

/// Conversations whose logs the index has not followed to the end.
pub async fn behind(ctx: &Context, limit: usize) -> Result<Vec<ConversationId>> {
    Ok(indexing::behind(&mut *ctx.db.acquire().await?, limit).await?)
}

/// Forgets how far the index has come. What is in it can be found until it is written over.
pub async fn forget(ctx: &Context) -> Result<()> {
    Ok(indexing::forget(&mut *ctx.db.acquire().await?).await?)
}

/// Takes in the next changes of some conversations, together. One node works on a conversation at a time.
pub async fn step(ctx: &Context, conversations: &[ConversationId]) -> Result<Step> {
    let mut tx = ctx.db.begin_with(BEGIN).await?;
    let mut claims = indexing::claim(&mut tx, conversations).await?;
    // Most have an index already; that some have none is only found out by trying.
    if claims.len() < conversations.len() && indexing::begin(&mut tx, conversations).await? {
        claims = indexing::claim(&mut tx, conversations).await?;
    }
    if claims.is_empty() {
        return Ok(Step { behind: Vec::new(), is_idle: true, messages: 0 });
    }
    let (behind, messages) = take_in(&mut tx, &claims).await?;
    tx.commit().await?;
    Ok(Step { behind, is_idle: false, messages })
}

/// Says which of them have more, and how many messages were taken in.
async fn take_in(tx: &mut PgConnection, claims: &[Claim]) -> Result<(Vec<ConversationId>, usize)> {
    let room = MESSAGES.div_ceil(claims.len());
    let changed = indexing::changed(tx, claims, room).await?;
    let (reached, messages) = (reached(claims, &changed, room), changed.len());
    let reading = tokio::task::spawn_blocking(|| read(changed));
    let (entries, gone) = reading.await.context("reading what was said was cut short").map_err(Error::Internal)?;
    indexing::save(tx, &entries, &gone, &reached).await?;
    let places: HashMap<_, _> = reached.into_iter().collect();
    let has_more = |claim: &&Claim| places.get(&claim.conversation_id).is_some_and(|seq| *seq < claim.head_seq);
    Ok((claims.iter().filter(has_more).map(|claim| claim.conversation_id).collect(), messages))
}

/// How far the index comes with each claimed conversation.
fn reached(claims: &[Claim], changed: &[Changed], room: usize) -> Vec<(ConversationId, i64)> {
    let mut taken: HashMap<ConversationId, (usize, i64)> = HashMap::new();
    for change in changed {
        let (count, last) = taken.entry(change.conversation_id).or_default();
        *count += 1;
        *last = (*last).max(change.changed_seq);
    }
    let reach = |claim: &Claim| {
        let (count, last) = taken.get(&claim.conversation_id).copied().unwrap_or_default();
        // The head was read before the changes: where these are all, none up to it is missing.
        (claim.conversation_id, if count == room { last } else { last.max(claim.head_seq) })
    };
    claims.iter().map(reach).collect()
}

/// Makes entries of what can be looked for, and says what can be no more.
fn read(changed: Vec<Changed>) -> (Vec<Entry>, Vec<(ConversationId, i64)>) {
    let (mut entries, mut gone) = (Vec::new(), Vec::new());
    for message in changed {
        if message.deleted_at.is_some() || message.kind == MessageKind::System {
            gone.push((message.conversation_id, message.seq));
            continue;
        }
        let facts = Facts {
            kind: message.kind,
            sender_id: message.sender_id,
            body: message.body.as_deref(),
            attachments: message.attachments.as_ref().map_or(&[], |files| files.0.as_slice()),
            is_mentioning: message.is_mentioning,
            is_reply: message.reply_to_seq.is_some(),
            is_forward: message.is_forward,
        };
        let lexemes = document::lexemes(facts);
        entries.push(Entry { of: message, lexemes });
    }
    (entries, gone)
}
