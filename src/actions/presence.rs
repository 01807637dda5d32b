//! Who is there: told at the edges only, to those who have a conversation with the person open.

use sqlx::PgConnection;

use super::{Context, in_time, require_member, typing};
use crate::{
    cluster::presence::{Edge, Swept},
    domain::{
        error::{Error, Result},
        event::Event,
        ids::{ConversationId, UserId},
        limits,
        presence::{Presence, PresenceStatus},
        user::Caller,
    },
    store::{audiences, presence as last_seen},
};

/// One of somebody's sockets, which departs once.
#[derive(Debug)]
pub struct Device(UserId);

/// A socket came.
pub async fn arrive(ctx: &Context, caller: &Caller) -> Device {
    if let Some(edge) = ctx.cluster.presence.arrive(caller.user_id).await {
        tell(ctx, edge).await;
    }
    Device(caller.user_id)
}

/// A socket went. Its person counts as there for a grace, since most come back.
pub fn depart(ctx: &Context, device: &Device) {
    ctx.cluster.presence.depart(device.0);
}

/// Lets go of those whose grace is over, and keeps when they were last seen.
pub async fn sweep(ctx: &Context) -> Result<()> {
    let Swept { gone, found } = ctx.cluster.presence.sweep().await;
    for presence in found {
        tell(ctx, Edge::Online(presence)).await;
    }
    if gone.is_empty() {
        return Ok(());
    }
    let kept = keep(ctx, &gone).await;
    for presence in gone.iter().filter(|presence| presence.status != PresenceStatus::Offline) {
        tell(ctx, Edge::Offline(Presence { status: PresenceStatus::Offline, ..*presence })).await;
    }
    kept
}

/// Leaves with everybody who is here, as a node does that stops: most come back at another one. The others tell of those who do
/// not, once their grace is over.
pub async fn sign_off(ctx: &Context) -> Result<()> {
    let seen = ctx.cluster.presence.leave_all().await;
    Ok(last_seen::keep_last_seen(&ctx.db, &seen).await?)
}

/// Chooses how to seem; holds for all of one's sockets, and makes nobody online who has none.
pub async fn set(ctx: &Context, caller: &Caller, status: PresenceStatus) -> Result<Presence> {
    if let Some(edge) = ctx.cluster.presence.choose(caller.user_id, status).await {
        let kept = match &edge {
            Edge::Offline(presence) => keep(ctx, &[*presence]).await,
            Edge::Online(_) | Edge::Changed(_) => Ok(()),
        };
        tell(ctx, edge).await;
        kept?;
    }
    Ok(Presence { user_id: caller.user_id, status, last_seen_at: Some(ctx.clock.now()) })
}

/// How these people seem: those who share a conversation with the caller and are not blocked; the others are left out.
pub async fn look_up(ctx: &Context, caller: &Caller, asked: &[UserId]) -> Result<Vec<Presence>> {
    if asked.is_empty() || asked.len() > limits::LOOKED_UP_AT_ONCE {
        let says = format!("Between 1 and {} people at once.", limits::LOOKED_UP_AT_ONCE);
        return Err(Error::field("user_ids", "out_of_range", says));
    }
    let mut db = ctx.db.acquire().await?;
    let visible = audiences::visible_to(&mut db, caller.user_id, asked).await?;
    let there = ctx.cluster.presence.look_up(&visible).await;
    let seen = last_seen::last_seen(&mut *db, &visible).await?;
    let seems = |user_id: UserId| {
        there.iter().copied().find(|presence| presence.user_id == user_id).unwrap_or_else(|| Presence {
            user_id,
            status: PresenceStatus::Offline,
            last_seen_at: seen.iter().find(|(user, _)| *user == user_id).and_then(|(_, at)| *at),
        })
    };
    Ok(visible.into_iter().map(seems).collect())
}

/// Opens a conversation before the caller's eyes; answers with its members who are there.
pub async fn open(ctx: &Context, caller: &Caller, conversation: ConversationId) -> Result<Vec<Presence>> {
    let asking = async |db: &mut PgConnection| {
        require_member(db, conversation, caller.user_id).await?;
        Ok(audiences::ids(db, conversation, caller.user_id).await?)
    };
    let members = ctx.reads.ask(asking).await?;
    let mut present = ctx.cluster.presence.look_up(&members).await;
    present.truncate(limits::LOOKED_UP_AT_ONCE);
    Ok(present)
}

/// Tells those who have a conversation open that the caller looks too, now that it is open on their first socket.
pub async fn join(ctx: &Context, caller: &Caller, conversation: ConversationId) {
    typing::tell(ctx, conversation, caller.user_id, Event::ConversationJoined).await;
}

/// Tells that the caller looks no more, now that conversations are open on none of their sockets.
pub async fn leave(ctx: &Context, caller: &Caller, conversations: &[ConversationId]) {
    for conversation in conversations {
        typing::tell(ctx, *conversation, caller.user_id, Event::ConversationLeft).await;
    }
}

/// Tells that people look no more where they have been removed, if they did at this node.
pub async fn end_looks(ctx: &Context, removed: &[(ConversationId, UserId)]) -> Result<()> {
    for (conversation, user) in removed {
        if ctx.cluster.looks.end(*conversation, *user) {
            typing::tell(ctx, *conversation, *user, Event::ConversationLeft).await;
        }
    }
    Ok(())
}

/// Keeps when people were last seen, before others are told that they are gone: who hears that may ask.
async fn keep(ctx: &Context, gone: &[Presence]) -> Result<()> {
    let seen: Vec<_> = gone.iter().filter_map(|presence| Some((presence.user_id, presence.last_seen_at?))).collect();
    in_time(async { Ok(last_seen::keep_last_seen(&ctx.db, &seen).await?) }).await
}

async fn tell(ctx: &Context, edge: Edge) {
    let (Edge::Online(presence) | Edge::Offline(presence) | Edge::Changed(presence)) = edge;
    let audience = ctx.reads.ask(async |db| Ok(audiences::onlookers(db, presence.user_id).await?));
    let onlookers = match in_time(audience).await {
        Ok(onlookers) => onlookers,
        Err(error) => return tracing::warn!(%error, "Presence was not told: {error}"),
    };
    ctx.tell(match edge {
        Edge::Online(_) => Event::UserOnline(presence, onlookers),
        Edge::Offline(_) => Event::UserOffline(Presence { status: PresenceStatus::Offline, ..presence }, onlookers),
        Edge::Changed(_) => Event::PresenceChanged(presence, onlookers),
    })
    .await;
}
