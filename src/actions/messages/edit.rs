//! Editing: the author's new words, with what was said before kept beside them.

use super::{
    super::{Context, rules::require_may_speak},
    change, history, preview,
};
use crate::{
    domain::{
        error::{Error, Result},
        event::Event,
        ids::{ConversationId, MessageId},
        limits::Limit,
        message::Message,
        policy,
        revision::Revision,
        user::Caller,
    },
    store::{
        changes::{Change, ChangeKind},
        members, messages,
    },
};

/// Edits a message; an edit that changes nothing takes no place in the log.
pub async fn edit(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    id: MessageId,
    revision: Revision,
) -> Result<Message> {
    revision.check()?;
    let (mut tx, standing, before) = change::begin(ctx, caller, (conversation, id)).await?;
    policy::may_edit(caller.user_id, &before)?;
    let (rules, now) = (ctx.rulebook.rules(), ctx.clock.now());
    rules.may_edit_since(before.created_at, now)?;
    require_may_speak(ctx, &mut tx, &standing, caller.user_id, &[]).await?;
    let revision = revision.redacted(&rules.redaction);

    let mut message = before.clone();
    message.body = revision.body.unwrap_or(message.body);
    message.require_words()?;
    message.metadata = revision.metadata.unwrap_or(message.metadata);
    message.mentions = revision.mentions.unwrap_or(message.mentions);
    message.mentions_all = revision.mentions_all.unwrap_or(message.mentions_all);
    if !differ(&message, &before) {
        return history::with_status(&mut tx, before, standing.floor_seq).await;
    }
    check_mentions(&mut tx, &message, &before).await?;
    if message.mentions_all && !before.mentions_all {
        policy::may_mention_all(standing.kind, standing.role)?;
    }
    ctx.spend_as(Limit::Edits, caller.user_id, &standing.person_roles).await?;
    message.edited_at = Some(now);
    message.changed_seq = standing.head_seq + 1;
    let links_elsewhere = message.link() != before.link();
    if links_elsewhere {
        message.link_preview = None;
        preview::plan(ctx, &mut tx, &message).await?;
    }

    messages::edit(&mut tx, &message, before.body.as_deref()).await?;
    messages::delete_mentions(&mut tx, &message).await?;
    messages::insert_mentions(&mut tx, &[&message]).await?;
    let told = (Change::of_message(ChangeKind::MessageUpdated, &message), Event::MessageUpdated(message.clone()));
    let message = change::close(ctx, tx, message, told, standing.floor_seq).await?;
    if links_elsewhere {
        ctx.visits.set(now);
    }
    Ok(message)
}

fn differ(message: &Message, before: &Message) -> bool {
    (&message.body, &message.metadata) != (&before.body, &before.metadata)
        || (&message.mentions, message.mentions_all) != (&before.mentions, before.mentions_all)
}

/// Whoever was mentioned before may have left since.
async fn check_mentions(tx: &mut sqlx::PgConnection, message: &Message, before: &Message) -> Result<()> {
    let added: Vec<_> = message.mentions.iter().copied().filter(|user| !before.mentions.contains(user)).collect();
    let present = members::present(tx, message.conversation_id, &added).await?;
    if added.iter().any(|user| !present.contains(user)) {
        return Err(Error::field("mentions", "not_a_member", "Only members of the conversation can be mentioned."));
    }
    Ok(())
}
