//! How much a picture may be, and what is made of one that is more than it needs to be.

use std::time::Duration;

use super::{super::workshop, flaw::Flaw};

/// Bytes of a file that is opened: it is held in memory.
pub const BYTES: u64 = 64 * 1024 * 1024;
/// Pixels, which is what the best telephones take.
pub const PIXELS: u64 = 50_000_000;
/// Boxes of an AVIF in one place, its items, and their pieces: more than the largest that is put together of others needs.
pub const AVIF_PARTS: u64 = 100_000;
/// Pixels on one side; WebP has no room for more.
pub const SIDE: u32 = 16_383;
/// Bytes of pixels while they are read.
pub const MEMORY: u64 = 256 * 1024 * 1024;
/// Frames of a moving picture, however small they are.
pub const FRAMES: usize = 2_000;
/// Pixels of a progressive JPEG times how often it goes over them: as many as the largest takes to come in ten scans.
pub const SCANNED: u64 = 10 * PIXELS;
/// Time for all that is done with one.
const TIME: Duration = Duration::from_secs(20);

/// The longest side of a picture that is kept, unless the rules keep pictures as they came.
pub const KEPT_SIDE: u32 = 4_096;
/// Bytes from which a JPEG is tried smaller, unless the rules keep pictures as they came.
pub const KEPT_BYTES: usize = 2 * 1024 * 1024;

/// Refuses more of something than there has to be.
pub fn few(count: u64, most: u64) -> Result<(), Flaw> {
    if count > most { Err(Flaw::Broken) } else { Ok(()) }
}

/// When an examination must be over. Pixels and bytes bound each step of it, and this their sum.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(workshop::Deadline);

impl Deadline {
    /// Begins now.
    pub fn begin() -> Self {
        Self::within(TIME)
    }

    pub(super) fn within(time: Duration) -> Self {
        Self(workshop::Deadline::within(time))
    }

    /// Refuses to go on once the time is over.
    pub fn check(self) -> Result<(), Flaw> {
        if self.0.is_over() { Err(Flaw::TooSlow) } else { Ok(()) }
    }
}

/// Refuses a picture that is too large before a pixel of it is read.
pub fn check_size(width: u32, height: u32) -> Result<(), Flaw> {
    let fits = width <= SIDE && height <= SIDE && u64::from(width) * u64::from(height) <= PIXELS;
    match (width, height) {
        (0, _) | (_, 0) => Err(Flaw::Broken),
        _ if fits => Ok(()),
        _ => Err(Flaw::TooManyPixels),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bounded_on_each_side_and_as_a_whole() {
        for (width, height, verdict) in [
            (1, 1, Ok(())),
            (8_160, 6_120, Ok(())),
            (16_383, 3_000, Ok(())),
            (16_384, 1, Err(Flaw::TooManyPixels)),
            (50_000, 50_000, Err(Flaw::TooManyPixels)),
            (10_000, 5_001, Err(Flaw::TooManyPixels)),
            (u32::MAX, u32::MAX, Err(Flaw::TooManyPixels)),
            (0, 5, Err(Flaw::Broken)),
        ] {
            assert_eq!(check_size(width, height), verdict, "{width} × {height}");
        }
    }
}
