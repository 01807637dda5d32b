//! The bytes of files, to whoever holds a URL of ours that is still good.

use std::ops::Range;

use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    get,
    http::{
        StatusCode,
        header::{self, ByteRangeSpec, ETag, EntityTag, Header, IfNoneMatch},
    },
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    extract::{Ctx, Path, Query},
    problem::Problem,
};
use crate::{
    actions::attachments::serve::{self, Link, Shown},
    domain::{
        attachment::Rendition,
        error::Error,
        ids::{AttachmentId, ConversationId, UserId},
    },
};

/// How long a client may keep what it got: as long as its URL is good.
const KEPT: &str = "private, max-age=900, immutable";

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config.service(read_file);
}

/// What proves that the URL was given out.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LinkQuery {
    /// Where the file is.
    conversation: ConversationId,
    /// Whom it was given to.
    user: UserId,
    /// Until when it is good, in seconds since 1970.
    expires: i64,
    /// What proves the rest.
    signature: String,
}

/// Read a file's bytes.
///
/// By a URL from `GET /attachments/{id}`, while it is good and whoever asked for it may see the file. Takes `Range`.
#[utoipa::path(tag = "attachments", security(()), params(LinkQuery), responses(
    (status = 200, description = "All of it.", body = String, content_type = "application/octet-stream"),
    (status = 206, description = "The range that was asked for.", body = String, content_type = "application/octet-stream"),
    (status = 304, description = "You have it already."),
    (status = 416, description = "There are no such bytes.")))]
#[get("/files/{attachment_id}/{rendition}")]
async fn read_file(
    request: HttpRequest,
    ctx: Ctx,
    path: Path<(AttachmentId, String)>,
    query: Query<LinkQuery>,
) -> Result<HttpResponse, Problem> {
    let (id, name) = path.0;
    let rendition = Rendition::named(&name).ok_or(Error::NotFound("file"))?;
    let LinkQuery { conversation: conversation_id, user: user_id, expires, signature } = query.0;
    let link = Link { conversation_id, id, rendition, user_id, expires, signature };
    let shown = serve::follow(&ctx, &link).await?;
    let tag = EntityTag::new_strong(shown.tag());
    if has_it_already(&request, &tag) {
        return Ok(not_modified(tag, KEPT));
    }
    respond(&request, &ctx, &shown, tag).await
}

async fn respond(request: &HttpRequest, ctx: &Ctx, shown: &Shown, tag: EntityTag) -> Result<HttpResponse, Problem> {
    let range = match asked_range(request, ctx, shown, &tag).await? {
        Asked::Everything => None,
        Asked::Some(range) => Some(range),
        Asked::Nothing { size } => {
            let says = "There are no such bytes.";
            let problem = Problem::plain(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", says);
            return Err(problem.with_header(header::CONTENT_RANGE, &format!("bytes */{size}")));
        }
    };
    let reading = shown.read(ctx, range.clone()).await?;
    let mut response = HttpResponse::Ok();
    if range.is_some() {
        let Range { start, end } = reading.range;
        response.status(StatusCode::PARTIAL_CONTENT);
        response.insert_header((header::CONTENT_RANGE, format!("bytes {start}-{}/{}", end - 1, reading.size)));
    }
    response
        .insert_header(ETag(tag))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CONTENT_TYPE, shown.manner.content_type.as_str()))
        .insert_header((header::CONTENT_DISPOSITION, shown.manner.disposition.as_str()))
        .insert_header((header::CACHE_CONTROL, KEPT))
        // Whatever is in it, a browser neither guesses what it is nor runs it.
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"));
    let length = reading.range.end - reading.range.start;
    Ok(response.body(SizedStream::new(length, reading.bytes)))
}

/// What a request's `Range` asks for (RFC 9110, 14.2).
enum Asked {
    /// No range, or one that may be left aside.
    Everything,
    /// These bytes.
    Some(Range<u64>),
    /// Bytes that are not there, of so many.
    Nothing { size: u64 },
}

async fn asked_range(request: &HttpRequest, ctx: &Ctx, shown: &Shown, tag: &EntityTag) -> Result<Asked, Problem> {
    let Ok(header::Range::Bytes(ranges)) = header::Range::parse(request) else { return Ok(Asked::Everything) };
    // Several ranges at once may be answered with everything.
    let [range] = ranges.as_slice() else { return Ok(Asked::Everything) };
    // A range of something else than what the client has parts of would not fit them.
    if let Some(condition) = request.headers().get(header::IF_RANGE)
        && condition.to_str().ok().and_then(|text| text.parse::<EntityTag>().ok()).is_none_or(|has| !has.strong_eq(tag))
    {
        return Ok(Asked::Everything);
    }
    let size = shown.size(ctx).await?;
    Ok(match (range, range.to_satisfiable_range(size)) {
        (_, Some((first, last))) => Asked::Some(first..last + 1),
        (ByteRangeSpec::FromTo(first, last), None) if first > last => Asked::Everything,
        _ => Asked::Nothing { size },
    })
}

/// What a client has may be kept on as it would be if it was sent again (RFC 9110, 15.4.5).
pub(super) fn not_modified(tag: EntityTag, kept: &'static str) -> HttpResponse {
    HttpResponse::NotModified().insert_header(ETag(tag)).insert_header((header::CACHE_CONTROL, kept)).finish()
}

/// Whether a client says that it has what would be sent.
pub(super) fn has_it_already(request: &HttpRequest, tag: &EntityTag) -> bool {
    if !request.headers().contains_key(header::IF_NONE_MATCH) {
        return false;
    }
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}
