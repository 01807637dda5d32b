//! REST for avatars: the pictures of people and groups.

use actix_multipart::Multipart;
use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    delete, get,
    http::header::{self, ETag, EntityTag},
    put,
};
use futures_util::StreamExt;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::{
    answer::{Answer, Outcome},
    attachments::{filename, no_file, pour, skip, unreadable},
    extract::{Ctx, Form, Path, Signed},
    files::{has_it_already, not_modified},
    problem::Problem,
};
use crate::{
    actions::avatars::{self, Upload},
    domain::{
        attachment::Rendition,
        error::Error,
        ids::{BlobId, ConversationId},
        user::Caller,
    },
    wire::{attachments::AvatarForm, conversations::OwnConversationView, users::OwnUserView},
};

/// How long anybody may keep a picture: it never changes.
const KEPT: &str = "public, max-age=31536000, immutable";

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(set_own_avatar)
        .service(remove_own_avatar)
        .service(set_conversation_avatar)
        .service(remove_conversation_avatar)
        .service(read_avatar);
}

/// Give yourself a picture.
///
/// `multipart/form-data` with the field `file`: a JPEG, PNG, GIF, WebP or AVIF, of which the middle is shown.
#[utoipa::path(tag = "users", request_body(content = AvatarForm, content_type = "multipart/form-data"), responses(
    (status = 200, body = OwnUserView),
    (status = 507, description = "The store of files is full.")))]
#[put("/users/me/avatar")]
async fn set_own_avatar(ctx: Ctx, caller: Signed, form: Form) -> Outcome<OwnUserView> {
    let upload = avatars::begin(&ctx, &caller.0, form.least).await?;
    let (upload, filename) = receive(&ctx, &caller.0, upload, form.fields).await?;
    Ok(Answer::Ok(avatars::set_own(&ctx, &caller.0, upload, filename).await?.into()))
}

/// Take your picture away.
#[utoipa::path(tag = "users", responses((status = 204)))]
#[delete("/users/me/avatar")]
async fn remove_own_avatar(ctx: Ctx, caller: Signed) -> Outcome<()> {
    avatars::remove_own(&ctx, &caller.0).await?;
    Ok(Answer::NoContent)
}

/// Give a group a picture.
///
/// By its owners and admins. `multipart/form-data` with the field `file`: a JPEG, PNG, GIF, WebP or AVIF, of which the
/// middle is shown.
#[utoipa::path(tag = "conversations", request_body(content = AvatarForm, content_type = "multipart/form-data"),
    responses((status = 200, body = OwnConversationView), (status = 507, description = "The store of files is full.")))]
#[put("/conversations/{conversation_id}/avatar")]
async fn set_conversation_avatar(
    ctx: Ctx,
    caller: Signed,
    id: Path<ConversationId>,
    form: Form,
) -> Outcome<OwnConversationView> {
    let upload = avatars::begin_of_group(&ctx, &caller.0, id.0, form.least).await?;
    let received = receive(&ctx, &caller.0, upload, form.fields).await?;
    Ok(Answer::Ok(avatars::set_of_group(&ctx, &caller.0, id.0, received).await?.into()))
}

/// Take a group's picture away.
///
/// By its owners and admins.
#[utoipa::path(tag = "conversations", responses((status = 204)))]
#[delete("/conversations/{conversation_id}/avatar")]
async fn remove_conversation_avatar(ctx: Ctx, caller: Signed, id: Path<ConversationId>) -> Outcome<()> {
    avatars::remove_of_group(&ctx, &caller.0, id.0).await?;
    Ok(Answer::NoContent)
}

/// Read somebody's picture, or a group's.
///
/// By the `avatar_url` that people and conversations carry, without signing in: `256.webp`, or `64.webp` beside it. What
/// is there never changes, and is gone once there is another picture.
#[utoipa::path(tag = "users", security(()), responses(
    (status = 200, body = String, content_type = "image/webp"),
    (status = 304, description = "You have it already.")))]
#[get("/avatars/{owner_id}/{version_id}/{square}")]
async fn read_avatar(
    request: HttpRequest,
    ctx: Ctx,
    path: Path<(Uuid, BlobId, String)>,
) -> Result<HttpResponse, Problem> {
    let (owner, version, name) = path.0;
    let square = Rendition::named(&name).ok_or(Error::NotFound("avatar"))?;
    let reading = avatars::read(&ctx, owner, version, square).await?;
    let tag = EntityTag::new_strong(format!("{version}-{name}"));
    if has_it_already(&request, &tag) {
        return Ok(not_modified(tag, KEPT));
    }
    Ok(HttpResponse::Ok()
        .insert_header(ETag(tag))
        .insert_header((header::CONTENT_TYPE, "image/webp"))
        .insert_header((header::CACHE_CONTROL, KEPT))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"))
        .body(SizedStream::new(reading.size, reading.bytes)))
}

/// Takes the file out of the form, and says what it is called.
async fn receive(ctx: &Ctx, caller: &Caller, mut upload: Upload, form: Multipart) -> Result<(Upload, String), Problem> {
    match read(&mut upload, form).await {
        Ok(filename) => Ok((upload, filename)),
        Err(problem) => {
            upload.abandon(ctx, caller).await;
            Err(problem)
        }
    }
}

async fn read(upload: &mut Upload, mut form: Multipart) -> Result<String, Problem> {
    while let Some(field) = form.next().await {
        let field = field.map_err(|error| unreadable(&error))?;
        if field.name() == Some("file") {
            let filename = filename(&field);
            pour(field, async |bytes| upload.write(bytes).await).await?;
            return Ok(filename);
        }
        skip(field).await?;
    }
    Err(no_file())
}
