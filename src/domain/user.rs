//! People: profile, names, and what may be changed of them.

use serde_json::Value;

use super::{
    clock::Time,
    error::{Error, Result},
    ids::{BlobId, SessionId, UserId},
    limits,
    policy::redaction::Redaction,
    text,
};

/// What is shown for somebody whose account was deleted.
pub const DELETED_NAME: &str = "Deleted user";

/// A person. `email` is for themselves only.
#[derive(Clone, Debug)]
pub struct User {
    /// Ours.
    pub id: UserId,
    /// The host application's.
    pub external_id: Option<String>,
    /// The name to sign in with.
    pub username: Option<String>,
    /// The name to show.
    pub display_name: String,
    /// The picture.
    pub avatar: Option<BlobId>,
    /// Shown to oneself only.
    pub email: Option<String>,
    /// Whatever the application keeps with a person.
    pub metadata: Value,
    /// Roles of the application, and ours (`operator`).
    pub roles: Vec<String>,
    /// When the account was made.
    pub created_at: Time,
}

/// What others see of a person, as it travels with participants.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Whose.
    pub id: UserId,
    /// The host application's id.
    pub external_id: Option<String>,
    /// The name to sign in with.
    pub username: Option<String>,
    /// The name to show.
    pub display_name: String,
    /// The picture.
    pub avatar: Option<BlobId>,
    /// Whatever the application keeps with a person.
    pub metadata: Value,
    /// Roles.
    pub roles: Vec<String>,
    /// When the account was made.
    pub created_at: Time,
}

/// Somebody whom a person does not want to hear from.
#[derive(Clone, Debug)]
pub struct Block {
    /// Whom.
    pub profile: Profile,
    /// Since when.
    pub created_at: Time,
}

/// Who is calling, proven.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The person.
    pub user_id: UserId,
    /// The session of our own tokens; the host application's tokens have none.
    pub session_id: Option<SessionId>,
    /// When the token ends.
    pub expires_at: Time,
    /// The person's roles.
    pub roles: Vec<String>,
}

impl Caller {
    /// Somebody who is not there: what they once asked for is done now. What they are is read where it is decided on.
    pub fn on_behalf_of(user_id: UserId) -> Self {
        Self { user_id, session_id: None, expires_at: Time::MAX_UTC, roles: Vec::new() }
    }
}

/// What a person wants to change of their profile. `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// The name to show.
    pub display_name: Option<String>,
    /// `Some(None)` clears it.
    pub email: Option<Option<String>>,
    /// Replaces the metadata as a whole.
    pub metadata: Option<Value>,
}

impl ProfileChange {
    /// The same without what is taken out of texts.
    #[must_use]
    pub fn redacted(self, redaction: &Redaction) -> Self {
        Self {
            display_name: redaction.option(self.display_name),
            metadata: self.metadata.map(|metadata| redaction.json(metadata)),
            email: self.email,
        }
    }

    /// Refuses what a profile may not hold.
    pub fn check(&self) -> Result<()> {
        if let Some(name) = &self.display_name {
            text::check_name("display_name", name, limits::NAME_CHARACTERS)?;
        }
        if let Some(Some(email)) = &self.email {
            check_email(email)?;
        }
        self.metadata.as_ref().map_or(Ok(()), text::check_metadata)
    }
}

/// Refuses a username that is not 3–32 of `a-z 0-9 _ . -` (capitals are kept, but compared without case).
pub fn check_username(username: &str) -> Result<()> {
    let fits = (3..=32).contains(&username.len());
    let plain = username.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if fits && plain {
        return Ok(());
    }
    Err(Error::field("username", "invalid_username", "3 to 32 of a-z, 0-9, underscore, dot and hyphen."))
}

/// Whether it is short enough for a role, and not empty.
pub fn is_role(role: &str) -> bool {
    (1..=64).contains(&role.len())
}

/// Refuses more roles than anybody needs, and those that are no words.
pub fn check_roles(roles: &[String]) -> Result<()> {
    if roles.len() > 20 || !roles.iter().all(|role| is_role(role)) {
        return Err(Error::field("roles", "out_of_range", "At most 20 roles of 1 to 64 bytes."));
    }
    Ok(())
}

/// Refuses a password outside 8–256 characters.
pub fn check_password(field: &'static str, password: &str) -> Result<()> {
    match password.chars().count() {
        0..8 => Err(Error::field(field, "too_short", "At least 8 characters.")),
        8..=256 => Ok(()),
        _ => Err(Error::field(field, "too_long", "At most 256 characters.")),
    }
}

/// Refuses what cannot be an address: it must have one `@` with something before it and a host after, and no blanks.
pub fn check_email(email: &str) -> Result<()> {
    let plausible = email.chars().count() <= 254
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
        && email.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty()
                && host.contains('.')
                && !host.contains('@')
                && host.split('.').all(|part| !part.is_empty())
        });
    if plausible {
        return Ok(());
    }
    Err(Error::field("email", "invalid_email", "Must be an e-mail address."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_short_and_plain() {
        for good in ["ada", "Ada_L.-9", &"a".repeat(32)] {
            assert!(check_username(good).is_ok(), "{good}");
        }
        for bad in ["", "ad", "ada lovelace", "ada@example", "adé", "ada\n", &"a".repeat(33)] {
            assert!(check_username(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_is_counted_in_characters() {
        for (password, fits) in [("1234567", false), ("12345678", true), ("pässwörd", true), ("🔑🔑🔑🔑🔑🔑🔑", false)]
        {
            assert_eq!(check_password("password", password).is_ok(), fits, "{password}");
        }
        assert!(check_password("password", &"é".repeat(256)).is_ok());
        assert!(check_password("password", &"é".repeat(257)).is_err());
    }

    #[test]
    fn an_address_has_somebody_at_some_host() {
        for good in ["ada@example.com", "a+b@sub.example.org"] {
            assert!(check_email(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@host",
            "a b@example.com",
            "a@b@example.com",
            "a@.com",
            "a@b.",
            "a@b..c",
        ] {
            assert!(check_email(bad).is_err(), "{bad}");
        }
    }
}
