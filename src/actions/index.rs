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

/// What one step came to.
#[derive(Debug)]
pub struct Step {
    /// Those of the conversations that are behind still: they have more, or another node works on them.
    pub behind: Vec<ConversationId>,
    /// How many of them were worked on.
    pub claimed: usize,
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
    let mut tx = ctx.db.begin().await?;
    let claims = indexing::claim(&mut tx, conversations).await?;
    let messages = if claims.is_empty() { 0 } else { take_in(&mut tx, &claims).await? };
    tx.commit().await?;
    let behind = indexing::behind_of(&mut *ctx.db.acquire().await?, conversations).await?;
    Ok(Step { behind, claimed: claims.len(), messages })
}

async fn take_in(tx: &mut PgConnection, claims: &[Claim]) -> Result<usize> {
    let room = MESSAGES.div_ceil(claims.len());
    let changed = indexing::changed(tx, claims, room).await?;
    let (reached, messages) = (reached(claims, &changed, room), changed.len());
    let reading = tokio::task::spawn_blocking(|| read(changed));
    let (entries, gone) = reading.await.context("reading what was said was cut short").map_err(Error::Internal)?;
    indexing::remove(tx, &gone).await?;
    indexing::save(tx, &entries).await?;
    indexing::advance(tx, &reached).await?;
    Ok(messages)
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
