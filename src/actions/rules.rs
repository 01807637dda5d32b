//! What the communication rules and blocks say of a conversation, asked in the transaction that writes.

use sqlx::PgConnection;

use super::Context;
use crate::{
    domain::{
        attachment::AttachmentKind,
        conversation::ConversationKind,
        error::{Reason, Result},
        ids::{ConversationId, UserId},
        member::Standing,
        policy::rules::{Denial, Place, Rules},
    },
    store::{audiences, sending},
};

/// What is said of somebody who wants to say something.
pub struct Hearing {
    /// The rule that allows it, or why none does.
    pub verdict: Result<String, Denial>,
    /// Whether a block stands between the two of a direct conversation.
    pub is_blocked: bool,
}

/// Refuses whoever may not say anything there now, with these attachments.
pub async fn require_may_speak(
    ctx: &Context,
    tx: &mut PgConnection,
    standing: &Standing,
    user: UserId,
    attached: &[AttachmentKind],
) -> Result<()> {
    let hearing = hear(&ctx.rulebook.rules(), tx, standing, user, attached).await?;
    hearing.verdict?;
    if hearing.is_blocked { Err(Reason::NotAllowed.into()) } else { Ok(()) }
}

/// Refuses what would reach people whom the rules or a block keep apart, though nothing is said: reactions, pins
/// and settings.
pub async fn require_reachable(ctx: &Context, tx: &mut PgConnection, standing: &Standing, user: UserId) -> Result<()> {
    match standing.kind {
        ConversationKind::Direct => require_may_speak(ctx, tx, standing, user, &[]).await,
        ConversationKind::Group => {
            ctx.rulebook.rules().may_be_in(standing.category.as_deref(), &standing.person_roles)?;
            Ok(())
        }
    }
}

/// What is said of somebody who wants to say something there, with these attachments.
pub async fn hear(
    rules: &Rules,
    tx: &mut PgConnection,
    standing: &Standing,
    user: UserId,
    attached: &[AttachmentKind],
) -> Result<Hearing> {
    let (id, category) = (standing.conversation_id, standing.category.as_deref());
    let (place_roles, is_blocked) = match standing.kind {
        ConversationKind::Direct => {
            let peer = audiences::peer(tx, id, user).await?;
            peer.map_or((Vec::new(), false), |peer| (peer.roles, peer.is_blocked))
        }
        ConversationKind::Group => (missing_roles(rules, tx, id, category).await?, false),
    };
    let place = match standing.kind {
        ConversationKind::Direct => Place::Direct(&place_roles),
        ConversationKind::Group => Place::Group(category, &place_roles),
    };
    let verdict = rules.may_send(&standing.person_roles, place, attached).map(ToOwned::to_owned);
    Ok(Hearing { verdict, is_blocked })
}

async fn missing_roles(
    rules: &Rules,
    tx: &mut PgConnection,
    id: ConversationId,
    category: Option<&str>,
) -> Result<Vec<String>> {
    let wanted: Vec<_> = rules.required(category).iter().map(|role| (id, role.as_str())).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sending::missing_roles(tx, &wanted).await?.into_iter().map(|(_, role)| role).collect())
}
