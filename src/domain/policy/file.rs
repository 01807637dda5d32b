//! The file in which a deployment writes its rules down: TOML, checked to the last word, and wrong in one place at a time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::Deserialize;
use strum::VariantArray;
use toml::Spanned;

use super::{
    redaction::Redaction,
    rules::{DirectRule, GroupRule, Keep, Kinds, Quotas, Roles, Rules, Windows},
};
use crate::domain::{attachment::AttachmentKind, limits::Limit};

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
    limits: BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, u32>>,
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
        let kind = |word: &Spanned<String>| {
            word.as_ref().parse().map_err(|_| {
                let known = AttachmentKind::VARIANTS.iter().map(<&str>::from).collect::<Vec<_>>().join("`, `");
                let says = format!("`{}` is not a kind of attachment; there are `{known}`.", word.as_ref());
                self.mistake(&format!("{rule}.attachments"), word, says)
            })
        };
        words.iter().map(kind).collect::<Result<_, _>>().map(Kinds::Of)
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
    Mistake { line, column, field: field.filter(|field| field != "."), says }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::policy::rules::{Place, Reach};

    const OPEN: &str = include_str!("../../../policies/open.toml");
    const COACHING: &str = include_str!("../../../policies/coaching.toml");

    fn people<const N: usize>(roles: [&str; N]) -> Vec<String> {
        roles.map(str::to_owned).to_vec()
    }

    #[test]
    fn the_open_rules_allow_everything() {
        let rules = parse(OPEN).expect("it is well formed");
        let (nobody, admin) = (people([]), people(["admin"]));

        assert_eq!(rules.may_open_direct(&nobody, &admin), Ok("direct.anybody"));
        let members = [nobody.clone(), admin.clone()];
        assert_eq!(rules.may_make_group(Some("any"), &nobody, &members), Ok("groups.*"));
        assert_eq!(rules.may_send(&nobody, Place::Direct(&nobody), AttachmentKind::VARIANTS), Ok("direct.anybody"));
        assert_eq!(rules.may_send(&nobody, Place::Group(None, &[]), AttachmentKind::VARIANTS), Ok("groups.*"));
        assert_eq!(rules.reach(&nobody), Reach::Everybody);
        assert_eq!(rules.redaction, Redaction::default());
        assert_eq!(rules.pictures, Keep::Reasonable);
        assert_eq!(rules.quota(Limit::Messages, &admin), None);
        let (then, now) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::days(10_000));
        assert!(rules.may_edit_since(then, now).is_ok() && rules.may_delete_since(then, now).is_ok());
    }

    #[test]
    fn the_coaching_rules_put_an_admin_between_coach_and_parent() {
        let rules = parse(COACHING).expect("it is well formed");
        let all = [people(["admin"]), people(["coach"]), people(["parent"]), people([])];
        let talks = |one: usize, other: usize| (one == 0 || other == 0) && one != 3 && other != 3;
        for (one, roles) in all.iter().enumerate() {
            for (other, others) in all.iter().enumerate() {
                assert_eq!(rules.may_open_direct(roles, others).is_ok(), talks(one, other), "{roles:?} {others:?}");
                let place = Place::Direct(others);
                assert_eq!(rules.may_send(roles, place, &[]).is_ok(), talks(one, other), "{roles:?} {others:?}");
                assert!(rules.may_send(roles, place, &[AttachmentKind::Image]).is_err());
                let members = [roles.clone(), others.clone()];
                let makes = one == 0 && other != 3;
                assert_eq!(rules.may_make_group(Some("batch"), roles, &members).is_ok(), makes);
                assert!(rules.may_make_group(None, roles, &members).is_err());
            }
            let kinds = AttachmentKind::VARIANTS;
            assert_eq!(rules.may_send(roles, Place::Group(Some("batch"), &[]), kinds).is_ok(), one != 3);
            assert!(rules.may_send(roles, Place::Group(Some("batch"), &people(["admin"])), &[]).is_err());
        }
        assert_eq!(rules.reach(&all[0]), Reach::Of(people(["admin", "coach", "parent"])));
        assert_eq!(rules.reach(&all[1]), Reach::Of(people(["admin"])));
        assert_eq!(rules.reach(&all[3]), Reach::Of(Vec::new()));
        assert_eq!(rules.required(Some("batch")), people(["admin"]));
    }

    #[test]
    fn a_denial_names_the_rule_and_says_why() {
        let rules = parse(COACHING).expect("it is well formed");
        let (coach, parent) = (people(["coach"]), people(["parent"]));

        let direct = rules.may_open_direct(&coach, &parent).expect_err("it is denied");
        let file = rules.may_send(&coach, Place::Direct(&people(["admin"])), &[AttachmentKind::File]);
        let made = rules.may_make_group(Some("batch"), &coach, std::slice::from_ref(&coach));
        let late = rules.may_edit_since(DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::seconds(901));

        assert_eq!(direct.rule, "direct");
        let why = "No rule lets somebody who is `coach` open a direct conversation with somebody who is `parent`.";
        assert_eq!(direct.why, why);
        assert_eq!(file.expect_err("it is denied").rule, "direct.an-admin-with-anybody.attachments");
        assert_eq!(made.expect_err("it is denied").rule, "groups.batch.made_by");
        assert_eq!(late.expect_err("it is denied").rule, "messages.edit_within_seconds");
    }

    #[test]
    fn the_most_generous_role_says_how_often() {
        let text = format!(
            "{}\n[limits.a]\nmessages_per_minute = 5\n[limits.b]\nmessages_per_minute = 9\n[limits.c]\nmessages_per_minute = 0\n",
            OPEN.replace("roles = []", r#"roles = ["a", "b", "c"]"#)
        );
        let rules = parse(&text).expect("it is well formed");

        for (roles, quota) in [
            (people([]), None),
            (people(["a"]), Some(5)),
            (people(["b", "a"]), Some(9)),
            (people(["a", "c"]), Some(0)),
            (people(["d"]), None),
        ] {
            assert_eq!(rules.quota(Limit::Messages, &roles), quota, "{roles:?}");
            assert_eq!(rules.quota(Limit::Edits, &roles), None);
        }
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        for (was, is, place, says) in [
            ("[redact]", "[redact", (27, 8), "unclosed table"),
            ("made_by", "made_bye", (20, 1), "`groups.batch.made_bye`: unknown field `made_bye`"),
            (r#"made_by = ["admin"]"#, "made_by = 7", (20, 11), "`groups.batch.made_by`: invalid type: integer `7`"),
            ("may_send = [\"admin\",", "may_send = [\"admim\",", (23, 13), "`groups.batch.may_send`: `admim` is not"),
            ("\"voice_note\"", "\"voice\"", (24, 43), "`groups.batch.attachments`: `voice` is not a kind"),
            ("may_send = [\"admin\",", "may_send = [\"*\",", (23, 13), "`groups.batch.may_send`: `*` stands alone"),
            ("conversations_per_hour", "conversations_per_day", (37, 1), "`limits.admin`: No such limit"),
            ("roles = [", "# roles = [", (1, 1), "missing field `roles`"),
            ("edit_within_seconds = 900", "edit_within_seconds = -1", (32, 23), "`messages.edit_within_seconds`"),
            ("members = [", "# members = [", (19, 1), "`groups.batch`: missing field `members`"),
        ] {
            let mistake = parse(&COACHING.replacen(was, is, 1)).expect_err(is);

            assert_eq!((mistake.line, mistake.column), place, "{is}: {mistake}");
            assert!(mistake.to_string().contains(says), "{is}: {mistake}");
        }
    }
}
