//! One batch of sends: facts in, verdict for each, and what is to be written for those that pass. Pure.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    actions::sessions::refuse_banned,
    domain::{
        attachment::{self, Attachment, AttachmentKind},
        clock::Time,
        conversation::ConversationKind,
        error::{Conflict, Error, Reason, Result},
        ids::{AttachmentId, ConversationId, MessageId, UserId},
        message::{Draft, Message, Status},
        policy::{
            self,
            rules::{Place, Rules},
        },
    },
    store::{messages::NewMessage, sending::Facts, taking::Wanted},
};

/// What becomes of one draft of a batch.
#[derive(Debug)]
pub enum Verdict {
    /// It is written; at this place among the new messages.
    Write(usize),
    /// The same is in the log already; its sender may see what lies above this place.
    Stored(i64),
    /// The same comes earlier in this batch; whatever becomes of that one.
    SameAs(usize),
    /// It is refused.
    Refuse(Error),
}

/// What all drafts of a batch are decided on, besides the facts of each.
#[derive(Debug)]
pub struct Circumstances {
    /// The rules that hold now.
    pub rules: Arc<Rules>,
    /// Who of those that are mentioned is there to be mentioned.
    pub present: HashSet<(ConversationId, UserId)>,
    /// Files that the messages may take for which they are wanted.
    pub files: HashMap<Wanted, Attachment>,
    /// The roles that a group needs for anything to be said there, and nobody in it has.
    pub missing_roles: HashMap<ConversationId, Vec<String>>,
    /// What time it is under the locks, so that within a conversation times do not run against `seq`.
    pub now: Time,
}

/// A decided batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// What becomes of each draft, in their order.
    pub verdicts: Vec<Verdict>,
    /// The messages to write.
    pub new: Vec<NewMessage>,
    /// The last place and number given in each log.
    heads: HashMap<ConversationId, (i64, i64)>,
    /// The senders' own cursors.
    cursors: HashMap<(ConversationId, UserId), i64>,
    taken: HashMap<(ConversationId, AttachmentId), i64>,
    first_with_id: HashMap<(ConversationId, MessageId), usize>,
}

impl Circumstances {
    fn files_of(&self, draft: &Draft, sender: UserId) -> impl Iterator<Item = Option<&Attachment>> {
        wanted(draft, sender).map(|wanted| self.files.get(&wanted))
    }
}

impl Batch {
    /// Decides on one draft more; drafts are decided in the order in which they came.
    pub fn decide(&self, draft: &Draft, sender: UserId, facts: &Facts, circumstances: &Circumstances) -> Decision {
        let fingerprint = draft.fingerprint();
        let is_same = |earlier: &UserId, sent: &[u8]| *earlier == sender && *sent == fingerprint;
        let mismatch = || Decision::Refuse(Conflict::IdempotencyMismatch.into());
        if let Some((earlier, sent)) = &facts.earlier {
            return if is_same(earlier, sent) { Decision::Stored } else { mismatch() };
        }
        if let Some(&first) = self.first_with_id.get(&(draft.conversation_id, draft.id)) {
            let new = &self.new[first];
            let is_same = is_same(&new.message.sender_id, &new.fingerprint);
            return if is_same { Decision::SameAs(first) } else { mismatch() };
        }
        let is_taken = |file: &AttachmentId| self.taken.contains_key(&(draft.conversation_id, *file));
        if draft.attachment_ids.iter().any(is_taken) {
            return Decision::Refuse(unknown_attachment());
        }
        match check(draft, sender, facts, circumstances) {
            Ok(()) => Decision::Write(fingerprint),
            Err(error) => Decision::Refuse(error),
        }
    }

    /// What a draft is decided on that answers a message of this batch: of that one, PostgreSQL does not know yet.
    pub fn complete<'a>(&self, draft: &Draft, facts: &'a Facts) -> Cow<'a, Facts> {
        let answered = draft.reply_to.filter(|_| facts.reply_to.is_none());
        let earlier = answered.and_then(|id| self.first_with_id.get(&(draft.conversation_id, id)));
        earlier.map_or(Cow::Borrowed(facts), |place| {
            Cow::Owned(Facts { reply_to: Some(self.new[*place].message.quoted()), ..facts.clone() })
        })
    }

    /// Gives a draft its place in the log.
    pub fn place(
        &mut self,
        draft: &Draft,
        sender: UserId,
        facts: &Facts,
        (fingerprint, circumstances): (Vec<u8>, &Circumstances),
    ) -> usize {
        let now = circumstances.now;
        let attachments = circumstances.files_of(draft, sender).flatten().cloned().collect();
        let draft = draft.clone().redacted(&circumstances.rules.redaction);
        let id = draft.conversation_id;
        let (seq, no, is_passing) = self.advance((id, sender), facts);
        let message = Message {
            id: draft.id,
            conversation_id: id,
            seq,
            changed_seq: seq,
            sender_id: sender,
            kind: draft.kind,
            status: Status::Sent,
            expires_at: draft.expires_at(facts.expires_in, now),
            body: draft.body,
            attachments,
            metadata: draft.metadata,
            location: draft.location,
            reply_to: facts.reply_to.clone(),
            mentions: draft.mentions,
            mentions_all: draft.mentions_all,
            reactions: Vec::new(),
            forwarded_from: draft.forwarded_from,
            link_preview: None,
            pinned_at: None,
            pinned_by: None,
            edited_at: None,
            deleted_at: None,
            created_at: now,
        };
        self.taken.extend(draft.attachment_ids.iter().map(|file| ((id, *file), seq)));
        self.first_with_id.insert((id, draft.id), self.new.len());
        self.new.push(NewMessage { message, no, fingerprint, is_passing });
        self.new.len() - 1
    }

    /// Moves the log's head and the sender's own cursor on; answers with the new message's place and number, and whether
    /// something of others lies between it and what the sender had read.
    fn advance(&mut self, (id, sender): (ConversationId, UserId), facts: &Facts) -> (i64, i64, bool) {
        let (seq, no) = self.heads.entry(id).or_insert((facts.head_seq, facts.message_no));
        (*seq, *no) = (*seq + 1, *no + 1);
        let cursor = self.cursors.entry((id, sender)).or_insert(facts.read_seq);
        let is_passing = *cursor + 1 < *seq;
        *cursor = *seq;
        (*seq, *no, is_passing)
    }

    /// The messages that link to pages.
    pub fn linking(&self) -> Vec<(ConversationId, i64)> {
        let linking = self.new.iter().map(|new| &new.message).filter(|message| message.link().is_some());
        linking.map(|message| (message.conversation_id, message.seq)).collect()
    }

    /// The files that messages take.
    pub fn taken(&self) -> Vec<(ConversationId, AttachmentId, i64)> {
        self.taken.iter().map(|((conversation, file), seq)| (*conversation, *file, *seq)).collect()
    }
}

/// What is decided on a draft before the limits are asked.
#[derive(Debug)]
pub enum Decision {
    /// It may be written, if the limits allow; with its fingerprint.
    Write(Vec<u8>),
    /// The same is in the log already.
    Stored,
    /// The same comes earlier in this batch.
    SameAs(usize),
    /// It is refused.
    Refuse(Error),
}

/// The files that a draft wants.
pub(in crate::actions) fn wanted(draft: &Draft, sender: UserId) -> impl Iterator<Item = Wanted> {
    let (conversation_id, message_id) = (draft.conversation_id, draft.id);
    draft.attachment_ids.iter().map(move |id| Wanted { conversation_id, uploader_id: sender, message_id, id: *id })
}

/// Refuses what its sender may not send there.
pub(in crate::actions) fn check(
    draft: &Draft,
    sender: UserId,
    facts: &Facts,
    circumstances: &Circumstances,
) -> Result<()> {
    let Circumstances { rules, present, missing_roles, now, .. } = circumstances;
    refuse_banned(facts.banned_until, *now)?;
    let files: Option<Vec<_>> = circumstances.files_of(draft, sender).map(Option::<&Attachment>::cloned).collect();
    let files = files.ok_or_else(unknown_attachment)?;
    let attached = attachment::kinds_in(draft.kind, &files)?;
    let place = match facts.kind {
        ConversationKind::Direct => Place::Direct(&facts.peer_roles),
        ConversationKind::Group => {
            let missing = missing_roles.get(&draft.conversation_id).map_or(&[][..], Vec::as_slice);
            Place::Group(facts.category.as_deref(), missing)
        }
    };
    rules.may_send(&facts.sender_roles, place, &attached)?;
    // Only now is it known whether sound was spoken for a message; all else was measured when it came.
    let is_own_sound = |kind: AttachmentKind| {
        draft.forwarded_from.is_none() && AttachmentKind::Audio.taken_as().any(|taken| taken == kind)
    };
    for (file, kind) in files.iter().zip(attached).filter(|(_, kind)| is_own_sound(*kind)) {
        rules.sizes.may_take(&facts.sender_roles, kind, file.size)?;
    }
    if facts.is_blocked {
        return Err(Reason::NotAllowed.into());
    }
    if draft.reply_to.is_some() && facts.reply_to.is_none() {
        return Err(Error::field("reply_to", "unknown_message", "There is no such message in this conversation."));
    }
    if draft.mentions_all {
        policy::may_mention_all(facts.kind, facts.role)?;
    }
    if draft.mentions.iter().any(|user| !present.contains(&(draft.conversation_id, *user))) {
        return Err(Error::field("mentions", "not_a_member", "Only members of the conversation can be mentioned."));
    }
    Ok(())
}

fn unknown_attachment() -> Error {
    let says = "Only files that you uploaded to this conversation, and that nothing has taken yet.";
    Error::field("attachment_ids", "unknown_attachment", says)
}
