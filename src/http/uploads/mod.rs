//! REST for files that do not come in one piece through this server: resumable uploads by the tus protocol, and files that
//! go straight into the store.

pub mod direct;
pub mod protocol;
pub mod words;

use std::time::SystemTime;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, delete, head,
    http::{Method, StatusCode, header},
    middleware::from_fn,
    options, patch, post, web,
};
use futures_util::StreamExt;
use utoipa_actix_web::{scope, service_config::ServiceConfig};

use self::protocol::Speaker;
use super::{
    attachments::id_of_key,
    extract::{Body, Ctx, Path},
    idempotency::Key,
    problem::Problem,
};
use crate::{
    actions::{
        attachments::bounds,
        uploads::{self, receive},
    },
    domain::{ids::AttachmentId, upload::Upload, user::Caller},
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config.configure(direct::routes).service(
        scope("/uploads")
            .wrap(from_fn(protocol::speak))
            .service(discover_uploads)
            // As many examples of the protocol write it.
            .route("/", web::method(Method::OPTIONS).to(|ctx: Ctx| async move { describe(&ctx) }))
            .route("/", web::post().to(create))
            .route("/{upload_id}", web::method(Method::OPTIONS).to(|ctx: Ctx| async move { describe(&ctx) }))
            .service(create_upload)
            .service(find_upload)
            .service(continue_upload)
            .service(end_upload),
    );
}

/// Learn how files can be uploaded resumably.
///
/// By [tus](https://tus.io/protocols/resumable-upload) 1.0.0, with any of its clients.
#[utoipa::path(tag = "attachments", security(()), responses(
    (status = 204, description = "So, as the headers say.", headers(
        ("Tus-Version" = String, description = "The versions that are spoken."),
        ("Tus-Extension" = String, description = "What is offered besides the core."),
        ("Tus-Max-Size" = i64, description = "Bytes of a file at most."),
        ("Tus-Checksum-Algorithm" = String, description = "What checksums can be of.")))))]
#[options("")]
async fn discover_uploads(ctx: Ctx) -> HttpResponse {
    describe(&ctx)
}

/// Announce a file that comes in parts (tus).
///
/// `Upload-Metadata` must say `conversation_id` and `filename`, and may say an `id` of your own and, as a form does, the
/// `waveform` of sound; each in Base64, as tus has it. The upload's id, which ends its `Location`, is also that of the attachment: once all bytes are in, it is there, yours
/// alone until a message takes it. What can't be kept is refused with the last bytes, and its upload is gone. A body of
/// `application/offset+octet-stream` is taken for the first bytes. The same `id` again finds the upload that is there.
#[utoipa::path(tag = "attachments",
    request_body(content = String, content_type = "application/offset+octet-stream", description = "Its first bytes."),
    params(
        Key,
        ("Tus-Resumable" = String, Header, pattern = r"^1\.0\.0$", description = "The version that is spoken."),
        ("Upload-Length" = i64, Header, minimum = 1, description = "Bytes of the file."),
        ("Upload-Metadata" = String, Header, description = "Names and, in Base64, what they stand for."),
        ("Upload-Checksum" = Option<String>, Header, pattern = "^(sha1 [A-Za-z0-9+/]{27}=|sha256 [A-Za-z0-9+/]{43}=)$",
         description = "`sha1` or `sha256`, and that of this body in Base64.")),
    responses(
        (status = 201, headers(
            ("Location" = String, description = "The upload."),
            ("Upload-Offset" = i64, description = "How many bytes are in."),
            ("Upload-Expires" = String, description = "Until when the rest may come."))),
        (status = 412, description = "The protocol's version is not spoken here."),
        (status = 460, description = "The body is not what its checksum says; nothing of it was kept."),
        (status = 507, description = "The store of files is full.")))]
#[post("")]
async fn create_upload(
    request: HttpRequest,
    ctx: Ctx,
    caller: Speaker,
    key: Key,
    body: Body,
) -> Result<HttpResponse, Problem> {
    create(request, ctx, caller, key, body).await
}

/// See how far an upload is (tus).
#[utoipa::path(tag = "attachments",
    params(("Tus-Resumable" = String, Header, pattern = r"^1\.0\.0$", description = "The version that is spoken.")),
    responses(
        (status = 200, description = "So far, as the headers say.", headers(
            ("Upload-Offset" = i64, description = "How many bytes are in; all of them once the attachment is there."),
            ("Upload-Length" = i64, description = "Bytes of the file."),
            ("Upload-Metadata" = String, description = "As it was announced."),
            ("Upload-Expires" = String, description = "Until when the rest may come."))),
        (status = 412, description = "The protocol's version is not spoken here.")))]
#[head("/{upload_id}")]
async fn find_upload(ctx: Ctx, caller: Speaker, id: Path<AttachmentId>) -> Result<HttpResponse, Problem> {
    let upload = uploads::find(&ctx, &caller.0, id.0).await?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("Upload-Length", upload.size))
        .insert_header(("Upload-Metadata", upload.metadata.as_str()));
    Ok(progress(response, &upload))
}

/// Send the next bytes of an upload (tus).
///
/// What came before a connection broke is kept. With the last of them the file is looked at as with any upload, and may be
/// refused in the same ways. Of two who send the same bytes at once, one is refused with `wrong_offset`: who comes later takes over. Clients that know no
/// `PATCH` may `POST` with `X-HTTP-Method-Override`.
#[utoipa::path(tag = "attachments",
    request_body(content = String, content_type = "application/offset+octet-stream", description = "The bytes."),
    params(
        ("Tus-Resumable" = String, Header, pattern = r"^1\.0\.0$", description = "The version that is spoken."),
        ("Upload-Offset" = i64, Header, minimum = 0, description = "How many bytes are in before these."),
        ("Upload-Checksum" = Option<String>, Header, pattern = "^(sha1 [A-Za-z0-9+/]{27}=|sha256 [A-Za-z0-9+/]{43}=)$",
         description = "`sha1` or `sha256`, and that of this body in Base64.")),
    responses(
        (status = 204, headers(
            ("Upload-Offset" = i64, description = "How many bytes are in now."),
            ("Upload-Expires" = String, description = "Until when the rest may come."))),
        (status = 409, description = "The upload is at another byte (`wrong_offset`)."),
        (status = 412, description = "The protocol's version is not spoken here."),
        (status = 460, description = "The body is not what its checksum says; nothing of it was kept."),
        (status = 507, description = "The store of files is full.")))]
#[patch("/{upload_id}")]
async fn continue_upload(
    request: HttpRequest,
    ctx: Ctx,
    caller: Speaker,
    id: Path<AttachmentId>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    if !words::brings_bytes(&request) {
        let says = "The body must be application/offset+octet-stream.";
        return Err(Problem::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", says));
    }
    let offset = words::number(request.headers(), "Upload-Offset")?;
    let upload = receive(&request, &ctx, &caller.0, (id.0, offset), body).await?;
    Ok(progress(HttpResponse::NoContent(), &upload))
}

/// End an upload (tus).
///
/// What has come of it is forgotten. An attachment that it became stays.
#[utoipa::path(tag = "attachments",
    params(("Tus-Resumable" = String, Header, pattern = r"^1\.0\.0$", description = "The version that is spoken.")),
    responses((status = 204), (status = 412, description = "The protocol's version is not spoken here.")))]
#[delete("/{upload_id}")]
async fn end_upload(ctx: Ctx, caller: Speaker, id: Path<AttachmentId>) -> Result<HttpResponse, Problem> {
    uploads::end(&ctx, &caller.0, id.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn create(
    request: HttpRequest,
    ctx: Ctx,
    caller: Speaker,
    key: Key,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let mut announced = words::announced(request.headers())?;
    announced.id = announced.id.or_else(|| id_of_key(&caller.0, announced.conversation_id, &key));
    let mut upload = uploads::announce(&ctx, &caller.0, announced).await?;
    if upload.received == 0 && words::brings_bytes(&request) {
        upload = receive(&request, &ctx, &caller.0, (upload.id, 0), body).await?;
    }
    let base = ctx.settings.public_url.as_deref().unwrap_or_default();
    let location = format!("{base}/api/v1/uploads/{}", upload.id);
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, location));
    Ok(progress(response, &upload))
}

/// Takes what a request brings of an upload, to its end or as far as it comes.
async fn receive(
    request: &HttpRequest,
    ctx: &Ctx,
    caller: &Caller,
    (id, offset): (AttachmentId, i64),
    mut body: Body,
) -> Result<Upload, Problem> {
    let checksum = words::checksum(request.headers())?;
    let incoming = receive::begin(ctx, caller, id, offset, checksum).await?;
    while let Some(Ok(piece)) = body.0.next().await {
        if !incoming.take(piece).await {
            break;
        }
    }
    Ok(incoming.end().await?)
}

fn describe(ctx: &Ctx) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header(("Tus-Version", protocol::VERSION))
        .insert_header(("Tus-Extension", "creation,creation-with-upload,termination,expiration,checksum"))
        .insert_header(("Tus-Max-Size", bounds::most_of_all(ctx)))
        .insert_header(("Tus-Checksum-Algorithm", "sha1,sha256"))
        .finish()
}

fn progress(mut response: HttpResponseBuilder, upload: &Upload) -> HttpResponse {
    response
        .insert_header(("Upload-Offset", upload.received))
        .insert_header(("Upload-Expires", header::HttpDate::from(SystemTime::from(upload.expires_at)).to_string()))
        .finish()
}
