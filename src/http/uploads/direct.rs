//! REST for files that go straight into the store.

use actix_web::post;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    actions::uploads::{Announced, direct},
    domain::ids::{AttachmentId, ConversationId},
    http::{
        answer::{Answer, Outcome},
        attachments::{id_of_key, show},
        extract::{Ctx, Json, Path, Signed},
        idempotency::Key,
    },
    wire::{
        attachments::SignedAttachmentView,
        uploads::{Presign, PresignedView},
    },
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config.service(presign_upload).service(complete_upload);
}

/// Announce a file that goes straight into the store.
///
/// Send its bytes to the URL, then complete it; until then nobody sees it, and after a day it is forgotten. Stores that are
/// directories take nothing directly.
#[utoipa::path(tag = "attachments", params(Key), request_body = Presign, responses(
    (status = 201, body = PresignedView),
    (status = 409, description = "The store takes nothing directly (`unsupported`), or a bound is full.")))]
#[post("/conversations/{conversation_id}/attachments/presign")]
async fn presign_upload(
    ctx: Ctx,
    caller: Signed,
    conversation: Path<ConversationId>,
    key: Key,
    body: Json<Presign>,
) -> Outcome<PresignedView> {
    let sha256 = body.0.sha256()?;
    let Presign { id, filename, size, waveform, .. } = body.0;
    let (conversation_id, metadata, waveform) = (conversation.0, String::new(), waveform.unwrap_or_default());
    let id = id.or_else(|| id_of_key(&caller.0, conversation_id, &key));
    let announced = Announced { id, conversation_id, filename, size, metadata, waveform, sha256 };
    let presigned = direct::presign(&ctx, &caller.0, announced).await?;
    Ok(Answer::Created(PresignedView {
        id: presigned.upload.id,
        url: presigned.put.url,
        method: "PUT",
        headers: presigned.put.headers.iter().copied().collect(),
        expires_at: presigned.expires_at,
    }))
}

/// Complete a file that went straight into the store.
///
/// The server now looks at it, and answers or refuses as with any upload; what is refused is forgotten.
#[utoipa::path(tag = "attachments", responses(
    (status = 201, body = SignedAttachmentView),
    (status = 200, description = "It was completed before.", body = SignedAttachmentView),
    (status = 409, description = "It is not in the store yet (`not_uploaded`), or a bound is full."),
    (status = 413, description = "It is larger than it was announced."),
    (status = 415, description = "Files of its type are not taken."),
    (status = 507, description = "The store of files is full.")))]
#[post("/conversations/{conversation_id}/attachments/{attachment_id}/complete")]
async fn complete_upload(
    ctx: Ctx,
    caller: Signed,
    path: Path<(ConversationId, AttachmentId)>,
) -> Outcome<SignedAttachmentView> {
    let (conversation, id) = path.0;
    let uploaded = direct::complete(&ctx, &caller.0, conversation, id).await?;
    Ok(show(&ctx, &caller.0, uploaded).await?)
}
