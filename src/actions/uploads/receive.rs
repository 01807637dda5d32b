//! Receiving: bytes come in parts, and each part is in the vault and written down before the next is taken, so that
//! whatever breaks, what has come need not come again.
//!
//! # Why the last part is written down with the attachment alone
//! An upload that says that all is in must never be without its file: who asks how far it is would be content.

use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    super::{Context, attachments::upload::claim_place},
    conclude, find_in,
    rows::{add_part, parts},
    stays_until,
    turns::Turn,
};
use crate::{
    domain::{
        attachment::Rendition,
        error::{Conflict, Error, Result},
        ids::AttachmentId,
        limits,
        upload::{Checksum, Upload},
        user::Caller,
    },
    media::{
        staging::{Complete, Staged},
        vault::Manner,
    },
    store::attachments::doom,
};

/// Bytes after which a part is written down: what a crash can cost.
const PART_BYTES: u64 = 4 * 1024 * 1024;
/// Some bytes, with what is let go once they are taken.
type Piece = (Bytes, oneshot::Sender<()>);

/// Bytes of an upload that come in. Should who brings them go away in between, what has come is kept.
#[derive(Debug)]
pub struct Incoming {
    pieces: mpsc::Sender<Piece>,
    taking: JoinHandle<Result<Upload>>,
}

/// Takes bytes of an upload, the first of which is this one; with a checksum all of them or none.
pub async fn begin(
    ctx: &Arc<Context>,
    caller: &Caller,
    id: AttachmentId,
    offset: i64,
    checksum: Option<Checksum>,
) -> Result<Incoming> {
    let turn = ctx.turns.take((caller.user_id, id)).await?;
    let mut db = ctx.db.acquire().await?;
    let upload = find_in(&mut db, caller, id, ctx.clock.now()).await?;
    if upload.place.is_some() {
        return Err(Error::NotFound("upload"));
    }
    if upload.received != offset {
        return Err(Conflict::WrongOffset.into());
    }
    let count = parts(&mut db, &upload).await?.len();
    drop(db);
    let (pieces, coming) = mpsc::channel(1);
    let taker = Taker { ctx: Arc::clone(ctx), caller: caller.clone(), turn, upload, count, checksum };
    Ok(Incoming { pieces, taking: tokio::spawn(taker.run(coming)) })
}

impl Incoming {
    /// Takes some bytes, one piece after the other, so that no more is in memory; false where no more are wanted.
    pub async fn take(&self, piece: Bytes) -> bool {
        let (taken, wait) = oneshot::channel();
        let is_wanted = self.pieces.send((piece, taken)).await.is_ok();
        // It is let go when the piece is.
        wait.await.ok();
        is_wanted
    }

    /// No more come; answers with how far the upload is.
    pub async fn end(self) -> Result<Upload> {
        drop(self.pieces);
        self.taking.await.context("receiving an upload was cut short").map_err(Error::Internal)?
    }
}

struct Taker {
    ctx: Arc<Context>,
    caller: Caller,
    turn: Turn,
    upload: Upload,
    count: usize,
    checksum: Option<Checksum>,
}

impl Taker {
    async fn run(mut self, mut coming: mpsc::Receiver<Piece>) -> Result<Upload> {
        let (offset, mut goes_on) = (self.upload.received, true);
        while goes_on {
            let mut part = self.ctx.media.stage(self.upload.size as u64).await?.of(self.caller.user_id);
            goes_on = self.fill(&mut part, &mut coming).await?;
            if let Some(checksum) = self.checksum.take() {
                checksum.check()?;
            }
            let part = part.complete()?;
            match self.upload.received + part.size as i64 {
                _ if part.size == 0 => {}
                end if end == self.upload.size => self.finish(part).await?,
                _ => self.add(part).await?,
            }
        }
        // Who came later brings the same bytes.
        if self.turn.is_over() && self.upload.received == offset {
            return Err(Conflict::WrongOffset.into());
        }
        Ok(self.upload)
    }

    /// Takes what comes until that is enough for a part; whether there may be more.
    async fn fill(&mut self, part: &mut Staged, coming: &mut mpsc::Receiver<Piece>) -> Result<bool> {
        loop {
            let piece = tokio::select! {
                biased;
                () = self.turn.ends() => None,
                piece = coming.recv() => piece,
            };
            let Some((piece, _taken)) = piece else { break };
            if self.upload.received as u64 + part.size() + piece.len() as u64 > self.upload.size as u64 {
                return Err(Error::TooLarge { kind: None, most: self.upload.size as u64 });
            }
            if let Some(checksum) = &mut self.checksum {
                checksum.add(&piece);
            }
            part.write(piece).await?;
            if self.checksum.is_none() && part.size() >= PART_BYTES {
                return Ok(true);
            }
        }
        if self.turn.is_over() && self.checksum.is_some() {
            return Err(Conflict::WrongOffset.into());
        }
        Ok(false)
    }

    /// Keeps a part that is not the last.
    async fn add(&mut self, part: Complete) -> Result<()> {
        if self.count == limits::UPLOAD_PARTS {
            return Err(Error::LimitReached { what: "parts", most: limits::UPLOAD_PARTS });
        }
        let (blob, size) = (claim_place(&self.ctx, stays_until(&self.upload)).await?, part.size as i64);
        self.ctx.media.vault.put_file(blob, part.file, &Manner::of_parts()).await?;
        let mut tx = self.ctx.db.begin().await?;
        let is_added = add_part(&mut tx, &self.upload, (blob, size)).await?;
        if !is_added {
            doom(&mut tx, &[blob], self.ctx.clock.now()).await?;
        }
        tx.commit().await?;
        if !is_added {
            return Err(Conflict::WrongOffset.into());
        }
        self.upload.received += size;
        self.count += 1;
        Ok(())
    }

    /// Puts the parts together and keeps the file.
    async fn finish(&mut self, last: Complete) -> Result<()> {
        let whole = if self.upload.received == 0 { last } else { self.join(last).await? };
        conclude(&self.ctx, &self.caller, &self.upload, whole).await?;
        self.upload.received = self.upload.size;
        Ok(())
    }

    async fn join(&self, last: Complete) -> Result<Complete> {
        let mut db = self.ctx.db.acquire().await?;
        let parts = parts(&mut db, &self.upload).await?;
        drop(db);
        let _turn = self.ctx.media.fetching().await?;
        let mut whole = self.ctx.media.stage(self.upload.size as u64).await?.of(self.caller.user_id);
        for part in parts {
            let reading = self.ctx.media.vault.get(part, Rendition::Original, None).await?;
            whole.read(reading.ok_or(Conflict::WrongOffset)?).await?;
        }
        whole.append(last).await?;
        // The parts are gone where somebody else was first.
        if whole.size() == self.upload.size as u64 { whole.complete() } else { Err(Conflict::WrongOffset.into()) }
    }
}
