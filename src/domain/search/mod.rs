//! Searching messages: how text becomes what can be looked for, how a typed line is understood, and what is shown of a hit.
//!
//! Invariant: a body and a typed line go through the same [`tokens`], and [`highlight`] goes through them once more. So
//! what is found is what is marked, and an offset is right because it was counted where it points.
//!
//! Languages that part their words with blanks are searched by word, folded; English ones by their stems too. Chinese,
//! Japanese, Korean, Thai and their like are searched by pairs of neighbouring signs, which finds any part of a sentence
//! without knowing where its words end.

pub mod document;
pub mod fold;
pub mod highlight;
pub mod pace;
pub mod page;
pub mod query;
pub mod tokens;

use serde::Deserialize;

use self::{highlight::Highlight, query::When};
use super::{
    ids::{ConversationId, UserId},
    message::{Message, MessageKind},
};

/// Characters of a typed line.
pub const QUERY_CHARACTERS: usize = 500;

/// What somebody asks for: the typed line, and beside it what its operators say too.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// As it was typed.
    pub line: String,
    /// In one conversation only.
    pub conversation_id: Option<ConversationId>,
    /// By one person only.
    pub sender_id: Option<UserId>,
    /// Of one kind only.
    pub kind: Option<MessageKind>,
    /// With something in it.
    pub has: Option<Trait>,
    /// Sent before then.
    pub before: Option<When>,
    /// Sent after then.
    pub after: Option<When>,
    /// What comes first.
    pub sort: Sort,
}

impl Question {
    /// Whether it is nothing but its line.
    pub fn is_bare(&self) -> bool {
        let filters = (self.conversation_id, self.sender_id, self.kind, self.has, self.before, self.after);
        filters == (None, None, None, None, None, None)
    }
}

/// In which order hits come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// The best fit first, among the newest four hundred hits; then among the four hundred before these, and so on.
    #[default]
    Relevance,
    /// The newest first.
    Newest,
}

/// Something that a message may have in it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Deserialize,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Trait {
    /// The address of a web page.
    Link,
    /// A file of whatever type.
    File,
    /// A picture.
    Image,
    /// Moving pictures.
    Video,
    /// Sound, spoken or not.
    Audio,
    /// A place.
    Location,
    /// Somebody is mentioned.
    Mention,
    /// It answers another message.
    Reply,
    /// It was copied from elsewhere.
    Forward,
}

/// A message that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The message.
    pub message: Message,
    /// How well it fits, 0 to 1; 0 where no words were looked for.
    pub rank: f64,
    /// Where.
    pub highlight: Highlight,
}
