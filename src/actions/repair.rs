//! What a node's ordering asks when it finds a hole: a log's entries once more, from PostgreSQL.

use std::collections::{HashMap, HashSet};

use sqlx::PgPool;

use super::members as membership;
use crate::{
    domain::{
        clock::Time,
        conversation::Conversation,
        error::Result,
        event::Event,
        ids::{ConversationId, LogId, MessageId, UserId},
        limits,
        member::Participant,
        message::Message,
        own::{OwnChange, OwnMatter, OwnPlace},
        preferences::ConversationPreferences,
        reaction::ReactionChange,
        scheduled::Plan,
    },
    store::{
        changes::{self, Change, ChangeKind},
        conversations, members, messages,
        personal::{self, Entry, PersonalKind},
        scheduled,
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
    let deletion = changes::deletion_since(&mut tx, conversation, after).await?;
    let end = deletion.map(|(seq, users)| (after, Event::ConversationDeleted(seq, conversation, users)));
    let told_anew = births.iter().filter_map(|seq| Some((*seq, Event::MessageNew(by_seq.get(seq)?.clone()))));
    let mut events: Vec<(i64, Event)> = farewell.into_iter().chain(end).chain(told_anew).collect();
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

/// The same of one person's own log. Of what changed several times only the last is told, and nothing of conversations
/// that the person has left.
pub async fn own_events_between(db: &PgPool, user: UserId, (after, up_to): (i64, i64)) -> Result<Vec<Event>> {
    let mut tx = db.begin().await?;
    let entries = personal::between(&mut tx, user, after, up_to).await?;
    let of_kind = |kind| entries.iter().filter(move |(_, entry)| entry.kind == kind);
    let mut now = OwnNow::default();
    if of_kind(PersonalKind::Preferences).next().is_some() {
        let changed = personal::preferences_after(&mut tx, user, after).await?;
        now.preferences = changed.into_iter().map(|own| (own.conversation_id, own)).collect();
    }
    if of_kind(PersonalKind::Hidden).next().is_some() {
        now.hidden = personal::hidden_after(&mut tx, user, after).await?.into_iter().collect();
    }
    if of_kind(PersonalKind::Block).next().is_some() {
        now.blocked = personal::blocks(&mut tx, user).await?.into_iter().collect();
    }
    let ids: Vec<_> = of_kind(PersonalKind::Scheduled).filter_map(|(_, entry)| entry.message_id).collect();
    if !ids.is_empty() {
        let plans = scheduled::by_ids(&mut tx, user, &ids).await?;
        now.plans = plans.into_iter().map(|plan| (plan.draft.id, plan)).collect();
    }
    Ok(entries.iter().filter_map(|(place, entry)| now.change(*place, entry)).map(Event::Own).collect())
}

/// The heads of many logs; a statement for each family.
pub async fn heads(db: &PgPool, logs: &[LogId]) -> Result<Vec<(LogId, i64)>> {
    let (mut of_conversations, mut of_people) = (Vec::new(), Vec::new());
    for log in logs {
        match *log {
            LogId::Conversation(id) => of_conversations.push(id),
            LogId::Person(id) => of_people.push(id),
        }
    }
    let mut connection = db.acquire().await?;
    let mut heads = Vec::with_capacity(logs.len());
    if !of_conversations.is_empty() {
        let found = conversations::heads(&mut connection, &of_conversations).await?;
        heads.extend(found.into_iter().map(|(id, head)| (LogId::Conversation(id), head)));
    }
    if !of_people.is_empty() {
        let found = personal::heads(&mut connection, &of_people).await?;
        heads.extend(found.into_iter().map(|(id, head)| (LogId::Person(id), head)));
    }
    Ok(heads)
}

/// What a person's own matters are by now.
#[derive(Default)]
struct OwnNow {
    preferences: HashMap<ConversationId, ConversationPreferences>,
    hidden: HashSet<(ConversationId, MessageId)>,
    blocked: HashSet<UserId>,
    plans: HashMap<MessageId, Plan>,
}

impl OwnNow {
    fn change(&self, place: OwnPlace, entry: &Entry) -> Option<OwnChange> {
        let matter = match entry.kind {
            PersonalKind::Preferences => {
                let own = self.preferences.get(&entry.conversation_id?)?.clone();
                match own.preferences.cleared_seq {
                    0 => OwnMatter::Preferences(own),
                    // It may have been cleared by this very entry. Only what is never left can be cleared.
                    cleared_seq => OwnMatter::Cleared(own, cleared_seq),
                }
            }
            PersonalKind::Hidden => {
                let (conversation, message) = entry.conversation_id.zip(entry.message_id)?;
                self.hidden.contains(&(conversation, message)).then_some(OwnMatter::Hidden(conversation, message))?
            }
            PersonalKind::Block => {
                let blocked = entry.blocked_id?;
                let is_blocked = self.blocked.contains(&blocked);
                if is_blocked { OwnMatter::Blocked(blocked) } else { OwnMatter::Unblocked(blocked) }
            }
            PersonalKind::Scheduled => OwnMatter::Plan(Box::new(self.plans.get(&entry.message_id?)?.clone())),
        };
        Some(place.of(matter))
    }
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
            let participants = members::first_of_each(tx, &[conversation], limits::EMBEDDED_PARTICIPANTS).await?;
            shared.map(|shared| Event::ConversationUpdated(entry.seq, Conversation { participants, ..shared }))
        }
        // Told before all else.
        ChangeKind::ConversationDeleted => None,
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
