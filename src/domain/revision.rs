//! An edit: what a message is to become.

use serde_json::Value;

use super::{
    error::Result,
    ids::UserId,
    message::{check_body, check_mentions},
    policy::redaction::Redaction,
    text,
};

/// An edit that somebody asks for.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The new words, or none any more, where there are files or a place; `None` keeps them.
    pub body: Option<Option<String>>,
    /// Who is mentioned now; `None` keeps the mentions as they are.
    pub mentions: Option<Vec<UserId>>,
    /// Whether everybody is mentioned now; `None` keeps it as it is.
    pub mentions_all: Option<bool>,
    /// New metadata, or none any more; `None` keeps it.
    pub metadata: Option<Option<Value>>,
}

impl Revision {
    /// The same without what is taken out of texts.
    #[must_use]
    pub fn redacted(self, redaction: &Redaction) -> Self {
        let metadata = self.metadata.map(|metadata| metadata.map(|metadata| redaction.json(metadata)));
        Self { body: self.body.map(|body| redaction.option(body)), metadata, ..self }
    }

    /// Refuses what no message may become.
    pub fn check(&self) -> Result<()> {
        self.body.iter().flatten().try_for_each(|body| check_body(body))?;
        check_mentions(self.mentions.as_deref().unwrap_or_default())?;
        self.metadata.iter().flatten().next().map_or(Ok(()), text::check_metadata)
    }
}
