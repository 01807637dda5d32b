//! From a command to the action that carries it out, and from its outcome to the answer: one arm per command.

use bytestring::ByteString;
use serde_json::json;

use super::session::Session;
use crate::{
    actions::{
        messages::{delete, edit, react, send},
        presence, receipts, scheduled, sessions, sync, typing,
    },
    domain::{
        error::{Error, Result},
        ids::ConversationId,
        receipt::{Reached, ReceiptKind},
    },
    wire::{
        command::Command,
        event::{self, HeadsView},
        messages::MessageView,
        presence::{PresenceView, PresentView},
        reactions::{React, ReactionsView},
        receipts::OwnReceiptView,
        scheduled::PlanView,
        sync::SyncView,
    },
};

/// Carries out a command and renders its ack.
pub async fn dispatch(session: &Session, reference: Option<&str>, command: Command) -> Result<ByteString> {
    let (ctx, caller) = (&session.ctx, &session.caller());
    match command {
        Command::Send(conversation, message) => {
            let scheduled_for = message.scheduled_for;
            let draft = message.into_draft(conversation)?;
            if let Some(time) = scheduled_for {
                let plan = scheduled::plan(ctx, caller, draft, time).await?;
                return Ok(event::ack(reference, PlanView::from(plan)));
            }
            let sent = send::send(ctx, caller, draft).await?;
            Ok(event::ack(reference, MessageView::from(sent.into_message())))
        }
        Command::Edit(conversation, id, revision) => {
            let edited = edit::edit(ctx, caller, conversation, id, revision.try_into()?).await?;
            Ok(event::ack(reference, MessageView::from(edited)))
        }
        Command::Delete(conversation, id, whose) => {
            let deleted = delete::delete(ctx, caller, conversation, id, whose).await?;
            Ok(event::ack(reference, MessageView::from(deleted)))
        }
        Command::AddReaction(conversation, id, React { emoji }) => {
            let message = react::add(ctx, caller, (conversation, id), &emoji).await?;
            Ok(event::ack(reference, ReactionsView::from(message)))
        }
        Command::RemoveReaction(conversation, id, React { emoji }) => {
            let message = react::remove(ctx, caller, (conversation, id), &emoji).await?;
            Ok(event::ack(reference, ReactionsView::from(message)))
        }
        Command::Delivered(conversation, mark) => {
            advance(session, reference, conversation, ReceiptKind::Delivered, mark.try_into()?).await
        }
        Command::Read(conversation, mark) => {
            advance(session, reference, conversation, ReceiptKind::Read, mark.try_into()?).await
        }
        Command::Sync(request) => {
            let answer = sync::sync(ctx, caller, &request.try_into()?).await?;
            Ok(event::ack(reference, SyncView::from(answer)))
        }
        Command::Ping => {
            let heads = session.seat().heads().into_iter().collect();
            Ok(event::ack(reference, HeadsView { heads, own_seq: session.seat().own_seq() }))
        }
        Command::Authenticate(proof) => {
            session.renew(sessions::authenticate(ctx, &proof.token).await?)?;
            Ok(event::ack(reference, json!({})))
        }
        Command::StartTyping(_)
        | Command::StopTyping(_)
        | Command::Join(_)
        | Command::Leave(_)
        | Command::SetPresence(_) => look(session, reference, command).await,
    }
}

/// What is ephemeral: typing, presence, and what is open before the person's eyes.
async fn look(session: &Session, reference: Option<&str>, command: Command) -> Result<ByteString> {
    let (ctx, caller) = (&session.ctx, &session.caller());
    match command {
        Command::StartTyping(conversation) => typing::start(ctx, caller, conversation, session.socket).await?,
        Command::StopTyping(conversation) => typing::stop(ctx, caller, conversation).await?,
        Command::Join(conversation) => {
            // Seen before it is asked who is there, or whoever comes or types in between is never heard of. Who is no member hears
            // nothing of it all the same.
            let is_new = session.seat().view(conversation);
            let present = presence::open(ctx, caller, conversation).await.inspect_err(|_| {
                if is_new {
                    session.seat().unview(conversation);
                }
            })?;
            if is_new && session.look(conversation) {
                presence::join(ctx, caller, conversation).await;
            }
            let present = present.into_iter().map(PresenceView::from).collect();
            return Ok(event::ack(reference, PresentView { conversation_id: conversation, present }));
        }
        Command::Leave(conversation) => {
            let was_open = session.seat().unview(conversation);
            if !was_open && !session.seat().hears(conversation) {
                return Err(Error::NotFound("conversation"));
            }
            if was_open {
                typing::look_away(ctx, caller, conversation, session.socket).await;
                if session.look_away(conversation) {
                    presence::leave(ctx, caller, &[conversation]).await;
                }
            }
        }
        Command::SetPresence(wanted) => {
            let now = presence::set(ctx, caller, wanted.status).await?;
            return Ok(event::ack(reference, PresenceView::from(now)));
        }
        _ => unreachable!("dispatch carries out the others itself"),
    }
    Ok(event::ack(reference, json!({})))
}

async fn advance(
    session: &Session,
    reference: Option<&str>,
    conversation: ConversationId,
    kind: ReceiptKind,
    reached: Reached,
) -> Result<ByteString> {
    let receipt = receipts::advance(&session.ctx, &session.caller(), conversation, kind, reached).await?;
    Ok(event::ack(reference, OwnReceiptView::of(conversation, kind, receipt)))
}
