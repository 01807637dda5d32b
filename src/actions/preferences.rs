//! One's own settings of a conversation: told to one's own devices, and to nobody else.

use super::Context;
use crate::{
    domain::{
        error::{Error, Result},
        event::Event,
        ids::ConversationId,
        limits::Limit,
        own::OwnMatter,
        preferences::{ConversationPreferences, Preferences, PreferencesChange},
        user::Caller,
    },
    store::{
        conversations,
        personal::{self, Entry},
    },
};

/// Changes one's own settings of a conversation.
pub async fn change(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    change: PreferencesChange,
) -> Result<Preferences> {
    change.check()?;
    let mut tx = ctx.db.begin().await?;
    if change.archived == Some(true) {
        // A message comes before or after, and takes it out again if it comes after.
        conversations::lock(&mut tx, &[conversation]).await?;
    }
    personal::lock_preferences(&mut tx, conversation, caller.user_id).await?;
    let before = personal::preferences(&mut tx, conversation, caller.user_id).await?;
    let before = before.ok_or(Error::NotFound("conversation"))?;
    let after = change.apply(&before, ctx.clock.now());
    if after == before {
        return Ok(after);
    }

    ctx.spend(Limit::Changes, caller).await?;
    personal::save_preferences(&mut tx, conversation, caller.user_id, &after).await?;
    let place = personal::log(&mut tx, caller.user_id, Entry::preferences(conversation)).await?;
    let told = ConversationPreferences { conversation_id: conversation, preferences: after.clone() };
    ctx.commit(tx, vec![Event::Own(place.of(OwnMatter::Preferences(told)))]).await?;
    Ok(after)
}
