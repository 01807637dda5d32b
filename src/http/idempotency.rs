//! `Idempotency-Key`: a creating request that is sent again is answered the same, and carried out once.

use std::future::{Future, Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::IntoParams;

use super::{
    answer::{Answer, Outcome},
    problem::Problem,
};
use crate::{
    actions::{
        Context,
        idempotency::{self, Claim},
    },
    domain::{
        error::{Error, Result},
        user::Caller,
    },
};

/// Characters of a key at most.
const KEY_CHARACTERS: usize = 255;

/// The key by which a retry is known.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Key {
    /// Any string of up to 255 ASCII characters, such as a UUID; good for 24 hours. A retry with the same key and body is
    /// answered as the first request was.
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

/// Carries out a creating request once per key. `carry_out` says whether what it answers with is new.
pub async fn once<T: Serialize>(
    ctx: &Context,
    caller: &Caller,
    key: Key,
    asked: &impl Serialize,
    carry_out: impl Future<Output = Result<(bool, T)>>,
) -> Outcome<Box<RawValue>> {
    // Boxed, for a future that does so much is too large to be carried about.
    let carry_out = Box::pin(carry_out);
    let Some(key) = key.key else {
        let (is_new, thing) = carry_out.await?;
        return Ok(Answer::created_if(is_new, to_raw_value(&thing).map_err(broken)?));
    };
    let asked = serde_json::to_vec(asked).map_err(broken)?;
    let claim = match idempotency::claim(ctx, caller, &key, &asked).await? {
        Claim::Answered(is_new, answer) => {
            return Ok(Answer::created_if(is_new, RawValue::from_string(answer).map_err(broken)?));
        }
        Claim::Ours(claim) => claim,
    };
    match carry_out.await {
        Ok((is_new, thing)) => {
            let rendered = to_raw_value(&thing).map_err(broken)?;
            idempotency::keep(ctx, &claim, is_new, rendered.get()).await?;
            Ok(Answer::created_if(is_new, rendered))
        }
        Err(error) => {
            // A failed request burns no key: the retry may succeed.
            idempotency::release(ctx, &claim).await?;
            Err(error.into())
        }
    }
}

fn broken(error: serde_json::Error) -> Error {
    Error::Internal(error.into())
}
