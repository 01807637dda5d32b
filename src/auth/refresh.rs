//! Refresh tokens: opaque, rotated at every use, kept only as hashes.
//!
//! A token is a session's id, the session's own mark, and a fresh secret of 256 bits. The mark never changes: a token that
//! bears it was once given out, so that a spent token is told from a made-up one without keeping all spent ones.
//! # Why a successor is sealed
//! A client whose answer was lost, or two tabs at once, refresh with the same token. They must get the *same* successor, or
//! one of them would hold a token that the other's made worthless. The server keeps only the successor's hash, and the
//! successor itself masked by its predecessor, so that nobody but who holds the predecessor can have it again.

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRng as _, rngs::SysRng};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::{
    error::{AuthFailure, Result},
    ids::SessionId,
    session::RefreshState,
};

const ID_BYTES: usize = 16;
const MARK_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

type Hash = [u8; 32];

/// A refresh token.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Which session it prolongs.
    pub session_id: SessionId,
    mark: [u8; MARK_BYTES],
    secret: [u8; SECRET_BYTES],
}

/// What a presented token is to its session.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The newest one: it is followed by this one, and the state becomes this.
    Rotate(RefreshToken, RefreshState),
    /// The one before, and the newest one, which is given out once more, was not used yet.
    Repeat(RefreshToken),
    /// It was followed by a token that was used since: it has been stolen, or its successor has.
    Spent,
    /// Nobody was ever given this.
    Unknown,
}

impl RefreshToken {
    /// The first token of a new session.
    pub fn begin(session_id: SessionId) -> Result<Self> {
        Ok(Self { session_id, mark: random()?, secret: random()? })
    }

    /// The token in the form that clients are given.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.session_id.0.as_bytes().as_slice(), &self.mark, &self.secret].concat())
    }

    /// The token that a client gave.
    pub fn from_text(text: &str) -> Result<Self> {
        let mut bytes = [0; ID_BYTES + MARK_BYTES + SECRET_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes);
        if length != Ok(bytes.len()) {
            return Err(AuthFailure::InvalidRefreshToken.into());
        }
        let mut token = Self { session_id: SessionId(Uuid::nil()), mark: [0; _], secret: [0; _] };
        let (id, rest) = bytes.split_at(ID_BYTES);
        let (mark, secret) = rest.split_at(MARK_BYTES);
        token.session_id = SessionId(Uuid::from_bytes(id.try_into().expect("split at the length of an id")));
        token.mark.copy_from_slice(mark);
        token.secret.copy_from_slice(secret);
        Ok(token)
    }

    /// What to keep of a session that begins with this token.
    pub fn first_state(&self) -> RefreshState {
        RefreshState {
            mark_hash: hash(&self.mark).to_vec(),
            refresh_hash: hash(&self.secret).to_vec(),
            previous_refresh_hash: None,
            sealed_refresh: None,
        }
    }

    /// What this token is to the session of this state.
    pub fn judge(&self, state: &RefreshState) -> Result<Verdict> {
        // Hashes of random secrets: how long comparing them takes tells nothing that could be used.
        if state.mark_hash != hash(&self.mark) {
            return Ok(Verdict::Unknown);
        }
        let presented = hash(&self.secret).to_vec();
        if presented == state.refresh_hash {
            let next = Self { session_id: self.session_id, mark: self.mark, secret: random()? };
            let state = RefreshState {
                mark_hash: state.mark_hash.clone(),
                refresh_hash: hash(&next.secret).to_vec(),
                previous_refresh_hash: Some(presented),
                sealed_refresh: Some(self.mask(&next.secret).to_vec()),
            };
            return Ok(Verdict::Rotate(next, state));
        }
        let sealed = state.sealed_refresh.as_deref().and_then(|sealed| <[u8; SECRET_BYTES]>::try_from(sealed).ok());
        match sealed {
            Some(sealed) if state.previous_refresh_hash.as_ref() == Some(&presented) => {
                Ok(Verdict::Repeat(Self { session_id: self.session_id, mark: self.mark, secret: self.mask(&sealed) }))
            }
            _ => Ok(Verdict::Spent),
        }
    }

    /// Seals and unseals the secret that follows this one; the pad is used once, since this one is followed once.
    fn mask(&self, secret: &[u8; SECRET_BYTES]) -> [u8; SECRET_BYTES] {
        let pad = Sha256::new().chain_update(b"colloquy refresh successor").chain_update(self.secret).finalize();
        let mut masked = *secret;
        masked.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
        masked
    }
}

fn hash(secret: &[u8]) -> Hash {
    Sha256::digest(secret).into()
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).context("ask the operating system for random bytes")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotate(token: &RefreshToken, state: &RefreshState) -> (RefreshToken, RefreshState) {
        match token.judge(state).unwrap() {
            Verdict::Rotate(next, state) => (next, state),
            _ => panic!("the newest token rotates"),
        }
    }

    #[test]
    fn a_token_survives_its_text_form_and_a_made_up_text_is_no_token() {
        let token = RefreshToken::begin(SessionId::new_v7()).unwrap();

        assert!(RefreshToken::from_text(&token.to_text()).unwrap() == token);
        for text in ["", "x", "not base64!", &token.to_text()[1..], &format!("{}AAAA", token.to_text())] {
            assert!(RefreshToken::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_lost_answer_is_given_again_until_the_new_token_is_used() {
        let first = RefreshToken::begin(SessionId::new_v7()).unwrap();
        let (second, state) = rotate(&first, &first.first_state());

        assert!(first.judge(&state).unwrap() == Verdict::Repeat(second.clone()));
        assert!(first.judge(&state).unwrap() == Verdict::Repeat(second.clone()));

        let (third, state) = rotate(&second, &state);
        assert!(first.judge(&state).unwrap() == Verdict::Spent);
        assert!(second.judge(&state).unwrap() == Verdict::Repeat(third));
    }

    #[test]
    fn a_made_up_token_does_not_pass_for_a_spent_one() {
        let token = RefreshToken::begin(SessionId::new_v7()).unwrap();
        let state = token.first_state();
        let guess = RefreshToken::begin(token.session_id).unwrap();
        let half_right = RefreshToken { secret: guess.secret, ..token.clone() };

        assert!(guess.judge(&state).unwrap() == Verdict::Unknown);
        assert!(half_right.judge(&state).unwrap() == Verdict::Spent);
    }

    #[test]
    fn what_is_kept_is_not_the_token() {
        let first = RefreshToken::begin(SessionId::new_v7()).unwrap();
        let (second, state) = rotate(&first, &first.first_state());

        for kept in [&state.refresh_hash, state.sealed_refresh.as_ref().unwrap()] {
            assert_ne!(kept.as_slice(), second.secret);
        }
    }
}
