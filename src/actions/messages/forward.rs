//! Forwarding: a copy of a message as it is now, sent to each of several conversations like any other message.

use std::collections::HashSet;

use futures_util::future::join_all;

use super::{
    super::{
        Context,
        attachments::{collect, lend},
    },
    history,
    send::{self, Sent},
};
use crate::domain::{
    error::{Error, Result},
    ids::{ConversationId, MessageId},
    limits,
    message::{Draft, Message},
    policy,
    user::Caller,
};

/// What became of a forward to one conversation.
#[derive(Debug)]
pub struct Forwarded {
    /// Where to.
    pub conversation_id: ConversationId,
    /// The copy, or why there is none.
    pub outcome: Result<Sent>,
}

/// Forwards a message. What is refused in one conversation is sent in the others all the same; where all refuse, the first
/// says why. Whoever asks again with the same `key` finds the copies that there are.
pub async fn forward(
    ctx: &Context,
    caller: &Caller,
    place: (ConversationId, MessageId),
    mut targets: Vec<ConversationId>,
    key: Option<&str>,
) -> Result<Vec<Forwarded>> {
    check(&mut targets)?;
    let message = original(ctx, caller, place).await?;
    let sends = targets.iter().map(|target| {
        let id = key.map_or_else(MessageId::new_v7, |key| {
            MessageId::of_words(&format!("{} {} {} {target} {key}", caller.user_id, place.0, place.1))
        });
        forward_to(ctx, caller, &message, (*target, id))
    });
    let mut outcomes = join_all(sends).await;
    if outcomes.iter().all(Result::is_err) {
        return Err(outcomes.swap_remove(0).expect_err("none of them was sent"));
    }
    let forwarded = targets.into_iter().zip(outcomes);
    Ok(forwarded.map(|(conversation_id, outcome)| Forwarded { conversation_id, outcome }).collect())
}

async fn forward_to(
    ctx: &Context,
    caller: &Caller,
    message: &Message,
    (target, id): (ConversationId, MessageId),
) -> Result<Sent> {
    let attachment_ids = lend::lend(ctx, caller, message, (target, id)).await?;
    let lent = attachment_ids.clone();
    let sent = send::send(ctx, caller, Draft { attachment_ids, ..message.copied_to(target, id) }).await;
    if sent.is_err() && !lent.is_empty() {
        // Or else they would count against the caller's quota until they are forgotten.
        collect::give_back(ctx, target, &lent).await?;
    }
    sent
}

/// Drops repetitions, and refuses none and too many.
fn check(targets: &mut Vec<ConversationId>) -> Result<()> {
    let mut known = HashSet::new();
    targets.retain(|target| known.insert(*target));
    if (1..=limits::FORWARDED_AT_ONCE).contains(&targets.len()) {
        return Ok(());
    }
    let says = format!("Between 1 and {}.", limits::FORWARDED_AT_ONCE);
    Err(Error::field("conversation_ids", "out_of_range", says))
}

async fn original(ctx: &Context, caller: &Caller, (conversation, id): (ConversationId, MessageId)) -> Result<Message> {
    let mut db = ctx.db.acquire().await?;
    let (_, message) = history::visible(ctx, &mut db, caller, conversation, id).await?;
    policy::is_there(&message)?;
    Ok(message)
}
