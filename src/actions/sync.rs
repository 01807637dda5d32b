//! "What did I miss?": one question, one answer, after seconds or days, on any node, over any transport.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;

use super::{Context, conversations::complete};
use crate::{
    domain::{
        clock::Time,
        conversation::OwnConversation,
        error::Result,
        ids::ConversationId,
        limits,
        member::Participant,
        message::Message,
        sync::{self, OwnCursor, OwnMatters, SyncAnswer, SyncRequest, SyncedConversation},
        user::Caller,
    },
    store::{
        conversations, members,
        messages::{self, Reader},
        personal, receipts, scheduled,
        sync::{self as standings, Standing},
    },
};

/// What was missed of one conversation's log, and how far that goes.
struct Missed {
    messages: Vec<Message>,
    participants: Vec<Participant>,
    up_to: i64,
}

impl Missed {
    fn nothing(standing: &Standing) -> Self {
        Self { messages: Vec::new(), participants: Vec::new(), up_to: standing.head_seq }
    }
}

/// Answers with what changed since the request's cursors.
pub async fn sync(ctx: &Context, caller: &Caller, request: &SyncRequest) -> Result<SyncAnswer> {
    // Asked before the snapshot is taken: a cursor that moves in between is told twice rather than never.
    let settled = standings::settled_until(&mut *ctx.db.acquire().await?).await?;
    let now = ctx.clock.now();
    let mut tx = ctx.db.begin_with("begin isolation level repeatable read, read only").await?;
    let since = request.own_cursor.map_or(settled, OwnCursor::receipts_known_until);
    let own_seq = personal::head(&mut tx, caller.user_id).await?;
    let memberships = standings::standings(&mut tx, caller.user_id, since, limits::RECEIPTS_MEMBERS).await?;

    let mut answer = SyncAnswer {
        conversations: Vec::new(),
        removed: removed(request, &memberships),
        own: own_matters(&mut tx, caller, request.own_cursor).await?,
        cursors: HashMap::new(),
        own_cursor: OwnCursor { seq: own_seq, receipts_us: settled.timestamp_micros() },
        has_more: false,
    };
    let concerned: HashSet<_> = answer.own.conversations().collect();
    let mut missed: Vec<(Standing, Missed)> = Vec::new();
    let (mut room, mut places, mut people) = (request.limit, sync::CONVERSATIONS, sync::PEOPLE);
    for standing in memberships {
        let cursor = request.cursors.get(&standing.conversation_id).copied();
        let cursor = cursor.filter(|cursor| !standing.has_been_away_since(*cursor));
        let found = if cursor.is_some_and(|cursor| cursor >= standing.head_seq) {
            // Moved receipts and own matters, which count too in what is unread, are told at once, whatever the limit:
            // the next call would not know of them.
            if !standing.has_moved && !concerned.contains(&standing.conversation_id) {
                // One beyond the head is clamped, or what is said next would be taken for known.
                if cursor > Some(standing.head_seq) {
                    answer.cursors.insert(standing.conversation_id, standing.head_seq);
                }
                continue;
            }
            Missed::nothing(&standing)
        } else if room == 0 || places == 0 || people == 0 {
            answer.has_more = true;
            continue;
        } else {
            places -= 1;
            look_up(&mut tx, standing.reader(caller.user_id, now), (cursor, standing.head_seq), room).await?
        };
        room -= found.messages.len();
        people = people.saturating_sub(found.participants.len());
        answer.has_more |= found.up_to < standing.head_seq;
        answer.cursors.insert(standing.conversation_id, found.up_to);
        missed.push((standing, found));
    }
    answer.conversations = fill(&mut tx, caller, missed, now).await?;
    tx.rollback().await?;
    Ok(answer)
}

/// What a client must forget first: even where its person is a member again, in which case it comes anew.
fn removed(request: &SyncRequest, memberships: &[Standing]) -> Vec<ConversationId> {
    let present: HashMap<_, _> = memberships.iter().map(|standing| (standing.conversation_id, standing)).collect();
    let is_gone = |id, cursor| present.get(id).is_none_or(|standing| standing.has_been_away_since(cursor));
    request.cursors.iter().filter(|(id, cursor)| is_gone(*id, **cursor)).map(|(id, _)| *id).collect()
}

async fn own_matters(tx: &mut PgConnection, caller: &Caller, cursor: Option<OwnCursor>) -> Result<OwnMatters> {
    let after = cursor.map_or(0, |cursor| cursor.seq);
    Ok(OwnMatters {
        preferences: personal::preferences_after(tx, caller.user_id, after).await?,
        hidden: personal::hidden_after(tx, caller.user_id, after).await?,
        blocks: personal::blocks(tx, caller.user_id).await?,
        scheduled: scheduled::changed_after(tx, caller.user_id, after).await?,
    })
}

async fn look_up(
    tx: &mut PgConnection,
    reader: Reader,
    (cursor, head_seq): (Option<i64>, i64),
    room: usize,
) -> Result<Missed> {
    match cursor {
        Some(cursor) => since(tx, reader, (cursor, head_seq), room).await,
        None => newest(tx, reader, head_seq, room).await,
    }
}

/// A conversation that the client does not know: its newest messages, and who is in it.
async fn newest(tx: &mut PgConnection, reader: Reader, head_seq: i64, room: usize) -> Result<Missed> {
    let Reader { conversation_id, user_id, floor_seq, now } = reader;
    let newest = messages::older(tx, (conversation_id, user_id), now, i64::MAX, room.min(sync::NEWEST)).await?;
    let mut newest: Vec<_> = newest.into_iter().map(|message| message.veiled(floor_seq)).collect();
    newest.sort_unstable_by_key(|message| message.changed_seq);
    let participants = members::page(tx, reader.conversation_id, None, sync::PARTICIPANTS).await?;
    Ok(Missed { messages: newest, participants, up_to: head_seq })
}

/// What changed after a place in the log, as far as there is room for it.
async fn since(tx: &mut PgConnection, reader: Reader, (cursor, head_seq): (i64, i64), room: usize) -> Result<Missed> {
    let mut found = messages::changed_after(tx, reader, cursor, room + 1).await?;
    // Those who were in it from the beginning have no entry in the log.
    let after = if cursor == 0 { -1 } else { cursor };
    let mut participants = members::changed_after(tx, reader.conversation_id, after, sync::PARTICIPANTS + 1).await?;
    let mut up_to = head_seq;
    if found.len() > room {
        found.truncate(room);
        up_to = found.last().map_or(cursor, |message| message.changed_seq);
    }
    if participants.len() > sync::PARTICIPANTS && participants[sync::PARTICIPANTS].changed_seq > 0 {
        participants.truncate(sync::PARTICIPANTS);
        up_to = up_to.min(participants.last().map_or(up_to, |participant| participant.changed_seq));
    }
    found.retain(|message| message.changed_seq <= up_to);
    participants.retain(|participant| participant.changed_seq <= up_to);
    Ok(Missed { messages: found, participants, up_to })
}

async fn fill(
    tx: &mut PgConnection,
    caller: &Caller,
    missed: Vec<(Standing, Missed)>,
    now: Time,
) -> Result<Vec<SyncedConversation>> {
    let ids: Vec<_> = missed.iter().map(|(standing, _)| standing.conversation_id).collect();
    let rows = conversations::own(tx, caller.user_id, &ids, now).await?;
    let own = complete(tx, rows, now).await?;
    let mut own: HashMap<_, _> = own.into_iter().map(|own| (own.shared.id, own)).collect();
    let lows = receipts::lows(tx, &ids).await?;
    let tell_all = |own: &&OwnConversation| own.shared.participant_count as usize <= limits::RECEIPTS_MEMBERS;
    let ids: Vec<_> = own.values().filter(tell_all).map(|own| own.shared.id).collect();
    let mut cursors = receipts::of_conversations(tx, &ids).await?;
    let mut filled = Vec::with_capacity(missed.len());
    for (standing, mut found) in missed {
        let Some(conversation) = own.remove(&standing.conversation_id) else { continue };
        found.messages.iter_mut().for_each(|message| receipts::set_status(&lows, message));
        let receipts = cursors.remove(&standing.conversation_id).unwrap_or_default();
        let (messages, participants) = (found.messages, found.participants);
        filled.push(SyncedConversation { conversation, messages, participants, receipts });
    }
    Ok(filled)
}
