//! Opening, listing, changing and deleting conversations.

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::{PgConnection, Postgres, Transaction};

use super::{
    Context, avatars, group::GroupChange, idempotency::Turn, members as membership, require_member,
    rules::require_reachable,
};
use crate::{
    domain::{
        avatar,
        clock::{Time, from_micros},
        conversation::{
            Conversation, ConversationChange, ConversationFilter, ConversationKind, NewConversation, OwnConversation,
        },
        error::{Error, Result},
        event::Event,
        ids::{ConversationId, UserId},
        limits::{self, Limit},
        member::Role,
        own::OwnMatter,
        page::Page,
        policy,
        preferences::ConversationPreferences,
        user::Caller,
    },
    store::{
        audiences,
        changes::{self, Change, ChangeKind},
        conversations::{self, ListPlace, OwnRow},
        members::{self, Joining, NewMember},
        messages,
        personal::{self, Entry},
        receipts,
    },
};

/// Opens a conversation; a direct one is found where it exists. Says whether it is new.
pub async fn open(
    ctx: &Context,
    caller: &Caller,
    new: NewConversation,
    turn: &Turn,
) -> Result<(bool, OwnConversation)> {
    let others = new.check(caller.user_id)?;
    let mut tx = ctx.db.begin().await?;
    let everybody: Vec<_> = others.iter().copied().chain([caller.user_id]).collect();
    let roles = membership::hold_people(&mut tx, "participant_ids", &everybody).await?;
    let rules = ctx.rulebook.rules();
    let id = ConversationId::random();
    if let (ConversationKind::Direct, [other]) = (new.kind, others.as_slice()) {
        let pair = (caller.user_id, *other);
        if let Some(found) = conversations::find_pair(&mut tx, pair).await? {
            return find(ctx, caller, tx, found, turn).await;
        }
        rules.may_open_direct(&roles[&caller.user_id], &roles[other])?;
        membership::require_no_block(&mut tx, caller, &others).await?;
        if let Some(found) = conversations::claim_pair(&mut tx, pair, id).await? {
            // Its maker's transaction ended between the two questions, so that it can be read now.
            return find(ctx, caller, tx, found, turn).await;
        }
    }
    if new.kind == ConversationKind::Group {
        let all: Vec<_> = roles.values().cloned().collect();
        rules.may_make_group(new.category.as_deref(), &roles[&caller.user_id], &all)?;
        membership::require_no_block(&mut tx, caller, &others).await?;
    }
    ctx.spend(Limit::Conversations, caller).await?;

    let conversation = make(ctx, caller, id, new.redacted(&rules.redaction), &others);
    conversations::insert(&mut tx, &conversation).await?;
    let mut members = vec![NewMember { user_id: caller.user_id, role: first_role(conversation.kind), changed_seq: 0 }];
    members.extend(others.iter().map(|user| NewMember { user_id: *user, role: Role::Member, changed_seq: 0 }));
    let joining = Joining { at: conversation.created_at, floor_seq: 0, head_seq: 0, message_no: 0 };
    members::insert(&mut tx, id, &members, joining).await?;

    let users: Vec<_> = members.iter().map(|member| member.user_id).collect();
    let events = membership::conversation_new(&mut tx, id, &users, ctx.clock.now()).await?;
    let own = own(&mut tx, caller.user_id, id, ctx.clock.now()).await?;
    turn.settle(&mut tx, true, &id).await?;
    ctx.commit(tx, events).await?;
    Ok((true, own))
}

/// Answers with the direct conversation that is there.
async fn find(
    ctx: &Context,
    caller: &Caller,
    mut tx: Transaction<'static, Postgres>,
    id: ConversationId,
    turn: &Turn,
) -> Result<(bool, OwnConversation)> {
    let found = own(&mut tx, caller.user_id, id, ctx.clock.now()).await?;
    turn.settle_found(ctx, caller, tx, &id).await?;
    Ok((false, found))
}

/// One page of one's conversations: pinned first, newest activity first.
pub async fn list(
    ctx: &Context,
    caller: &Caller,
    filter: &ConversationFilter,
    after: Option<ListPlace>,
    limit: usize,
) -> Result<Page<OwnConversation>> {
    let now = ctx.clock.now();
    let reading = async |db: &mut PgConnection| {
        let rows = conversations::list(db, caller.user_id, filter, (after, limit + 1), now).await?;
        let page = Page::cut(rows, limit, place);
        Ok(Page { items: complete(db, page.items, now).await?, next_cursor: page.next_cursor })
    };
    ctx.reads.ask(reading).await
}

/// One conversation as the caller sees it.
pub async fn get(ctx: &Context, caller: &Caller, id: ConversationId) -> Result<OwnConversation> {
    ctx.reads.ask(async |db| own(db, caller.user_id, id, ctx.clock.now()).await).await
}

/// Changes the settings.
pub async fn change(
    ctx: &Context,
    caller: &Caller,
    id: ConversationId,
    change: ConversationChange,
) -> Result<OwnConversation> {
    change.check()?;
    let mut tx = ctx.db.begin().await?;
    conversations::lock(&mut tx, &[id]).await?;
    let standing = require_member(&mut tx, id, caller.user_id).await?;
    policy::may_change_settings(&standing, &change)?;
    if standing.kind == ConversationKind::Direct {
        require_reachable(ctx, &mut tx, &standing, caller.user_id).await?;
    }
    let rules = ctx.rulebook.rules();
    let before = conversations::shared(&mut tx, id).await?.ok_or(Error::NotFound("conversation"))?;
    let (after, changed) = applied(&before, change.redacted(&rules.redaction));
    if after.category != before.category {
        let members = audiences::roles(&mut tx, id).await?;
        rules.may_make_group(after.category.as_deref(), &standing.person_roles, &members)?;
    }
    if changed.is_empty() {
        return own(&mut tx, caller.user_id, id, ctx.clock.now()).await;
    }

    ctx.spend_as(Limit::Changes, caller.user_id, &standing.person_roles).await?;
    conversations::update_settings(&mut tx, &after).await?;
    if after.avatar != before.avatar {
        avatars::exchange(&mut tx, before.avatar, after.avatar, ctx.clock.now()).await?;
    }
    let mut group = GroupChange::new(&standing, caller.user_id, ctx.clock.now());
    let seq = group.entry(ChangeKind::ConversationUpdated, None);
    let what = json!({"event": "settings_changed", "changed": changed});
    let notice = group.close(&mut tx, "The settings were changed.", what).await?;
    let own = own(&mut tx, caller.user_id, id, ctx.clock.now()).await?;
    let shared = Conversation { head_seq: seq, ..own.shared.clone() };
    ctx.commit(tx, vec![Event::ConversationUpdated(seq, shared), Event::MessageNew(notice)]).await?;
    Ok(own)
}

/// Deletes a group for everyone, or clears a direct conversation for oneself.
pub async fn delete(ctx: &Context, caller: &Caller, id: ConversationId) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    conversations::lock(&mut tx, &[id]).await?;
    let standing = require_member(&mut tx, id, caller.user_id).await?;
    let events = match standing.kind {
        ConversationKind::Group => {
            policy::may_delete_group(&standing)?;
            let avatar = conversations::shared(&mut tx, id).await?.and_then(|shared| shared.avatar);
            // Nobody may see a message that told of it.
            let seq = standing.head_seq + 1;
            changes::insert(&mut tx, id, &[Change::of_conversation(ChangeKind::ConversationDeleted, seq)]).await?;
            let users = conversations::delete(&mut tx, id, seq, ctx.clock.now()).await?;
            // Only now does nobody need it any more.
            avatars::exchange(&mut tx, avatar, None, ctx.clock.now()).await?;
            vec![Event::ConversationDeleted(seq, id, users)]
        }
        ConversationKind::Direct => {
            let Some(cleared_seq) = members::clear(&mut tx, id, caller.user_id).await? else { return Ok(()) };
            let place = personal::log(&mut tx, caller.user_id, Entry::preferences(id)).await?;
            let own = own(&mut tx, caller.user_id, id, ctx.clock.now()).await?;
            let preferences = ConversationPreferences { conversation_id: id, preferences: own.preferences };
            vec![Event::Own(place.of(OwnMatter::Cleared(preferences, cleared_seq)))]
        }
    };
    ctx.commit(tx, events).await
}

/// One conversation as one member sees it.
pub async fn own(db: &mut PgConnection, user: UserId, id: ConversationId, now: Time) -> Result<OwnConversation> {
    let rows = conversations::own(db, user, &[id], now).await?;
    complete(db, rows, now).await?.pop().ok_or(Error::NotFound("conversation"))
}

/// Loads participants and last messages of conversations: the same few queries, however many there are.
pub async fn complete(db: &mut PgConnection, rows: Vec<OwnRow>, now: Time) -> Result<Vec<OwnConversation>> {
    let mut ids: Vec<_> = rows.iter().map(|row| row.own.shared.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut seqs: Vec<_> = rows.iter().filter_map(|row| Some((row.own.shared.id, row.last_message_seq?))).collect();
    seqs.sort_unstable();
    seqs.dedup();
    let mut participants: HashMap<ConversationId, Vec<_>> = HashMap::new();
    for participant in members::first_of_each(db, &ids, limits::EMBEDDED_PARTICIPANTS).await? {
        participants.entry(participant.conversation_id).or_default().push(participant);
    }
    let lows = receipts::lows(db, &ids).await?;
    let mut latest = HashMap::new();
    for mut message in messages::by_seqs(db, &seqs, now).await? {
        receipts::set_status(&lows, &mut message);
        latest.insert((message.conversation_id, message.seq), message);
    }
    let filled = rows.into_iter().map(|row| {
        let mut own = row.own;
        own.shared.participants = participants.get(&own.shared.id).cloned().unwrap_or_default();
        own.last_message = row.last_message_seq.and_then(|seq| latest.get(&(own.shared.id, seq)).cloned());
        own.last_message = own.last_message.map(|message| message.veiled(own.floor_seq));
        own
    });
    Ok(filled.collect())
}

/// Reads a cursor of [`list`].
pub fn parse_place(cursor: &str) -> Result<ListPlace> {
    let read = || {
        let mut parts = cursor.splitn(3, '.');
        let is_pinned = parts.next()? == "1";
        let active_at = from_micros(parts.next()?)?;
        Some(ListPlace { is_pinned, active_at, id: parts.next()?.parse().ok()? })
    };
    read().ok_or(Error::Malformed("The cursor is not one that was given out."))
}

fn place(row: &OwnRow) -> String {
    let is_pinned = u8::from(row.own.preferences.pinned_at.is_some());
    format!("{is_pinned}.{}.{}", row.own.active_at.timestamp_micros(), row.own.shared.id)
}

fn first_role(kind: ConversationKind) -> Role {
    match kind {
        ConversationKind::Direct => Role::Member,
        ConversationKind::Group => Role::Owner,
    }
}

fn make(ctx: &Context, caller: &Caller, id: ConversationId, new: NewConversation, others: &[UserId]) -> Conversation {
    let now = ctx.clock.now();
    Conversation {
        id,
        kind: new.kind,
        category: new.category,
        name: new.name,
        description: new.description,
        avatar: None,
        history_for_new_members: new.history_for_new_members,
        members_may_pin: new.members_may_pin,
        expires_in: new.expires_in,
        created_by: caller.user_id,
        created_at: now,
        updated_at: now,
        head_seq: 0,
        participant_count: others.len() as i32 + 1,
        participants: Vec::new(),
    }
}

fn avatar_url(conversation: &Conversation) -> Option<String> {
    conversation.avatar.map(|version| avatar::path(conversation.id.0, version))
}

/// The settings after a change, and the names and new values of those that differ.
fn applied(before: &Conversation, change: ConversationChange) -> (Conversation, serde_json::Map<String, Value>) {
    let mut after = before.clone();
    after.name = change.name.unwrap_or(after.name);
    after.description = change.description.unwrap_or(after.description);
    after.avatar = change.avatar.unwrap_or(after.avatar);
    after.category = change.category.unwrap_or(after.category);
    after.history_for_new_members = change.history_for_new_members.unwrap_or(after.history_for_new_members);
    after.members_may_pin = change.members_may_pin.unwrap_or(after.members_may_pin);
    after.expires_in = change.expires_in.unwrap_or(after.expires_in);
    let fields = [
        ("name", json!(before.name), json!(after.name)),
        ("description", json!(before.description), json!(after.description)),
        ("avatar_url", json!(avatar_url(before)), json!(avatar_url(&after))),
        ("category", json!(before.category), json!(after.category)),
        ("history_for_new_members", json!(before.history_for_new_members), json!(after.history_for_new_members)),
        ("members_may_pin", json!(before.members_may_pin), json!(after.members_may_pin)),
        ("expires_in", json!(before.expires_in), json!(after.expires_in)),
    ];
    let changed = fields.into_iter().filter(|(_, before, after)| before != after);
    (after, changed.map(|(name, _, value)| (name.to_owned(), value)).collect())
}
