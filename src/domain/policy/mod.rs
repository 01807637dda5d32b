//! May this person do that? Facts in, verdict out.
//!
//! Here is what every server holds to: the rights that roles in a conversation give. What a deployment adds is in
//! [`rules`]: who may talk to whom, where and how, read from a file ([`mod@file`]).

pub mod file;
pub mod question;
pub mod redaction;
pub mod replay;
pub mod rules;
pub mod sizes;

use super::{
    conversation::{ConversationChange, ConversationKind},
    error::{Conflict, Error, Reason, Result},
    ids::UserId,
    member::{Role, Standing},
    message::{Message, MessageKind},
};

/// May change a group's name, description and other settings; in a direct conversation both say how long words stay.
pub fn may_change_settings(standing: &Standing, change: &ConversationChange) -> Result<()> {
    if standing.kind == ConversationKind::Direct && change.is_only_of_lifetime() {
        return Ok(());
    }
    not_direct(standing)?;
    reaches(standing.role, Role::Admin)
}

/// May add people in this role.
pub fn may_add(standing: &Standing, role: Role) -> Result<()> {
    not_direct(standing)?;
    reaches(standing.role, Role::Admin.max(role))
}

/// May remove a member of this role; leaving is [`may_leave`].
pub fn may_remove(standing: &Standing, target: Role) -> Result<()> {
    not_direct(standing)?;
    reaches(standing.role, Role::Admin)?;
    // Only an owner changes an owner.
    reaches(standing.role, if target == Role::Owner { Role::Owner } else { Role::Admin })
}

/// May leave; who leaves last as an owner hands over to somebody.
pub fn may_leave(standing: &Standing) -> Result<()> {
    not_direct(standing)
}

/// May turn a member of role `from` into one of role `to`.
pub fn may_change_role(standing: &Standing, from: Role, to: Role, has_another_owner: bool) -> Result<()> {
    not_direct(standing)?;
    let touches_owner = from == Role::Owner || to == Role::Owner;
    reaches(standing.role, if touches_owner { Role::Owner } else { Role::Admin })?;
    if from == Role::Owner && to != Role::Owner && !has_another_owner {
        return Err(Conflict::LastOwner.into());
    }
    Ok(())
}

/// May delete the group for everyone.
pub fn may_delete_group(standing: &Standing) -> Result<()> {
    reaches(standing.role, Role::Owner)
}

/// May edit this message.
pub fn may_edit(caller: UserId, message: &Message) -> Result<()> {
    if message.kind == MessageKind::System || message.sender_id != caller {
        return Err(Reason::NotTheAuthor.into());
    }
    if message.forwarded_from.is_some() {
        return Err(Conflict::ForwardIsFixed.into());
    }
    is_there(message)
}

/// May mention everybody at once: both in a direct conversation, else owners and admins.
pub fn may_mention_all(kind: ConversationKind, role: Role) -> Result<()> {
    match kind {
        ConversationKind::Direct => Ok(()),
        ConversationKind::Group => reaches(role, Role::Admin),
    }
}

/// May pin messages, and unpin them: both in a direct conversation, else owners and admins, and members where the group says so.
pub fn may_pin(standing: &Standing) -> Result<()> {
    match standing.kind {
        ConversationKind::Direct => Ok(()),
        ConversationKind::Group => {
            reaches(standing.role, if standing.members_may_pin { Role::Member } else { Role::Admin })
        }
    }
}

/// There is something to react to, to pin or to pass on.
pub fn is_there(message: &Message) -> Result<()> {
    if message.deleted_at.is_some() { Err(Conflict::MessageDeleted.into()) } else { Ok(()) }
}

/// May delete this message for everyone: its author, or a group's owner and admins.
pub fn may_delete_for_everyone(caller: UserId, standing: &Standing, message: &Message) -> Result<()> {
    // The log's own words on members and settings stay.
    if message.kind == MessageKind::System {
        return Err(Reason::NotTheAuthor.into());
    }
    if message.sender_id == caller || moderates(standing) {
        return Ok(());
    }
    Err(Reason::InsufficientRole.into())
}

/// Has a say over what others wrote: a group's owner and admins.
pub fn moderates(standing: &Standing) -> bool {
    standing.kind == ConversationKind::Group && standing.role >= Role::Admin
}

fn not_direct(standing: &Standing) -> Result<()> {
    match standing.kind {
        ConversationKind::Direct => Err(Conflict::DirectIsFixed.into()),
        ConversationKind::Group => Ok(()),
    }
}

fn reaches(role: Role, least: Role) -> Result<()> {
    if role >= least { Ok(()) } else { Err(Error::NotAllowed(Reason::InsufficientRole)) }
}
