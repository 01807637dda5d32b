//! What a person can do. Transport-free: REST, sockets and workers make the same calls.
//!
//! An action is six beats in this order and nothing else: admit (limits), load (facts, in the transaction that
//! writes), decide (`domain::policy`), write, commit, tell (the bus). What only reads is the first two.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use futures_util::FutureExt;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::time::timeout;

use crate::{
    auth::{links::Links, password::Passwords, token::Tokens},
    cluster::{Cluster, bus::Envelope, limits::Share},
    config::{rulebook::Rulebook, settings::Settings},
    domain::{
        clock::Clock,
        error::{Error, Result},
        event::Event,
        ids::{ConversationId, UserId},
        limits::Limit,
        member::Standing,
        user::Caller,
    },
    media::{Media, web::Web},
    store::{members as member_rows, reads::Reads},
};

pub mod accounts;
pub mod alarm;
pub mod attachments;
pub mod avatars;
pub mod blocks;
pub mod conversations;
pub mod group;
pub mod health;
pub mod idempotency;
pub mod index;
pub mod lanes;
pub mod members;
pub mod messages;
pub mod moderation;
pub mod policy;
pub mod preferences;
pub mod presence;
pub mod receipts;
pub mod repair;
pub mod rules;
pub mod scheduled;
pub mod search;
pub mod sessions;
pub mod sync;
pub mod typing;
pub mod unread;
pub mod uploads;
pub mod users;
pub mod writer;

/// How long anything may take: longer than PostgreSQL gives a statement, so that it is mostly the one to end it.
pub const PATIENCE: Duration = Duration::from_secs(12);

/// Everything that actions need; made once, by `boot`. A clone shares all of it.
#[derive(Clone)]
pub struct Context {
    /// PostgreSQL, which alone holds the truth.
    pub db: PgPool,
    /// All threads' connections to it.
    pub pools: Arc<Mutex<Vec<(PgPool, Reads)>>>,
    /// More connections to it, for short questions outside of transactions.
    pub reads: Reads,
    /// What time it is.
    pub clock: Clock,
    /// How the server is set up.
    pub settings: Arc<Settings>,
    /// Who may talk to whom, where and how.
    pub rulebook: Arc<Rulebook>,
    /// What nodes share besides the database.
    pub cluster: Arc<Cluster>,
    /// Hashes and verifies passwords.
    pub passwords: Passwords,
    /// Signs and verifies tokens.
    pub tokens: Arc<Tokens>,
    /// Signs URLs.
    pub links: Links,
    /// Where files come in and are kept.
    pub media: Arc<Media>,
    /// Who brings bytes of which upload.
    pub turns: Arc<uploads::turns::Turns>,
    /// Looks at pages, where links are previewed.
    pub web: Option<Arc<Web>>,
    /// The entrance to the writers of messages.
    pub sends: Arc<lanes::Lanes<messages::send::Item>>,
    /// The entrance to the writer of cursors.
    pub moves: Arc<lanes::Lanes<receipts::writer::Move>>,
    /// When the next message expires.
    pub expiry: Arc<alarm::Alarm>,
    /// When the next scheduled message is due.
    pub plans: Arc<alarm::Alarm>,
    /// When the next page is to be looked at.
    pub visits: Arc<alarm::Alarm>,
}

impl Context {
    /// The same for a thread with a runtime of its own, with connections to PostgreSQL of its own: what comes over a connection
    /// is noticed by the runtime that opened it, so that an answer to another one's question would go from thread to thread.
    #[must_use]
    pub fn for_this_thread(&self) -> Self {
        let db = self.db.options().clone().connect_lazy_with(self.db.connect_options().as_ref().clone());
        let reads = self.reads.another();
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push((db.clone(), reads.clone()));
        Self { db, reads, ..self.clone() }
    }

    /// Counts one more of what the caller does, unless that would be more than somebody of their roles may.
    pub async fn spend(&self, limit: Limit, caller: &Caller) -> Result<()> {
        self.spend_as(limit, caller.user_id, &caller.roles).await
    }

    /// The same for somebody whose roles were read just now.
    pub async fn spend_as(&self, limit: Limit, user: UserId, roles: &[String]) -> Result<()> {
        let quota = self.quota(limit, roles);
        self.cluster.limits.spend(limit, Share { key: user.to_string(), quota }).await
    }

    /// Takes back what was counted, where nothing came of it.
    pub async fn give_back(&self, limit: Limit, caller: &Caller) {
        let quota = self.quota(limit, &caller.roles);
        self.cluster.limits.give_back(limit, &[Share { key: caller.user_id.to_string(), quota }]).await;
    }

    /// How often somebody of these roles may do something; 0 is no limit.
    pub fn quota(&self, limit: Limit, roles: &[String]) -> u32 {
        self.rulebook.rules().quota(limit, roles).unwrap_or_else(|| self.settings.quota(limit))
    }

    /// Tells something of which nothing is written down.
    pub async fn tell(&self, event: Event) {
        self.cluster.bus.publish(vec![Envelope::of(&event)]).await;
    }

    /// Commits, then tells. Both happen even if the caller goes away in between: whoever has committed must tell.
    pub async fn commit(&self, tx: Transaction<'static, Postgres>, events: Vec<Event>) -> Result<()> {
        let bus = self.cluster.bus.clone();
        let committing = tokio::spawn(async move {
            in_time(async { Ok(tx.commit().await?) }).await?;
            if !events.is_empty() {
                bus.publish(events.iter().map(Envelope::of).collect()).await;
            }
            Ok(())
        });
        committing.await.context("a commit was cut short").map_err(Error::Internal)?
    }
}

/// Does something, but not for ever: who asks a database over a network that has forgotten the connection is never answered.
pub fn in_time<T>(work: impl Future<Output = Result<T>>) -> impl Future<Output = Result<T>> {
    let too_late = |_| Err(Error::Unavailable("The database does not answer; try again soon."));
    timeout(PATIENCE, work).map(move |outcome| outcome.unwrap_or_else(too_late))
}

/// The caller's standing in a conversation, or 404: who is not in it may not know that it exists.
pub async fn require_member(db: &mut PgConnection, conversation: ConversationId, user: UserId) -> Result<Standing> {
    member_rows::standing(db, conversation, user).await?.ok_or(Error::NotFound("conversation"))
}
