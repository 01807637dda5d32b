//! Previews: what the page says of itself that a message links to, looked at once by whichever node comes first, and told
//! like any other change of the message, though nobody edited it.

use std::slice;

use chrono::TimeDelta;
use sqlx::PgConnection;

use super::{
    super::Context,
    change::{enter, take_places},
};
use crate::{
    domain::{error::Result, event::Event, link::LinkPreview, message::Message},
    store::{
        changes::ChangeKind,
        conversations,
        links::{self, Visit},
        messages,
    },
};

/// After so long whoever took a visit on is taken for dead; longer than any visit takes.
const GIVEN_UP: TimeDelta = TimeDelta::seconds(30);
/// So many may die on the way before nobody goes any more.
const ATTEMPTS: i32 = 3;

/// Plans a look at the page that a message links to now, if it does; the alarm is to be set once this is committed.
pub(super) async fn plan(ctx: &Context, tx: &mut PgConnection, message: &Message) -> Result<()> {
    if ctx.web.is_some() && message.link().is_some() {
        links::visit(tx, &[(message.conversation_id, message.seq)], ctx.clock.now()).await?;
    }
    Ok(())
}

/// Takes on up to so many visits, and sets the alarm for the next.
pub async fn claim(ctx: &Context, most: usize) -> Result<Vec<Visit>> {
    let now = ctx.clock.now();
    let mut db = ctx.db.acquire().await?;
    let visits = links::claim_visits(&mut db, now, now + GIVEN_UP, most).await?;
    if let Some(next) = links::next_visit(&mut db).await? {
        ctx.visits.set(next);
    }
    Ok(visits)
}

/// Looks at the page that a message links to, and shows what it says of itself.
pub async fn show(ctx: &Context, visit: Visit) -> Result<()> {
    let Some(web) = ctx.web.as_ref().filter(|_| visit.attempts <= ATTEMPTS) else {
        links::end_visit(&mut *ctx.db.acquire().await?, &visit).await?;
        return Ok(());
    };
    let message = message(ctx, &mut *ctx.db.acquire().await?, &visit).await?;
    let link = message.as_ref().and_then(Message::link).map(str::to_owned);
    let preview = match &link {
        Some(link) => web.preview(link).await,
        None => None,
    };
    keep(ctx, visit, link.as_deref(), preview).await
}

/// Writes the preview down and tells of it, unless the message links elsewhere by now, or is gone.
async fn keep(ctx: &Context, visit: Visit, link: Option<&str>, preview: Option<LinkPreview>) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    conversations::lock(&mut tx, &[visit.conversation_id]).await?;
    let message = message(ctx, &mut tx, &visit).await?;
    // The edit planned another visit, or the tombstone ends this one.
    if message.as_ref().and_then(Message::link) != link || !links::end_visit(&mut tx, &visit).await? {
        return Ok(());
    }
    let (Some(mut message), Some(preview)) = (message, preview) else {
        return ctx.commit(tx, Vec::new()).await;
    };
    take_places(&mut tx, visit.conversation_id, slice::from_mut(&mut message)).await?;
    message.link_preview = Some(preview.redacted(&ctx.rulebook.rules().redaction));
    messages::set_link_preview(&mut tx, &message).await?;
    enter(&mut tx, visit.conversation_id, ChangeKind::MessageUpdated, slice::from_ref(&message)).await?;
    ctx.commit(tx, vec![Event::MessageUpdated(message)]).await
}

async fn message(ctx: &Context, db: &mut PgConnection, visit: &Visit) -> Result<Option<Message>> {
    let place = (visit.conversation_id, visit.message_seq);
    Ok(messages::by_seqs(db, &[place], ctx.clock.now()).await?.pop())
}
