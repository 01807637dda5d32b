//! `Idempotency-Key`: a creating request that is sent again has the same answer, and is carried out once.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::StatusCode, rt::spawn};
use anyhow::Context as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing::Instrument as _;
use utoipa::IntoParams;

use super::{
    answer::{Answer, Outcome},
    extract::Ctx,
    problem::Problem,
};
use crate::{
    actions::{
        idempotency::{self, Claim, Turn},
        in_time,
    },
    domain::{
        error::{Error, Result},
        ids::UserId,
    },
};

/// Characters of a key at most.
const KEY_CHARACTERS: usize = 255;

/// The key by which a retry is known.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Key {
    /// Any string of up to 255 ASCII characters, such as a UUID; good for 24 hours. A retry with the same key and body does
    /// nothing more: it has the same status, and what was made as it is by then.
    #[param(rename = "Idempotency-Key", max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$")]
    key: Option<String>,
}

impl Key {
    /// The key itself, where the client sent one.
    pub fn text(&self) -> Option<String> {
        self.key.clone()
    }
}

impl FromRequest for Key {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let Some(value) = request.headers().get("Idempotency-Key") else {
            return ready(Ok(Self { key: None }));
        };
        let key = value.to_str().ok().filter(|key| (1..=KEY_CHARACTERS).contains(&key.len())).map(ToOwned::to_owned);
        let refusal = || Problem::plain(StatusCode::BAD_REQUEST, "bad_request", "The Idempotency-Key is not usable.");
        ready(key.map(|key| Self { key: Some(key) }).ok_or_else(refusal))
    }
}

/// Carries out a creating request once per key, to its end although the client may go away. `carry_out` says whether what it
/// answers with is new; whoever asks `again` is answered out of the receipt that it left, as things are then.
pub async fn once<R: DeserializeOwned, T: 'static>(
    ctx: &Ctx,
    (owner, key): (UserId, Key),
    asked: &impl Serialize,
    carry_out: impl AsyncFnOnce(Turn) -> Result<(bool, T)> + 'static,
    again: impl AsyncFnOnce(R) -> Result<T>,
) -> Outcome<T> {
    let Some(key) = key.key else {
        // Boxed, for a future that does so much is too large to be carried about.
        let (is_new, thing) = Box::pin(carry_out(Turn::without_key())).await?;
        return Ok(Answer::created_if(is_new, thing));
    };
    let asked = serde_json::to_vec(asked).map_err(broken)?;
    let turn = match idempotency::claim(ctx, (owner, &key), &asked).await? {
        Claim::Settled(was_new, receipt) => {
            let thing = Box::pin(again(serde_json::from_value(receipt).map_err(broken)?)).await?;
            return Ok(Answer::created_if(was_new, thing));
        }
        Claim::Ours(turn) => turn,
    };
    let ctx = ctx.clone();
    let carrying_out = async move {
        let done = in_time(carry_out(turn.clone())).await;
        // A failed request burns no key: the retry may succeed. Where the key can't be given back, it is abandoned soon.
        if done.is_err()
            && let Err(error) = in_time(turn.release(&ctx)).await
        {
            tracing::warn!(%error, "A key could not be given back: {error}");
        }
        done
    };
    let done = spawn(Box::pin(carrying_out.in_current_span())).await;
    let (is_new, thing) = done.context("a request was cut short").map_err(Error::Internal)??;
    Ok(Answer::created_if(is_new, thing))
}

fn broken(error: serde_json::Error) -> Error {
    Error::Internal(error.into())
}
