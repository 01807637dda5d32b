//! Joining and leaving a group, and the roles in it.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use serde_json::json;
use sqlx::PgConnection;

use super::{
    Context, PATIENCE, conversations::complete, group::GroupChange, idempotency::Turn, require_member,
    sessions::refuse_banned, typing,
};
use crate::{
    domain::{
        clock::Time,
        conversation::HistoryRule,
        error::{AuthFailure, Error, Reason, Result},
        event::Event,
        ids::{ConversationId, UserId},
        limits::{self, Limit},
        member::{Participant, Role, Standing},
        page::Page,
        policy,
        user::{Caller, User},
    },
    store::{
        audiences, blocks,
        changes::ChangeKind,
        conversations,
        members::{self, Joining, NewMember},
        users::{self, Arriving},
    },
};

/// How old an admission may be that is looked for.
const LATELY: Duration = Duration::from_secs(30);
/// Looks that lie no further apart miss nobody: an admission is as old as its transaction, whose end may come late.
const LOOKS_APART: Duration = LATELY.saturating_sub(PATIENCE);

/// What the caller's sockets hear: each conversation, up to where its messages are not for them, and its log's head.
pub async fn memberships(ctx: &Context, caller: &Caller) -> Result<Vec<(ConversationId, i64, i64)>> {
    ctx.reads.ask(async |db| Ok(audiences::memberships(db, caller.user_id).await?)).await
}

/// Looks for those connected here who were admitted somewhere and not told, because the node that admitted them has died since
/// or the bus was away. That a conversation is heard here already says nothing: its log may have been followed only since then,
/// and a direct one's knows nothing of admissions. After a look that came too late everybody is asked where they belong.
pub async fn find_untold(ctx: &Context, looked_at: Instant) -> Result<()> {
    let mut admitted = audiences::admitted_lately(&mut *ctx.db.acquire().await?, LATELY).await?;
    if looked_at.elapsed() > LOOKS_APART {
        ctx.cluster.bus.doubt_here().await;
        return Ok(());
    }
    let here = ctx.cluster.presence.connected_here(admitted.iter().map(|(_, user)| *user));
    let here: HashSet<_> = here.into_iter().collect();
    admitted.retain(|(_, user)| here.contains(user));
    if !admitted.is_empty() {
        ctx.cluster.bus.check_here(admitted).await;
    }
    Ok(())
}

/// The same for a socket that has just come, with whose it is and the head of their own log, if they may still come in: over one
/// connection, since many may come at once.
pub async fn arrival(ctx: &Context, caller: &Caller) -> Result<(User, i64, Vec<(ConversationId, i64, i64)>)> {
    let asking = async |db: &mut PgConnection| {
        let arriving = users::arriving(&mut *db, caller.user_id, caller.session_id).await?;
        let Arriving { user, own_seq, banned_until } = arriving.ok_or(AuthFailure::SessionRevoked)?;
        refuse_banned(banned_until, ctx.clock.now())?;
        Ok((user, own_seq, audiences::memberships(db, caller.user_id).await?))
    };
    ctx.reads.ask(asking).await
}

/// A page of the present participants, in the order in which they came.
pub async fn list(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    after: Option<UserId>,
    limit: usize,
) -> Result<Page<Participant>> {
    let reading = async |db: &mut PgConnection| {
        require_member(db, conversation, caller.user_id).await?;
        let place = match after {
            None => None,
            Some(user) => {
                let last = members::participants(db, conversation, &[user]).await?;
                let last = last.first().ok_or(Error::Malformed("The cursor is not one that was given out."))?;
                Some((last.joined_at, user))
            }
        };
        Ok(members::page(db, conversation, place, limit + 1).await?)
    };
    Ok(Page::cut(ctx.reads.ask(reading).await?, limit, |participant| participant.user_id.to_string()))
}

/// Adds people to a group; says whether any of them is new.
pub async fn add(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    (user_ids, role): (&[UserId], Role),
    turn: &Turn,
) -> Result<(bool, Vec<Participant>)> {
    if user_ids.is_empty() || user_ids.len() > limits::ADDED_AT_ONCE {
        let says = format!("Between 1 and {} people at once.", limits::ADDED_AT_ONCE);
        return Err(Error::field("user_ids", "out_of_range", says));
    }
    let mut tx = ctx.db.begin().await?;
    conversations::lock(&mut tx, &[conversation]).await?;
    let standing = require_member(&mut tx, conversation, caller.user_id).await?;
    policy::may_add(&standing, role)?;
    let joiners = joiners(ctx, &mut tx, caller, &standing, user_ids).await?;
    if joiners.is_empty() {
        let there = members::participants(&mut tx, conversation, user_ids).await?;
        turn.settle_found(ctx, caller, tx, &user_ids).await?;
        return Ok((false, there));
    }

    ctx.spend_as(Limit::Changes, caller.user_id, &standing.person_roles).await?;
    let mut change = GroupChange::new(&standing, caller.user_id, ctx.clock.now());
    let new: Vec<_> = joiners
        .iter()
        .map(|user_id| NewMember {
            user_id: *user_id,
            role,
            changed_seq: change.entry(ChangeKind::ParticipantAdded, Some(*user_id)),
        })
        .collect();
    let joining = Joining {
        at: ctx.clock.now(),
        floor_seq: match standing.history_for_new_members {
            HistoryRule::All => 0,
            HistoryRule::FromJoining => standing.head_seq,
        },
        head_seq: change.head_seq(),
        message_no: standing.message_no,
    };
    members::insert(&mut tx, conversation, &new, joining).await?;
    let what = json!({"event": "participants_added", "user_ids": joiners});
    let notice = change.close(&mut tx, "People were added.", what).await?;

    let added = members::participants(&mut tx, conversation, &joiners).await?;
    let mut events = conversation_new(&mut tx, conversation, &joiners, ctx.clock.now()).await?;
    events.extend(added.into_iter().map(Event::ParticipantAdded));
    events.push(Event::MessageNew(notice));
    let answer = members::participants(&mut tx, conversation, user_ids).await?;
    turn.settle(&mut tx, true, &user_ids).await?;
    ctx.commit(tx, events).await?;
    Ok((true, answer))
}

/// These of the people who are, or were, in a conversation.
pub async fn named(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    user_ids: &[UserId],
) -> Result<Vec<Participant>> {
    let reading = async |db: &mut PgConnection| {
        require_member(db, conversation, caller.user_id).await?;
        Ok(members::participants(db, conversation, user_ids).await?)
    };
    ctx.reads.ask(reading).await
}

/// Removes somebody from a group; oneself by leaving.
pub async fn remove(ctx: &Context, caller: &Caller, conversation: ConversationId, target: UserId) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    conversations::lock(&mut tx, &[conversation]).await?;
    let standing = require_member(&mut tx, conversation, caller.user_id).await?;
    let role = if target == caller.user_id {
        policy::may_leave(&standing)?;
        standing.role
    } else {
        let role = members::standing(&mut tx, conversation, target).await?.map(|standing| standing.role);
        policy::may_remove(&standing, role.unwrap_or(Role::Member))?;
        let role = role.ok_or(Error::NotFound("participant"))?;
        ctx.spend_as(Limit::Changes, caller.user_id, &standing.person_roles).await?;
        role
    };

    let now = ctx.clock.now();
    let mut change = GroupChange::new(&standing, caller.user_id, now);
    let mut events = Vec::new();
    if role == Role::Owner && !members::has_another_owner(&mut tx, conversation, target).await? {
        events.extend(hand_over(&mut tx, &mut change, conversation, target).await?);
    }
    let seq = change.entry(ChangeKind::ParticipantRemoved, Some(target));
    members::remove(&mut tx, conversation, target, seq, now).await?;
    let (event, says) = if target == caller.user_id {
        ("participant_left", "Somebody left.")
    } else {
        ("participant_removed", "Somebody was removed.")
    };
    let notice = change.close(&mut tx, says, json!({"event": event, "user_ids": [target]})).await?;
    let gone = members::participants(&mut tx, conversation, &[target]).await?;
    events.extend(gone.into_iter().map(Event::ParticipantRemoved));
    events.push(Event::ConversationRemoved(conversation, vec![target]));
    events.push(Event::MessageNew(notice));
    ctx.commit(tx, events).await?;
    typing::finish(ctx, target, conversation).await;
    Ok(())
}

/// Promotes or demotes a member.
pub async fn change_role(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    target: UserId,
    role: Role,
) -> Result<Participant> {
    let mut tx = ctx.db.begin().await?;
    conversations::lock(&mut tx, &[conversation]).await?;
    let standing = require_member(&mut tx, conversation, caller.user_id).await?;
    let before = members::standing(&mut tx, conversation, target).await?.map(|standing| standing.role);
    let has_another_owner = members::has_another_owner(&mut tx, conversation, target).await?;
    policy::may_change_role(&standing, before.unwrap_or(Role::Member), role, has_another_owner)?;
    let before = before.ok_or(Error::NotFound("participant"))?;
    if before == role {
        return participant(&mut tx, conversation, target).await;
    }

    ctx.spend_as(Limit::Changes, caller.user_id, &standing.person_roles).await?;
    let mut change = GroupChange::new(&standing, caller.user_id, ctx.clock.now());
    let seq = change.entry(ChangeKind::ParticipantUpdated, Some(target));
    members::change_role(&mut tx, conversation, target, role, seq).await?;
    let what = json!({"event": "role_changed", "user_ids": [target], "role": role});
    let notice = change.close(&mut tx, "A role was changed.", what).await?;
    let changed = participant(&mut tx, conversation, target).await?;
    let events = vec![Event::ParticipantUpdated(changed.clone()), Event::MessageNew(notice)];
    ctx.commit(tx, events).await?;
    Ok(changed)
}

/// What tells people that a conversation is new to them, each as they see it.
pub async fn conversation_new(
    tx: &mut PgConnection,
    conversation: ConversationId,
    users: &[UserId],
    now: Time,
) -> Result<Vec<Event>> {
    let rows = conversations::own_of_many(tx, conversation, users, now).await?;
    let users: Vec<_> = rows.iter().map(|row| row.user_id).collect();
    let own = complete(tx, rows, now).await?;
    Ok(users.into_iter().zip(own).map(|(user, own)| Event::ConversationNew(user, Box::new(own))).collect())
}

/// Those who are not in it yet, if they all exist and may be there, and if there is room.
async fn joiners(
    ctx: &Context,
    tx: &mut PgConnection,
    caller: &Caller,
    standing: &Standing,
    user_ids: &[UserId],
) -> Result<Vec<UserId>> {
    let mut joiners = user_ids.to_vec();
    joiners.sort_unstable();
    joiners.dedup();
    let present = members::present(tx, standing.conversation_id, &joiners).await?;
    joiners.retain(|user| !present.contains(user));
    let (roles, rules) = (hold_people(tx, "user_ids", &joiners).await?, ctx.rulebook.rules());
    roles.values().try_for_each(|roles| rules.may_be_in(standing.category.as_deref(), roles).map(drop))?;
    require_no_block(tx, caller, &joiners).await?;
    if standing.member_count as usize + joiners.len() > limits::MEMBERS {
        return Err(Error::LimitReached { what: "members of a conversation", most: limits::MEMBERS });
    }
    Ok(joiners)
}

/// Refuses ids behind which there is nobody, or nobody any more; answers with what the people are in the application.
pub async fn require_people(
    tx: &mut PgConnection,
    field: &str,
    ids: &[UserId],
) -> Result<HashMap<UserId, Vec<String>>> {
    all_known(field, ids, users::roles(tx, ids).await?)
}

/// The same for people who are about to be brought together: whoever deletes their account waits until they are, and leaves.
pub async fn hold_people(tx: &mut PgConnection, field: &str, ids: &[UserId]) -> Result<HashMap<UserId, Vec<String>>> {
    all_known(field, ids, users::hold_roles(tx, ids).await?)
}

fn all_known(field: &str, ids: &[UserId], known: Vec<(UserId, Vec<String>)>) -> Result<HashMap<UserId, Vec<String>>> {
    let known: HashMap<_, _> = known.into_iter().collect();
    if ids.iter().any(|user| !known.contains_key(user)) {
        return Err(Error::field(field, "unknown_user", "There is no such user."));
    }
    Ok(known)
}

/// Refuses to bring people together between one of whom and the caller stands a block, and says no more.
pub async fn require_no_block(tx: &mut PgConnection, caller: &Caller, others: &[UserId]) -> Result<()> {
    let is_blocked = blocks::is_between(tx, caller.user_id, others).await?;
    if is_blocked { Err(Reason::NotAllowed.into()) } else { Ok(()) }
}

/// Makes somebody an owner before the last one goes; nobody where nobody else is left.
async fn hand_over(
    tx: &mut PgConnection,
    change: &mut GroupChange<'_>,
    conversation: ConversationId,
    leaving: UserId,
) -> Result<Option<Event>> {
    let Some(heir) = members::heir(tx, conversation, leaving).await? else {
        return Ok(None);
    };
    let seq = change.entry(ChangeKind::ParticipantUpdated, Some(heir));
    members::change_role(tx, conversation, heir, Role::Owner, seq).await?;
    Ok(Some(Event::ParticipantUpdated(participant(tx, conversation, heir).await?)))
}

async fn participant(tx: &mut PgConnection, conversation: ConversationId, user: UserId) -> Result<Participant> {
    let found = members::participants(tx, conversation, &[user]).await?;
    found.into_iter().next().ok_or(Error::NotFound("participant"))
}

/// Leaves all groups for somebody whose account is deleted. One that can't be left does not keep them in the others.
pub async fn leave_all(ctx: &Context, gone: UserId) -> Result<()> {
    let groups = audiences::groups(&mut *ctx.db.acquire().await?, gone).await?;
    let mut outcome = Ok(());
    for group in groups {
        match remove(ctx, &Caller::on_behalf_of(gone), group, gone).await {
            // Removed or deleted by somebody else meanwhile.
            Ok(()) | Err(Error::NotFound(_)) => {}
            Err(error) => outcome = Err(error),
        }
    }
    outcome
}
