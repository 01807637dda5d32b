//! Asking the communication rules: what they would say now, and what other ones would have said of what people did.

use std::collections::HashMap;

use super::{Context, members as membership, messages::history, require_member, rules::hear};
use crate::{
    domain::{
        conversation::ConversationKind,
        error::{Error, Result},
        ids::ConversationId,
        policy::{
            self,
            question::{Question, Ruling},
            replay::Past,
            rules::{Denial, Rules},
        },
        user::Caller,
    },
    store::replay,
};

/// What rules would have refused or changed of what people did.
#[derive(Debug, Default)]
pub struct Replayed {
    /// How much was looked at.
    pub total: usize,
    /// What would have been refused, newest first.
    pub refused: Vec<(Past, Denial)>,
    /// Messages of which something would have been taken out.
    pub redacted: usize,
}

/// What the rules say of what the caller might do. Blocks are no rules, and nobody learns of them here.
pub async fn check(ctx: &Context, caller: &Caller, question: Question) -> Result<Ruling> {
    let (rules, me) = (ctx.rulebook.rules(), caller.user_id);
    let mut tx = ctx.db.begin().await?;
    Ok(match question {
        Question::OpenConversation { kind, participant_ids, category } => {
            let everybody: Vec<_> = participant_ids.iter().copied().chain([me]).collect();
            let roles = membership::require_people(&mut tx, "participant_ids", &everybody).await?;
            match (kind, participant_ids.as_slice()) {
                (ConversationKind::Direct, [other]) => rules.may_open_direct(&roles[&me], &roles[other]).into(),
                (ConversationKind::Direct, _) => {
                    return Err(Error::field("participant_ids", "not_one", "A direct conversation is with one other."));
                }
                (ConversationKind::Group, _) => {
                    let all: Vec<_> = roles.values().cloned().collect();
                    rules.may_make_group(category.as_deref(), &roles[&me], &all).into()
                }
            }
        }
        Question::AddParticipants { conversation_id, user_ids } => {
            let standing = require_member(&mut tx, conversation_id, me).await?;
            let category = standing.category.as_deref();
            let roles = membership::require_people(&mut tx, "user_ids", &user_ids).await?;
            let refused = roles.values().map(|roles| rules.may_be_in(category, roles)).find(Result::is_err);
            refused.unwrap_or_else(|| rules.may_be_in(category, &standing.person_roles)).into()
        }
        Question::SendMessage { conversation_id, attachments } => {
            let standing = require_member(&mut tx, conversation_id, me).await?;
            ruling(&hear(&rules, &mut tx, &standing, me, &attachments).await?.verdict)
        }
        Question::EditMessage { conversation_id, message_id } => {
            let (standing, message) = history::visible(ctx, &mut tx, caller, conversation_id, message_id).await?;
            policy::may_edit(me, &message)?;
            match hear(&rules, &mut tx, &standing, me, &[]).await?.verdict {
                Ok(_) => rules.may_edit_since(message.created_at, ctx.clock.now()).into(),
                denied => ruling(&denied),
            }
        }
        Question::DeleteMessage { conversation_id, message_id } => {
            let (standing, message) = history::visible(ctx, &mut tx, caller, conversation_id, message_id).await?;
            policy::may_delete_for_everyone(me, &standing, &message)?;
            let since = if policy::moderates(&standing) { ctx.clock.now() } else { message.created_at };
            rules.may_delete_since(since, ctx.clock.now()).into()
        }
    })
}

/// What these rules would have said of the last things that people did, with the roles and members of today.
pub async fn replay(ctx: &Context, rules: &Rules, last: u32) -> Result<Replayed> {
    let mut db = ctx.db.acquire().await?;
    let pasts = replay::latest(&mut db, last.into()).await?;
    let mut ids: Vec<_> = pasts.iter().map(|past| past.conversation_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut present: HashMap<ConversationId, Vec<Vec<String>>> = HashMap::new();
    for (id, roles) in replay::roles(&mut db, &ids).await? {
        present.entry(id).or_default().push(roles);
    }
    let mut replayed = Replayed { total: pasts.len(), ..Replayed::default() };
    for past in pasts {
        let there = present.get(&past.conversation_id).map_or(&[][..], Vec::as_slice);
        replayed.redacted += usize::from(past.body.as_ref().is_some_and(|body| rules.redaction.touches(body)));
        if let Err(denial) = past.judge(rules, there) {
            replayed.refused.push((past, denial));
        }
    }
    Ok(replayed)
}

fn ruling(verdict: &Result<String, Denial>) -> Ruling {
    verdict.as_deref().map_err(Clone::clone).into()
}
