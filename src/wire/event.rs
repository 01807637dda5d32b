//! What sockets are told: events, acks and errors, each rendered once.

use std::collections::HashMap;

use bytestring::ByteString;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    conversations::{ConversationView, OwnConversationView, ParticipantView, PreferencesView},
    json,
    messages::MessageView,
    presence::PresenceView,
    problem::ProblemView,
    reactions::ReactionChangeView,
    receipts::{AdvanceView, ReceiptCountsView},
    scheduled::PlanView,
    sync::HiddenMessageView,
    users::OwnUserView,
};
use crate::domain::{
    event::Event,
    ids::{ConversationId, SessionId, UserId},
    own::OwnMatter,
    presence::Glimpse,
    receipt::ReceiptKind,
    scheduled::PlanState,
};

/// The envelope of an event. `seq` stands on events of a conversation's log, `own_seq` on those of one's own, and only there.
#[derive(Serialize)]
struct EventFrame<T> {
    #[serde(rename = "type")]
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<ConversationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    own_seq: Option<i64>,
    data: T,
}

/// The answer to a command that was carried out.
#[derive(Serialize)]
struct AckFrame<'a, T> {
    #[serde(rename = "type")]
    name: &'static str,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    data: T,
}

/// The answer to a command that was refused.
#[derive(Serialize)]
struct ErrorFrame<'a> {
    #[serde(rename = "type")]
    name: &'static str,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    error: &'a ProblemView,
}

/// What a socket hears first.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Ready)]
pub struct ReadyView {
    /// The session, for our own tokens.
    pub session_id: Option<SessionId>,
    /// Whose socket it is.
    pub user: OwnUserView,
    /// The number of the last entry of your own log. Where yours is lower, call `sync`.
    pub own_seq: i64,
    /// How often the server pings; a peer silent for two of these is let go.
    pub heartbeat_interval_ms: u64,
    /// The server's clock.
    #[serde(serialize_with = "json::time")]
    pub server_time: DateTime<Utc>,
}

/// A conversation by its id.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ConversationRef)]
pub struct ConversationRefView {
    /// Which.
    pub conversation_id: ConversationId,
}

/// What nobody can vouch for: a conversation, or without one what concerns you alone.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Doubt)]
pub struct DoubtView {
    /// Which conversation; absent where it is your own matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
}

/// How far logs have been told to this socket: whoever knows less has missed something, and calls `sync`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Heads)]
pub struct HeadsView {
    /// The `seq` that was told last, per conversation of which anything was told since the last time.
    pub heads: HashMap<ConversationId, i64>,
    /// The `own_seq` that was told last, or that of `ready`.
    pub own_seq: i64,
}

/// Somebody in a conversation.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Whereabouts)]
pub struct WhereaboutsView {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
}

/// Unread counts of one conversation and of all, absolute.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = UnreadChange)]
pub struct UnreadChangeView {
    /// Where.
    pub conversation_id: ConversationId,
    /// Messages of others above your read cursor.
    pub unread: i64,
    /// How many of those mention you.
    pub mentions: i64,
    /// Unread messages of all your conversations.
    pub total: i64,
}

/// Somebody.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = UserRef)]
pub struct UserRefView {
    /// Who.
    pub user_id: UserId,
}

/// Renders an event; once for all who hear it.
pub fn encode(event: &Event) -> ByteString {
    match event {
        Event::MessageNew(message) => render("message:new", event, MessageView::from(message.clone())),
        Event::MessageUpdated(message) => render("message:updated", event, MessageView::from(message.clone())),
        Event::MessageDeleted(message) => render("message:deleted", event, MessageView::from(message.clone())),
        Event::MessagePinned(message) => render("message:pinned", event, MessageView::from(message.clone())),
        Event::MessageUnpinned(message) => render("message:unpinned", event, MessageView::from(message.clone())),
        Event::ReactionAdded(change) => render("reaction:added", event, ReactionChangeView::from(change.clone())),
        Event::ReactionRemoved(change) => render("reaction:removed", event, ReactionChangeView::from(change.clone())),
        Event::ParticipantAdded(who) => render("participant:added", event, ParticipantView::from(who.clone())),
        Event::ParticipantUpdated(who) => render("participant:updated", event, ParticipantView::from(who.clone())),
        Event::ParticipantRemoved(who) => render("participant:removed", event, ParticipantView::from(who.clone())),
        Event::ConversationUpdated(_, conversation) => {
            render("conversation:updated", event, ConversationView::from(conversation.clone()))
        }
        Event::ConversationNew(_, own) => {
            render("conversation:new", event, OwnConversationView::from(own.as_ref().clone()))
        }
        // Its place in the log is between the nodes: whoever hears of it hears nothing more of that log.
        Event::ConversationDeleted(_, id, users) => encode(&Event::ConversationRemoved(*id, users.clone())),
        Event::ConversationRemoved(id, _) => {
            render("conversation:removed", event, ConversationRefView { conversation_id: *id })
        }
        Event::Advanced(advance) | Event::AdvancedAmongMany(advance) => match advance.kind {
            ReceiptKind::Delivered => render("message:delivered", event, AdvanceView::from(advance)),
            ReceiptKind::Read => render("message:read", event, AdvanceView::from(advance)),
        },
        Event::ReceiptsChanged(counts) => render("receipts:changed", event, ReceiptCountsView::from(counts)),
        Event::SyncRequired(id) => render("sync:required", event, DoubtView { conversation_id: Some(*id) }),
        Event::OwnSyncRequired(_) => render("sync:required", event, DoubtView { conversation_id: None }),
        Event::Own(own) => encode_own(event, &own.matter),
        _ => encode_fleeting(event),
    }
}

/// Renders an entry of somebody's own log.
fn encode_own(event: &Event, matter: &OwnMatter) -> ByteString {
    match matter {
        OwnMatter::Preferences(own) | OwnMatter::Cleared(own, _) => render(
            "preferences:updated",
            event,
            PreferencesChangeView { conversation_id: own.conversation_id, preferences: own.preferences.clone().into() },
        ),
        OwnMatter::Hidden(conversation_id, message_id) => render(
            "message:hidden",
            event,
            HiddenMessageView { conversation_id: *conversation_id, message_id: *message_id },
        ),
        OwnMatter::Blocked(user_id) => render("block:added", event, UserRefView { user_id: *user_id }),
        OwnMatter::Unblocked(user_id) => render("block:removed", event, UserRefView { user_id: *user_id }),
        OwnMatter::Plan(plan) => render(plan_event(plan.state), event, PlanView::from(plan.as_ref().clone())),
    }
}

/// Renders counts and what is ephemeral.
fn encode_fleeting(event: &Event) -> ByteString {
    let whereabouts =
        |glimpse: &Glimpse| WhereaboutsView { conversation_id: glimpse.conversation_id, user_id: glimpse.user_id };
    match event {
        Event::UnreadChanged(_, count, total) => render(
            "unread:changed",
            event,
            UnreadChangeView {
                conversation_id: count.conversation_id,
                unread: count.unread,
                mentions: count.mentions,
                total: *total,
            },
        ),
        Event::TypingStarted(glimpse) => render("typing:start", event, whereabouts(glimpse)),
        Event::TypingStopped(glimpse) => render("typing:stop", event, whereabouts(glimpse)),
        Event::ConversationJoined(glimpse) => render("conversation:joined", event, whereabouts(glimpse)),
        Event::ConversationLeft(glimpse) => render("conversation:left", event, whereabouts(glimpse)),
        Event::UserOnline(presence, _) => render("user:online", event, PresenceView::from(*presence)),
        Event::UserOffline(presence, _) => render("user:offline", event, PresenceView::from(*presence)),
        Event::PresenceChanged(presence, _) => render("presence:changed", event, PresenceView::from(*presence)),
        _ => unreachable!("encode renders the others itself"),
    }
}

fn plan_event(state: PlanState) -> &'static str {
    match state {
        PlanState::Sent => "scheduled:sent",
        PlanState::Failed => "scheduled:failed",
        PlanState::Pending | PlanState::Cancelled => "scheduled:updated",
    }
}

/// New preferences of one conversation.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PreferencesChange)]
pub struct PreferencesChangeView {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// How to see it now.
    pub preferences: PreferencesView,
}

/// Renders the first frame.
pub fn ready(view: &ReadyView) -> ByteString {
    text(&EventFrame { name: "ready", conversation_id: None, seq: None, own_seq: None, data: view })
}

/// Renders the answer to a command that was carried out.
pub fn ack(reference: Option<&str>, data: impl Serialize) -> ByteString {
    text(&AckFrame { name: "ack", reference, data })
}

/// Renders the answer to a command that was refused.
pub fn error(reference: Option<&str>, problem: &ProblemView) -> ByteString {
    text(&ErrorFrame { name: "error", reference, error: problem })
}

fn render(name: &'static str, event: &Event, data: impl Serialize) -> ByteString {
    // Presence is about a person, even where it is told to those in a conversation.
    let (conversation_id, own_seq) = (event.conversation_id(), event.own_place().map(|place| place.seq));
    text(&EventFrame { name, conversation_id, seq: event.seq(), own_seq, data })
}

fn text(frame: &impl Serialize) -> ByteString {
    serde_json::to_string(frame).expect("shapes have string keys and no failing serializers").into()
}
