//! The communication rules of a deployment: who may talk to whom, where and how. Whatever no rule allows is refused.
//!
//! Rules speak of the roles that people have in the application (`users.roles`), not of those in a conversation. Somebody with
//! several roles may what any of them may.

use std::collections::{BTreeMap, BTreeSet};

use super::{redaction::Redaction, sizes::Sizes};
use crate::domain::{attachment::AttachmentKind, clock::Time, limits::Limit};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// The category that stands for all that have no rules of their own, and for none.
pub const ANY_OTHER: &str = "*";

/// The name of the rule that allowed it, or why nothing did.
pub type Verdict<'a> = Result<&'a str, Denial>;

/// What no rule allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Denial {
    /// The rule that was missed, by its place in the file.
    pub rule: String,
    /// A sentence for people.
    pub why: String,
}

/// All rules.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Who may talk to whom.
    pub(super) direct: Vec<DirectRule>,
    /// By category.
    pub(super) groups: BTreeMap<String, GroupRule>,
    /// What is taken out of what people write.
    pub redaction: Redaction,
    /// For how long messages can be changed.
    pub windows: Windows,
    /// How large pictures are kept.
    pub pictures: Keep,
    /// How large files may be.
    pub sizes: Sizes,
    /// By role.
    pub(super) limits: BTreeMap<String, Quotas>,
}

/// How large pictures are kept. What tells of the one who took them is kept by no rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    /// As large as screens show them.
    #[default]
    Reasonable,
    /// As large as they came.
    Original,
}

/// Some of these people may open a direct conversation with some of those; once it is open, both may talk.
#[derive(Clone, Debug)]
pub(super) struct DirectRule {
    pub name: String,
    pub who: Roles,
    pub with: Roles,
    pub attachments: Kinds,
}

/// What holds in groups of one category.
#[derive(Clone, Debug)]
pub(super) struct GroupRule {
    pub name: String,
    pub made_by: Roles,
    pub members: Roles,
    pub must_include: Vec<String>,
    pub may_send: Roles,
    pub attachments: Kinds,
}

/// For how long messages can be changed; for ever where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// By its author.
    pub edit: Option<TimeDelta>,
    /// For everyone, by its author. A group's owner and admins may any time.
    pub delete: Option<TimeDelta>,
}

/// How often somebody of one role may do something; where nothing is said, as the server's settings have it.
pub(super) type Quotas = BTreeMap<Limit, u32>;

/// Everybody, or those who have one of some roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Roles {
    Everybody,
    Of(BTreeSet<String>),
}

/// All kinds of attachments, or some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kinds {
    All,
    Of(BTreeSet<AttachmentKind>),
}

/// Where something is said.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// Between two people; with the roles of the other.
    Direct(&'a [String]),
    /// In a group of this category; with the roles that it needs and nobody in it has ([`Rules::required`]).
    Group(Option<&'a str>, &'a [String]),
}

/// Whom somebody may open a direct conversation with, or be talked to by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anybody.
    Everybody,
    /// Those who have one of these roles.
    Of(Vec<String>),
}

impl Rules {
    /// May one open a direct conversation with the other?
    pub fn may_open_direct(&self, opener: &[String], other: &[String]) -> Verdict<'_> {
        let found = self.direct.iter().find(|rule| rule.who.include(opener) && rule.with.include(other));
        found.map(|rule| rule.name.as_str()).ok_or_else(|| {
            let (opener, other) = (named(opener), named(other));
            denial("direct", format!("No rule lets {opener} open a direct conversation with {other}."))
        })
    }

    /// May a group of this category be made by somebody with these people in it, the maker among them?
    pub fn may_make_group(&self, category: Option<&str>, maker: &[String], members: &[Vec<String>]) -> Verdict<'_> {
        let rule = self.group(category)?;
        if !rule.made_by.include(maker) {
            return Err(rule.denial("made_by", format!("{} are not made by {}.", groups(category), named(maker))));
        }
        members.iter().try_for_each(|roles| self.may_be_in(category, roles).map(drop))?;
        let is_missing = |role: &&String| !members.iter().any(|roles| roles.contains(role));
        if let Some(missing) = rule.must_include.iter().find(is_missing) {
            return Err(rule.lacks(category, missing));
        }
        Ok(&rule.name)
    }

    /// May somebody be in a group of this category?
    pub fn may_be_in(&self, category: Option<&str>, roles: &[String]) -> Verdict<'_> {
        let rule = self.group(category)?;
        if rule.members.include(roles) {
            return Ok(&rule.name);
        }
        Err(rule.denial("members", format!("{} are not for {}.", groups(category), named(roles))))
    }

    /// May somebody say something there, with these attachments? Who edits says something too.
    pub fn may_send(&self, sender: &[String], place: Place<'_>, attached: &[AttachmentKind]) -> Verdict<'_> {
        match place {
            Place::Direct(peer) => self.may_send_directly(sender, peer, attached),
            Place::Group(category, missing) => {
                let rule = self.group(category)?;
                self.may_be_in(category, sender)?;
                if !rule.may_send.include(sender) {
                    let why = format!("In {} nothing is sent by {}.", groups(category).to_lowercase(), named(sender));
                    return Err(rule.denial("may_send", why));
                }
                if let Some(missing) = missing.first() {
                    return Err(rule.lacks(category, missing));
                }
                match attached.iter().find(|kind| !rule.attachments.include(**kind)) {
                    Some(kind) => Err(attachment_denial(&rule.name, *kind)),
                    None => Ok(&rule.name),
                }
            }
        }
    }

    /// Which roles somebody in a group of this category must have, for anything to be sent there.
    pub fn required(&self, category: Option<&str>) -> &[String] {
        self.group(category).map_or(&[], |rule| rule.must_include.as_slice())
    }

    /// May an author still edit a message of this age?
    pub fn may_edit_since(&self, created_at: Time, now: Time) -> Verdict<'_> {
        within("messages.edit_within_seconds", self.windows.edit, now - created_at, "edited")
    }

    /// May an author still delete a message of this age for everyone?
    pub fn may_delete_since(&self, created_at: Time, now: Time) -> Verdict<'_> {
        within("messages.delete_within_seconds", self.windows.delete, now - created_at, "deleted for everyone")
    }

    /// With whom somebody may talk directly, whoever opens the conversation.
    pub fn reach(&self, roles: &[String]) -> Reach {
        let others = self.direct.iter().flat_map(|rule| {
            let with = rule.who.include(roles).then_some(&rule.with);
            with.into_iter().chain(rule.with.include(roles).then_some(&rule.who))
        });
        let mut reached = BTreeSet::new();
        for other in others {
            match other {
                Roles::Everybody => return Reach::Everybody,
                Roles::Of(roles) => reached.extend(roles.iter().cloned()),
            }
        }
        Reach::Of(reached.into_iter().collect())
    }

    /// How often somebody may do something, where a rule says so: the most generous of their roles counts, and 0 is no limit.
    pub fn quota(&self, limit: Limit, roles: &[String]) -> Option<u32> {
        let given = roles.iter().filter_map(|role| self.limits.get(role)?.get(&limit).copied());
        given.max_by_key(|quota| if *quota == 0 { u32::MAX } else { *quota })
    }

    fn may_send_directly(&self, sender: &[String], peer: &[String], attached: &[AttachmentKind]) -> Verdict<'_> {
        let links = |rule: &&DirectRule| {
            (rule.who.include(sender) && rule.with.include(peer))
                || (rule.who.include(peer) && rule.with.include(sender))
        };
        let Some(first) = self.direct.iter().find(links) else {
            let why = format!("No rule lets {} and {} talk directly.", named(sender), named(peer));
            return Err(denial("direct", why));
        };
        let refused = |rule: &&DirectRule| attached.iter().copied().find(|kind| !rule.attachments.include(*kind));
        let allowing = self.direct.iter().filter(links).find(|rule| refused(rule).is_none());
        match (allowing, refused(&first)) {
            (Some(rule), _) => Ok(&rule.name),
            (None, Some(kind)) => Err(attachment_denial(&first.name, kind)),
            (None, None) => Ok(&first.name),
        }
    }

    fn group(&self, category: Option<&str>) -> Result<&GroupRule, Denial> {
        let own = category.and_then(|category| self.groups.get(category));
        own.or_else(|| self.groups.get(ANY_OTHER)).ok_or_else(|| {
            denial(
                "groups",
                format!("There are no rules for {}, so that there are none.", groups(category).to_lowercase()),
            )
        })
    }
}

impl Reach {
    /// The roles, unless anybody is reached.
    pub fn roles(&self) -> Option<&[String]> {
        match self {
            Self::Everybody => None,
            Self::Of(roles) => Some(roles),
        }
    }
}

impl GroupRule {
    fn denial(&self, field: &str, why: String) -> Denial {
        denial(&format!("{}.{field}", self.name), why)
    }

    fn lacks(&self, category: Option<&str>, role: &str) -> Denial {
        self.denial("must_include", format!("{} need somebody who is `{role}`.", groups(category)))
    }
}

impl Roles {
    pub fn include(&self, roles: &[String]) -> bool {
        match self {
            Self::Everybody => true,
            Self::Of(some) => roles.iter().any(|role| some.contains(role)),
        }
    }
}

impl Kinds {
    fn include(&self, kind: AttachmentKind) -> bool {
        match self {
            Self::All => true,
            Self::Of(some) => some.contains(&kind),
        }
    }
}

fn within<'a>(rule: &'a str, window: Option<TimeDelta>, age: TimeDelta, done: &str) -> Verdict<'a> {
    match window {
        Some(window) if age > window => {
            Err(denial(rule, format!("A message can be {done} for {} seconds.", window.num_seconds())))
        }
        _ => Ok(rule),
    }
}

fn attachment_denial(rule: &str, kind: AttachmentKind) -> Denial {
    let kind: &str = kind.into();
    denial(&format!("{rule}.attachments"), format!("Nothing of the kind `{kind}` may be attached here."))
}

fn denial(rule: &str, why: String) -> Denial {
    Denial { rule: rule.to_owned(), why }
}

/// People as a sentence names them.
fn named(roles: &[String]) -> String {
    match roles {
        [] => "somebody without a role".to_owned(),
        roles => format!("somebody who is `{}`", roles.join("`, `")),
    }
}

/// Groups as a sentence begins with them.
fn groups(category: Option<&str>) -> String {
    category
        .map_or_else(|| "Groups without a category".to_owned(), |category| format!("Groups of category `{category}`"))
}
