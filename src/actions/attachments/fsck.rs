//! Proving that nothing is orphaned: whatever is in the store of files is written down, and whatever somebody needs is there.
//! While servers run: what comes and goes meanwhile is no trouble.

use std::{collections::HashSet, fmt};

use futures_util::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::super::Context;
use crate::{
    domain::{attachment::Rendition, error::Result, ids::BlobId},
    media::vault::Found,
    store::{
        attachments,
        blobs::{self, Place},
    },
};

/// Places or files looked at in one step; no more than that is ever in memory.
const STEP: usize = 1_000;
/// Files asked after at once.
const AT_ONCE: usize = 16;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A file of which nobody knows.
    Stray(String),
    /// A place that nobody needs, and that nobody would ever remove.
    Kept(BlobId),
    /// A place that somebody needs, and that is not written down.
    Unwritten(BlobId),
    /// A file that somebody needs, and that is not there.
    Lost(BlobId, String),
    /// A file that has not the size that it should have.
    Changed(BlobId, String),
}

/// What was looked at, and how much of what was wrong is right now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Files in the store.
    pub found: usize,
    /// Files that somebody needs.
    pub needed: usize,
    /// Troubles.
    pub troubles: usize,
    /// Those of them that were put right.
    pub repaired: usize,
}

/// What to do about troubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Only tell.
    Tell,
    /// Put right what can be: what is lost cannot.
    Repair,
}

/// One check from beginning to end.
struct Check<'a, F> {
    ctx: &'a Context,
    manner: Manner,
    tell: F,
    tally: Tally,
}

/// Looks at everything, and tells of each trouble as it is found.
pub async fn check(ctx: &Context, manner: Manner, tell: impl FnMut(&Trouble)) -> Result<Tally> {
    let mut check = Check { ctx, manner, tell, tally: Tally::default() };
    // First, for what somebody needs and is not written down must not be taken for a stray.
    check.unwritten().await?;
    check.places().await?;
    check.files().await?;
    Ok(check.tally)
}

impl<F: FnMut(&Trouble)> Check<'_, F> {
    /// Tells of a trouble; says whether it is to be put right.
    fn found(&mut self, trouble: &Trouble) -> bool {
        (self.tell)(trouble);
        self.tally.troubles += 1;
        let is_repaired = self.manner == Manner::Repair && !matches!(trouble, Trouble::Lost(..) | Trouble::Changed(..));
        self.tally.repaired += usize::from(is_repaired);
        is_repaired
    }

    async fn unwritten(&mut self) -> Result<()> {
        let unwritten = blobs::unwritten(&mut *self.ctx.db.acquire().await?, STEP as i64).await?;
        for blob in unwritten {
            if self.found(&Trouble::Unwritten(blob)) {
                blobs::write(&mut *self.ctx.db.acquire().await?, &[blob]).await?;
            }
        }
        Ok(())
    }

    /// Whether all that is written down is there.
    async fn places(&mut self) -> Result<()> {
        let mut last = BlobId(Uuid::nil());
        loop {
            let places = blobs::after(&mut *self.ctx.db.acquire().await?, last, STEP as i64).await?;
            let Some(end) = places.last() else { return Ok(()) };
            last = end.blob_id;
            let kept = places.iter().filter(|place| place.name.is_none() && place.doomed_at.is_none());
            for place in kept {
                if self.found(&Trouble::Kept(place.blob_id)) {
                    let now = self.ctx.clock.now();
                    attachments::doom(&mut *self.ctx.db.acquire().await?, &[place.blob_id], now).await?;
                }
            }
            let mut files: Vec<_> = places.iter().filter_map(file).collect();
            // Several may need the same.
            files.sort_unstable();
            files.dedup();
            self.tally.needed += files.len();
            let looking = files.into_iter().map(|file| look(self.ctx, file));
            let troubles: Vec<_> = stream::iter(looking).buffer_unordered(AT_ONCE).try_collect().await?;
            for trouble in troubles.iter().flatten() {
                self.found(trouble);
            }
        }
    }

    /// Whether all that is there is written down.
    async fn files(&mut self) -> Result<()> {
        let mut listed = self.ctx.media.vault.list().try_chunks(STEP);
        while let Some(chunk) = listed.next().await {
            let chunk = chunk.map_err(|stopped| stopped.1)?;
            self.tally.found += chunk.len();
            let blobs: Vec<_> = chunk.iter().filter_map(|found| found.blob).collect();
            let known = blobs::known(&mut *self.ctx.db.acquire().await?, &blobs).await?;
            let known: HashSet<_> = known.into_iter().collect();
            for found in chunk.iter().filter(|found| found.blob.is_none_or(|blob| !known.contains(&blob))) {
                self.stray(found).await?;
            }
        }
        Ok(())
    }

    async fn stray(&mut self, found: &Found) -> Result<()> {
        let vault = &self.ctx.media.vault;
        // Its place was forgotten just now, and it was gone before.
        if vault.has(found).await? && self.found(&Trouble::Stray(found.place.to_string())) {
            vault.remove_found(found).await?;
        }
        Ok(())
    }
}

fn file(place: &Place) -> Option<(BlobId, &str, Option<i64>)> {
    Some((place.blob_id, place.name.as_deref()?, place.size))
}

/// What is wrong with a file that somebody needs.
async fn look(ctx: &Context, (blob, name, size): (BlobId, &str, Option<i64>)) -> Result<Option<Trouble>> {
    let there = match Rendition::named(name) {
        Some(rendition) => ctx.media.vault.size(blob, rendition).await?,
        None => None,
    };
    let trouble = match there {
        None => Trouble::Lost(blob, name.to_owned()),
        Some(there) if size.is_some_and(|size| size != there as i64) => Trouble::Changed(blob, name.to_owned()),
        Some(_) => return Ok(None),
    };
    // It may have gone with whoever needed it.
    let is_needed = blobs::is_needed(&mut *ctx.db.acquire().await?, blob, name).await?;
    Ok(is_needed.then_some(trouble))
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stray(place) => write!(f, "stray      {place}: nobody knows of it"),
            Self::Kept(blob) => write!(f, "kept       {blob}: nobody needs it"),
            Self::Unwritten(blob) => write!(f, "unwritten  {blob}: somebody needs it"),
            Self::Lost(blob, name) => write!(f, "lost       {blob}/{name}: somebody needs it"),
            Self::Changed(blob, name) => write!(f, "changed    {blob}/{name}: it has not the size that it had"),
        }
    }
}
