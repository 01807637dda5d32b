//! Who and what is meant: one type for each kind of id, so that none is taken for another.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Defines a newtype over [`Uuid`].
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type,
            utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        #[schema(value_type = Uuid, format = "uuid")]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    };
}

id!(
    /// A person.
    UserId
);
id!(
    /// A conversation; random, so that a distributed database spreads conversations evenly.
    ConversationId
);
id!(
    /// A message; chosen by the client that sends it, unique within its conversation.
    MessageId
);
id!(
    /// A file; chosen by the client that uploads it, or made by the server.
    AttachmentId
);
id!(
    /// A place in the store of files, never used again for other bytes; shown as the version of an avatar and nowhere else.
    BlobId
);
id!(
    /// A signed-in device.
    SessionId
);
id!(
    /// An open socket.
    SocketId
);
id!(
    /// A report.
    ReportId
);
id!(
    /// An entry of the audit log.
    AuditId
);

/// Whose log: a conversation's, which all its members hear, or what concerns one person alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogId {
    /// A conversation's.
    Conversation(ConversationId),
    /// A person's own.
    Person(UserId),
}

impl std::fmt::Display for LogId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Conversation(id) => write!(f, "conversation {id}"),
            Self::Person(id) => write!(f, "person {id}"),
        }
    }
}

impl UserId {
    /// Whoever has yet to say who they are.
    pub const NOBODY: Self = Self(Uuid::nil());

    /// A new id, ordered by time.
    pub fn new_v7() -> Self {
        Self(Uuid::now_v7())
    }
}

impl ConversationId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl SocketId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl MessageId {
    /// The id that the same words always give, for what must not be made twice.
    pub fn of_words(words: &str) -> Self {
        Self(of_words(words))
    }

    /// A new id for a client that brought none, ordered by time.
    pub fn new_v7() -> Self {
        Self(Uuid::now_v7())
    }
}

impl AttachmentId {
    /// The id that the same words always give, for what must not be made twice.
    pub fn of_words(words: &str) -> Self {
        Self(of_words(words))
    }

    /// A new id for a client that brought none, ordered by time.
    pub fn new_v7() -> Self {
        Self(Uuid::now_v7())
    }
}

impl BlobId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl SessionId {
    /// A new id, ordered by time.
    pub fn new_v7() -> Self {
        Self(Uuid::now_v7())
    }
}

impl ReportId {
    /// A new id, ordered by time.
    pub fn new_v7() -> Self {
        Self(Uuid::now_v7())
    }
}

impl AuditId {
    /// A new id, ordered by time.
    pub fn new_v7() -> Self {
        Self(Uuid::now_v7())
    }
}

fn of_words(words: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(words.as_bytes())[..16]);
    Uuid::new_v8(bytes)
}
