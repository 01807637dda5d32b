//! REST: outside words in, answers out. Invariant: no rules and no SQL; a handler reads, calls one action, and renders.

pub mod address;
pub mod answer;
pub mod attachments;
pub mod auth;
pub mod avatars;
pub mod conversations;
pub mod docs;
pub mod extract;
pub mod files;
pub mod forwards;
pub mod idempotency;
pub mod intake;
pub mod members;
pub mod messages;
pub mod middleware;
pub mod moderation;
pub mod operations;
pub mod pace;
pub mod page;
pub mod policy;
pub mod presence;
pub mod problem;
pub mod reactions;
pub mod receipts;
pub mod scheduled;
pub mod search;
pub mod sync;
pub mod unrouted;
pub mod uploads;
pub mod users;

use utoipa_actix_web::{scope, service_config::ServiceConfig};

/// All routes, on one page.
pub fn routes(config: &mut ServiceConfig) {
    config.configure(operations::routes).configure(docs::document_routes).service(
        scope("/api/v1")
            .configure(auth::routes)
            .configure(users::routes)
            .configure(policy::routes)
            .configure(moderation::routes)
            .configure(presence::routes)
            .configure(conversations::routes)
            .configure(members::routes)
            .configure(messages::routes)
            .configure(reactions::routes)
            .configure(forwards::routes)
            .configure(attachments::routes)
            .configure(uploads::routes)
            .configure(files::routes)
            .configure(avatars::routes)
            .configure(scheduled::routes)
            .configure(receipts::routes)
            .configure(search::routes)
            .configure(sync::routes)
            .configure(operations::api_routes),
    );
}
