//! What a node's ordering asks when it finds a hole: the log's entries once more, from PostgreSQL.

use std::collections::HashMap;

use sqlx::PgPool;

use super::members as membership;
use crate::{
    domain::{
        clock::Time, error::Result, event::Event, ids::ConversationId, member::Participant, message::Message,
        reaction::ReactionChange,
    },
    store::{
        changes::{self, Change, ChangeKind},
        conversations, members, messages,
    },
};

/// The events after one place in a log and up to another, in order. Each is rendered from what there is now, so that
/// words deleted or expired since do not come back.
pub async fn events_between(
    db: &PgPool,
    conversation: ConversationId,
    (after, up_to): (i64, i64),
    now: Time,
) -> Result<Vec<Event>> {
    let mut tx = db.begin().await?;
    let births = changes::births(&mut tx, conversation, after, up_to).await?;
    let entries = changes::between(&mut tx, conversation, after, up_to).await?;
    let mut seqs: Vec<_> = births.iter().copied().chain(entries.iter().filter_map(|entry| entry.message_seq)).collect();
    seqs.sort_unstable();
    seqs.dedup();
    let places: Vec<_> = seqs.into_iter().map(|seq| (conversation, seq)).collect();
    let by_seq: HashMap<i64, Message> =
        messages::by_seqs(&mut tx, &places, now).await?.into_iter().map(|message| (message.seq, message)).collect();

    // Whoever is gone by now leaves before all else, since that is told as it is now, and they must not hear it so.
    let gone = changes::gone_since(&mut tx, conversation, after).await?;
    let farewell = (!gone.is_empty()).then_some((after, Event::ConversationRemoved(conversation, gone)));
    let told_anew = births.iter().filter_map(|seq| Some((*seq, Event::MessageNew(by_seq.get(seq)?.clone()))));
    let mut events: Vec<(i64, Event)> = farewell.into_iter().chain(told_anew).collect();
    for entry in entries {
        if let (ChangeKind::ParticipantAdded, Some(user)) = (entry.kind, entry.user_id) {
            let own = membership::conversation_new(&mut tx, conversation, &[user], now).await?;
            events.extend(own.into_iter().map(|event| (entry.seq, event)));
        }
        if let Some(event) = event(&mut tx, conversation, &entry, &by_seq).await? {
            events.push((entry.seq, event));
        }
    }
    // Stable: what a newcomer is told first stays before the entry that it goes with.
    events.sort_by_key(|(seq, _)| *seq);
    Ok(events.into_iter().map(|(_, event)| event).collect())
}

/// The heads of many logs.
pub async fn heads(db: &PgPool, ids: &[ConversationId]) -> Result<Vec<(ConversationId, i64)>> {
    let mut connection = db.acquire().await?;
    Ok(conversations::heads(&mut connection, ids).await?)
}

async fn event(
    tx: &mut sqlx::PgConnection,
    conversation: ConversationId,
    entry: &Change,
    by_seq: &HashMap<i64, Message>,
) -> Result<Option<Event>> {
    // The entry keeps its own place in the log, even where a later one changed the same thing again.
    let message = entry
        .message_seq
        .and_then(|seq| by_seq.get(&seq))
        .map(|message| Message { changed_seq: entry.seq, ..message.clone() });
    let reaction = || Some(ReactionChange::of(message.as_ref()?, entry.user_id?, entry.emoji.clone()?));
    Ok(match entry.kind {
        ChangeKind::MessageUpdated => message.map(Event::MessageUpdated),
        ChangeKind::MessageDeleted => message.map(Event::MessageDeleted),
        ChangeKind::MessagePinned => message.map(Event::MessagePinned),
        ChangeKind::MessageUnpinned => message.map(Event::MessageUnpinned),
        ChangeKind::ReactionAdded => reaction().map(Event::ReactionAdded),
        ChangeKind::ReactionRemoved => reaction().map(Event::ReactionRemoved),
        ChangeKind::ParticipantAdded => participant(tx, conversation, entry).await?.map(Event::ParticipantAdded),
        ChangeKind::ParticipantUpdated => participant(tx, conversation, entry).await?.map(Event::ParticipantUpdated),
        ChangeKind::ParticipantRemoved => participant(tx, conversation, entry).await?.map(Event::ParticipantRemoved),
        ChangeKind::ConversationUpdated => {
            let shared = conversations::shared(tx, conversation).await?;
            shared.map(|shared| Event::ConversationUpdated(entry.seq, shared))
        }
    })
}

async fn participant(
    tx: &mut sqlx::PgConnection,
    conversation: ConversationId,
    entry: &Change,
) -> Result<Option<Participant>> {
    let Some(user) = entry.user_id else { return Ok(None) };
    let participant = members::participants(tx, conversation, &[user]).await?.pop();
    Ok(participant.map(|participant| Participant { changed_seq: entry.seq, ..participant }))
}
