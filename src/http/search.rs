//! REST for searching what was said.

use actix_web::get;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{self, Ctx, Query, Signed},
};
use crate::{
    actions::search,
    domain::{
        error::{Error, Result},
        ids::{ConversationId, UserId},
        message::MessageKind,
        search::{Question, Sort, Trait, query::When},
    },
    wire::{json::List, search::FoundMessageView},
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config.service(search_messages);
}

/// What to look for. Whatever is typed in `q` is understood somehow; all that is given must be fulfilled.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SearchQuery {
    /// Words of bodies and of the names of files, beginnings (`wor*`), `"phrases"`, `-not`, and `from:` (a username or `me`), `in:` (a name), `has:`, `before:`
    /// and `after:` (a day or a time; quotes around what has blanks). What makes no sense as one of these is words.
    #[serde(default)]
    #[param(example = "lunch -dinner from:ada", max_length = 500)]
    q: String,
    /// In one conversation only.
    conversation_id: Option<ConversationId>,
    /// By one person only.
    sender_id: Option<UserId>,
    /// Of one kind only.
    kind: Option<MessageKind>,
    /// Only what has this in it.
    has: Option<Trait>,
    /// Only what was sent before a time, or before a day.
    #[param(example = "2026-05-31T08:00:00Z")]
    before: Option<String>,
    /// Only what was sent after a time, or on a day and after.
    #[param(example = "2026-05-01")]
    after: Option<String>,
    /// What comes first. What is searched without words comes newest first, whatever is said here.
    #[serde(default)]
    #[param(inline, default = "relevance")]
    sort: Sort,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl SearchQuery {
    fn into_question(self) -> Result<Question> {
        Ok(Question {
            line: self.q,
            conversation_id: self.conversation_id,
            sender_id: self.sender_id,
            kind: self.kind,
            has: self.has,
            before: self.before.map(|text| when(&text)).transpose()?,
            after: self.after.map(|text| when(&text)).transpose()?,
            sort: self.sort,
        })
    }
}

/// Search messages.
///
/// In all of your conversations, or one. Found is what you could read there: nothing from before you joined, nothing
/// that you deleted for yourself, and nothing by people whom you block. A new message can be found within a second.
#[utoipa::path(tag = "search", params(SearchQuery), responses((status = 200, body = List<FoundMessageView>)))]
#[get("/search/messages")]
async fn search_messages(
    ctx: Ctx,
    Signed(caller): Signed,
    Query(mut query): Query<SearchQuery>,
) -> Outcome<List<FoundMessageView>> {
    let limit = extract::limit(query.limit)?;
    let cursor = query.cursor.take();
    let found = search::messages(&ctx, &caller, query.into_question()?, cursor.as_deref(), limit).await?;
    Ok(Answer::Ok(found.into()))
}

fn when(text: &str) -> Result<When> {
    let says = "`before` and `after` are days like 2026-05-31, or times as in RFC 3339.";
    text.parse().map_err(|_| Error::Malformed(says))
}
