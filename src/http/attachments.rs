//! REST for files: uploading them, and URLs to their bytes.

use std::io::ErrorKind;

use actix_multipart::{Field, MultipartError};
use actix_web::{
    delete,
    error::PayloadError,
    get,
    http::{StatusCode, header::Charset},
    post, web,
};
use bytes::Bytes;
use futures_util::StreamExt;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{Ctx, Form, Json, Path, Signed, too_slow},
    idempotency::Key,
    problem::Problem,
    unrouted,
};
use crate::{
    actions::attachments::{
        collect, serve,
        upload::{self, Coming, Said, Upload, Uploaded},
    },
    domain::{
        error::Error,
        ids::{AttachmentId, ConversationId},
        limits,
        user::Caller,
    },
    wire::{
        attachments::{self, SignAttachments, SignedAttachmentView, UploadForm},
        json::List,
    },
};

/// Bytes of a field that is not the file.
const FIELD_BYTES: usize = 1024;
/// Bytes of a field that nobody asked for.
const SKIPPED_BYTES: usize = 64 * 1024;
/// Fields of a form, at most.
const FIELDS: usize = 100;

/// What has come of a form.
#[derive(Debug, Default)]
struct Filled {
    id: Option<AttachmentId>,
    waveform: Vec<u8>,
    /// A file that has come or is coming, and what it is called.
    file: Option<(Upload, String)>,
}

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config.service(upload_attachment).service(sign_attachments);
    // Its path looks like that of a file.
    config.route("/attachments/sign", web::to(unrouted::refuse));
    config.service(get_attachment).service(delete_attachment);
}

/// Upload a file.
///
/// `multipart/form-data` with the field `file`. It is yours alone until a message takes it by its id, and removed after a
/// day if none does. What it is, its bytes decide; a name that disagrees is refused.
///
/// Pictures are kept upright, without what a camera says of where, when and by whom they were taken, and made smaller where
/// they are larger than screens show. Of films and sound is written over where they were recorded (in MP4, MOV, M4A and 3GP).
/// All that there is to know of a file is in this answer: nothing is added later.
#[utoipa::path(tag = "attachments", params(Key),
    request_body(content = UploadForm, content_type = "multipart/form-data"), responses(
    (status = 201, body = SignedAttachmentView),
    (status = 200, description = "The same was uploaded before.", body = SignedAttachmentView),
    (status = 507, description = "The store of files is full.")))]
#[post("/conversations/{conversation_id}/attachments")]
async fn upload_attachment(
    ctx: Ctx,
    caller: Signed,
    id: Path<ConversationId>,
    key: Key,
    form: Form,
) -> Outcome<SignedAttachmentView> {
    let id_of_key = id_of_key(&caller.0, id.0, &key);
    let uploaded = receive(&ctx, &caller.0, id.0, (id_of_key, form)).await?;
    let answer = show(&ctx, &caller.0, uploaded).await?;
    // Who says by a key that it is a retry is answered as at first.
    Ok(if id_of_key.is_some() { answer.as_at_first() } else { answer })
}

/// Get a file, with fresh URLs to its bytes.
#[utoipa::path(tag = "attachments", responses((status = 200, body = SignedAttachmentView)))]
#[get("/attachments/{attachment_id}")]
async fn get_attachment(ctx: Ctx, caller: Signed, id: Path<AttachmentId>) -> Outcome<SignedAttachmentView> {
    let signed = serve::sign(&ctx, &caller.0, &[id.0]).await?.pop();
    Ok(Answer::Ok(view(signed.ok_or(Error::NotFound("attachment"))?)))
}

/// Get fresh URLs to the bytes of many files.
///
/// Those that you may not see are left out.
#[utoipa::path(tag = "attachments", request_body = SignAttachments,
    responses((status = 200, body = List<SignedAttachmentView>)))]
#[post("/attachments/sign")]
async fn sign_attachments(
    ctx: Ctx,
    caller: Signed,
    body: Json<SignAttachments>,
) -> Outcome<List<SignedAttachmentView>> {
    if body.0.ids.len() > limits::LOOKED_UP_AT_ONCE {
        let says = format!("At most {} ids.", limits::LOOKED_UP_AT_ONCE);
        return Err(Error::field("ids", "too_many", says).into());
    }
    let signed = serve::sign(&ctx, &caller.0, &body.0.ids).await?;
    Ok(Answer::Ok(List::whole(signed.into_iter().map(view).collect())))
}

/// Take back a file that no message has.
#[utoipa::path(tag = "attachments", responses(
    (status = 204),
    (status = 409, description = "A message has it (`attachment_taken`).")))]
#[delete("/attachments/{attachment_id}")]
async fn delete_attachment(ctx: Ctx, caller: Signed, id: Path<AttachmentId>) -> Outcome<()> {
    collect::take_back(&ctx, &caller.0, id.0).await?;
    Ok(Answer::NoContent)
}

/// The id that a file gets where its request carries a key and brings no id: the same again for a retry.
pub(super) fn id_of_key(caller: &Caller, conversation: ConversationId, key: &Key) -> Option<AttachmentId> {
    Some(AttachmentId::of_words(&format!("{} {conversation} {}", caller.user_id, key.text()?)))
}

/// What a client is shown of a file that is in.
pub(super) async fn show(
    ctx: &Ctx,
    caller: &Caller,
    uploaded: Uploaded,
) -> Result<Answer<SignedAttachmentView>, Error> {
    let is_new = matches!(uploaded, Uploaded::New(_));
    let (Uploaded::New(stored) | Uploaded::Before(stored)) = uploaded;
    let signed = serve::sign_one(ctx, caller.user_id, stored, serve::expiry(ctx)).await?;
    Ok(Answer::created_if(is_new, view(signed)))
}

/// Takes what comes in a form: a file, and perhaps an id and a waveform, before it or after.
async fn receive(
    ctx: &Ctx,
    caller: &Caller,
    conversation: ConversationId,
    (id_of_key, form): (Option<AttachmentId>, Form),
) -> Result<Uploaded, Problem> {
    let mut filled = Filled { id: id_of_key, ..Filled::default() };
    let read = filled.read(ctx, caller, conversation, form).await;
    let Filled { id, waveform, file } = filled;
    let Some((upload, filename)) = file else { return Err(read.err().unwrap_or_else(no_file)) };
    match read {
        Ok(()) => Ok(upload.finish(ctx, caller, Said { id, filename, waveform }).await?),
        Err(problem) => {
            upload.abandon(ctx, caller).await;
            Err(problem)
        }
    }
}

impl Filled {
    /// Reads a form to its end: a file is kept only when all that is said of it is known.
    async fn read(
        &mut self,
        ctx: &Ctx,
        caller: &Caller,
        conversation: ConversationId,
        Form { mut fields, least }: Form,
    ) -> Result<(), Problem> {
        for _ in 0..FIELDS {
            let Some(field) = fields.next().await else { return Ok(()) };
            let mut field = field.map_err(|error| unreadable(&error))?;
            match field.name() {
                Some("id") => self.id = Some(read_id(&mut field).await?),
                Some("waveform") => self.waveform = read_waveform(&mut field).await?,
                Some("file") if self.file.is_some() => {
                    return Err(Error::field("file", "too_many", "A form brings one file.").into());
                }
                Some("file") => {
                    let coming = Coming { id: self.id, filename: &filename(&field), least };
                    let upload = upload::begin(ctx, caller, conversation, coming).await?;
                    let (upload, _) = self.file.insert((upload, filename(&field)));
                    pour(field, async |bytes| upload.write(bytes).await).await?;
                }
                _ => skip(field).await?,
            }
        }
        Err(Problem::plain(StatusCode::BAD_REQUEST, "bad_request", format!("A form has at most {FIELDS} fields.")))
    }
}

/// Hands on what a file in a form is, as it comes.
pub(super) async fn pour(
    mut field: Field,
    mut into: impl AsyncFnMut(Bytes) -> Result<(), Error>,
) -> Result<(), Problem> {
    while let Some(chunk) = field.next().await {
        into(chunk.map_err(|error| unreadable(&error))?).await?;
    }
    Ok(())
}

/// Passes over a field that nobody asked for.
pub(super) async fn skip(mut field: Field) -> Result<(), Problem> {
    let mut left = SKIPPED_BYTES;
    while let Some(chunk) = field.next().await {
        let size = chunk.map_err(|error| unreadable(&error))?.len();
        left = left.checked_sub(size).ok_or_else(|| {
            let says = format!("A field that is not the file has at most {SKIPPED_BYTES} bytes.");
            Problem::plain(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", says)
        })?;
    }
    Ok(())
}

/// The form has ended without a file.
pub(super) fn no_file() -> Problem {
    Error::field("file", "required", "The form has no field `file`.").into()
}

async fn read_id(field: &mut Field) -> Result<AttachmentId, Problem> {
    let wrong = || Error::field("id", "invalid_type", "Must be a UUID.");
    let bytes = field.bytes(FIELD_BYTES).await.map_err(|_| wrong())?.map_err(|error| unreadable(&error))?;
    Ok(str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok()).ok_or_else(wrong)?)
}

async fn read_waveform(field: &mut Field) -> Result<Vec<u8>, Problem> {
    let too_long = |_| Error::field("waveform", "too_long", format!("At most {FIELD_BYTES} bytes."));
    let bytes = field.bytes(FIELD_BYTES).await.map_err(too_long)?.map_err(|error| unreadable(&error))?;
    Ok(attachments::waveform(&bytes)?)
}

/// What a file in a form is called. Who says it twice, says it the second time for those who know more letters (RFC 6266, 4.3).
pub(super) fn filename(field: &Field) -> String {
    let Some(how) = field.content_disposition() else { return String::new() };
    let extended = how.get_filename_ext().and_then(|name| in_letters(&name.charset, &name.value));
    extended.or_else(|| how.get_filename().map(ToOwned::to_owned)).unwrap_or_default()
}

/// Text in one of the two encodings that RFC 8187 speaks of.
fn in_letters(charset: &Charset, bytes: &[u8]) -> Option<String> {
    match charset {
        Charset::Iso_8859_1 => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        _ => str::from_utf8(bytes).ok().map(ToOwned::to_owned),
    }
}

/// What is wrong with a form.
pub(super) fn unreadable(error: &MultipartError) -> Problem {
    match error {
        MultipartError::ContentTypeMissing | MultipartError::ContentTypeIncompatible => {
            let says = "The body must be multipart/form-data.";
            Problem::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", says)
        }
        MultipartError::Payload(PayloadError::Io(error)) if error.kind() == ErrorKind::TimedOut => too_slow(),
        _ => Problem::plain(StatusCode::BAD_REQUEST, "bad_request", format!("The form can't be read: {error}.")),
    }
}

fn view(signed: serve::Signed) -> SignedAttachmentView {
    let by_width = |wanted| {
        let found = signed.thumbnails.iter().find(|(width, _)| *width == wanted);
        found.map(|(_, url)| url.clone())
    };
    SignedAttachmentView {
        conversation_id: signed.stored.conversation_id,
        thumbnail_url: by_width(320),
        preview_url: by_width(960),
        attachment: signed.stored.attachment.into(),
        url: signed.url,
        url_expires_at: signed.expires_at,
    }
}
