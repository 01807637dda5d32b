//! The file in which a deployment writes its rules down: TOML, checked to the last word, and wrong in one place at a time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::Deserialize;
use strum::VariantArray;
use toml::Spanned;

use super::{
    redaction::Redaction,
    rules::{ANY_OTHER, DirectRule, GroupRule, Keep, Kinds, Quotas, Roles, Rules, Windows},
    sizes::{ByKind, Sizes},
};
use crate::domain::{
    attachment::AttachmentKind,
    limits::{self, Limit},
};

/// The role that the server itself knows; no file needs to name it.
const OPERATOR: &str = "operator";
/// What stands for everybody, or for all kinds.
const ALL: &str = "*";

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {}{says}", .field.as_ref().map(|field| format!("`{field}`: ")).unwrap_or_default())]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The way to it, with dots; nothing where the file is not even TOML.
    pub field: Option<String>,
    /// What is wrong.
    pub says: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    roles: Vec<Spanned<String>>,
    #[serde(default)]
    direct: BTreeMap<String, Direct>,
    #[serde(default)]
    groups: BTreeMap<String, Group>,
    #[serde(default)]
    redact: Redact,
    #[serde(default)]
    messages: Messages,
    #[serde(default)]
    pictures: Pictures,
    #[serde(default)]
    attachment_bytes: ByRole<Spanned<i64>>,
    #[serde(default)]
    limits: ByRole<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Direct {
    who: Words,
    with: Words,
    attachments: Words,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    made_by: Words,
    members: Words,
    #[serde(default)]
    must_include: Words,
    may_send: Words,
    attachments: Words,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Redact {
    phone_numbers: bool,
    email_addresses: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Messages {
    edit_within_seconds: Option<u32>,
    delete_within_seconds: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Pictures {
    keep_originals: bool,
}

type Words = Vec<Spanned<String>>;
/// Of each role, names with numbers.
type ByRole<T> = BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, T>>;

/// Reads rules.
pub fn parse(text: &str) -> Result<Rules, Mistake> {
    let broken = |error: &toml::de::Error, field: Option<String>| {
        let at = error.span().map_or(0, |span| span.start);
        mistake(text, at, field, error.message().replace('\n', "; "))
    };
    let document = toml::Deserializer::parse(text).map_err(|error| broken(&error, None))?;
    let document: Document = serde_path_to_error::deserialize(document)
        .map_err(|error| broken(error.inner(), Some(error.path().to_string())))?;
    let roles = document.roles.iter().map(|role| role.as_ref().as_str()).chain([OPERATOR]).collect();
    let reader = Reader { text, roles };
    Ok(Rules {
        direct: document.direct.iter().map(|(name, rule)| reader.direct(name, rule)).collect::<Result<_, _>>()?,
        groups: document
            .groups
            .iter()
            .map(|(category, rule)| Ok((category.clone(), reader.group(category, rule)?)))
            .collect::<Result<_, _>>()?,
        redaction: Redaction {
            phone_numbers: document.redact.phone_numbers,
            email_addresses: document.redact.email_addresses,
        },
        windows: Windows {
            edit: document.messages.edit_within_seconds.map(|seconds| TimeDelta::seconds(seconds.into())),
            delete: document.messages.delete_within_seconds.map(|seconds| TimeDelta::seconds(seconds.into())),
        },
        pictures: if document.pictures.keep_originals { Keep::Original } else { Keep::Reasonable },
        sizes: reader.sizes(&document.attachment_bytes)?,
        limits: document
            .limits
            .iter()
            .map(|(role, quotas)| Ok((reader.role("limits", role)?, reader.quotas(role.as_ref(), quotas)?)))
            .collect::<Result<_, _>>()?,
    })
}

struct Reader<'a> {
    text: &'a str,
    roles: BTreeSet<&'a str>,
}

impl Reader<'_> {
    fn direct(&self, name: &str, rule: &Direct) -> Result<DirectRule, Mistake> {
        let name = format!("direct.{name}");
        Ok(DirectRule {
            who: self.roles(&format!("{name}.who"), &rule.who)?,
            with: self.roles(&format!("{name}.with"), &rule.with)?,
            attachments: self.kinds(&name, &rule.attachments)?,
            name,
        })
    }

    fn group(&self, category: &str, rule: &Group) -> Result<GroupRule, Mistake> {
        let name = format!("groups.{category}");
        let required = rule.must_include.iter().map(|role| self.role(&format!("{name}.must_include"), role));
        Ok(GroupRule {
            made_by: self.roles(&format!("{name}.made_by"), &rule.made_by)?,
            members: self.roles(&format!("{name}.members"), &rule.members)?,
            must_include: required.collect::<Result<_, _>>()?,
            may_send: self.roles(&format!("{name}.may_send"), &rule.may_send)?,
            attachments: self.kinds(&name, &rule.attachments)?,
            name,
        })
    }

    fn roles(&self, field: &str, words: &Words) -> Result<Roles, Mistake> {
        if let [only] = words.as_slice()
            && only.as_ref() == ALL
        {
            return Ok(Roles::Everybody);
        }
        words.iter().map(|word| self.role(field, word)).collect::<Result<_, _>>().map(Roles::Of)
    }

    fn role(&self, field: &str, word: &Spanned<String>) -> Result<String, Mistake> {
        let role = word.as_ref().as_str();
        if self.roles.contains(role) {
            return Ok(role.to_owned());
        }
        let says = match role {
            ALL => "`*` stands alone.".to_owned(),
            role => format!("`{role}` is not among the `roles` of this file."),
        };
        Err(self.mistake(field, word, says))
    }

    fn kinds(&self, rule: &str, words: &Words) -> Result<Kinds, Mistake> {
        if let [only] = words.as_slice()
            && only.as_ref() == ALL
        {
            return Ok(Kinds::All);
        }
        let kind = |word| self.kind(&format!("{rule}.attachments"), word);
        words.iter().map(kind).collect::<Result<_, _>>().map(Kinds::Of)
    }

    fn kind(&self, field: &str, word: &Spanned<String>) -> Result<AttachmentKind, Mistake> {
        word.as_ref().parse().map_err(|_| {
            let known = AttachmentKind::VARIANTS.iter().map(<&str>::from).collect::<Vec<_>>().join("`, `");
            let says = format!("`{}` is not a kind of attachment; there are `{known}`.", word.as_ref());
            self.mistake(field, word, says)
        })
    }

    fn sizes(&self, said: &ByRole<Spanned<i64>>) -> Result<Sizes, Mistake> {
        let by_kind = |(role, said): (&Spanned<String>, &BTreeMap<Spanned<String>, Spanned<i64>>)| {
            let role = match role.as_ref().as_str() {
                ALL => ANY_OTHER.to_owned(),
                _ => self.role("attachment_bytes", role)?,
            };
            let bytes = said.iter().map(|(kind, bytes)| self.size(&format!("attachment_bytes.{role}"), kind, bytes));
            let bytes = bytes.collect::<Result<ByKind, _>>()?;
            Ok((role, bytes))
        };
        said.iter().map(by_kind).collect::<Result<_, _>>().map(Sizes)
    }

    fn size(
        &self,
        field: &str,
        word: &Spanned<String>,
        bytes: &Spanned<i64>,
    ) -> Result<(Option<AttachmentKind>, u64), Mistake> {
        let kind = if word.as_ref() == ALL { None } else { Some(self.kind(field, word)?) };
        let most = u64::try_from(*bytes.as_ref()).ok().filter(|most| (1..=limits::FILE_BYTES).contains(most));
        let most = most.ok_or_else(|| {
            let says = format!("Between 1 and {}; what may be attached at all is said elsewhere.", limits::FILE_BYTES);
            mistake(self.text, bytes.span().start, Some(format!("{field}.{}", word.as_ref())), says)
        });
        Ok((kind, most?))
    }

    fn quotas(&self, role: &str, quotas: &BTreeMap<Spanned<String>, u32>) -> Result<Quotas, Mistake> {
        let known = || Limit::VARIANTS.iter().filter(|limit| limit.is_of_people());
        let quota = |(word, quota): (&Spanned<String>, &u32)| {
            let limit = known().find(|limit| limit.setting() == word.as_ref()).ok_or_else(|| {
                let known = known().map(|limit| limit.setting()).collect::<Vec<_>>().join("`, `");
                self.mistake(&format!("limits.{role}"), word, format!("No such limit; there are `{known}`."))
            });
            Ok((*limit?, *quota))
        };
        quotas.iter().map(quota).collect()
    }

    fn mistake(&self, field: &str, word: &Spanned<String>, says: String) -> Mistake {
        mistake(self.text, word.span().start, Some(field.to_owned()), says)
    }
}

fn mistake(text: &str, at: usize, field: Option<String>, says: String) -> Mistake {
    let before = &text[..at.min(text.len())];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = before.matches('\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    // What is called as its writer likes has no name for who reads it; the place says which it is.
    let field = field.map(|field| field.split(".?").next().unwrap_or_default().to_owned());
    Mistake { line, column, field: field.filter(|field| field != "."), says }
}

#[cfg(test)]
mod tests;
