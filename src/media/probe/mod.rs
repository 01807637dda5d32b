//! What can be told of a file by what is inside: how long it plays, how it sounds, how large its pictures are, how many
//! pages it has; and what is not to be told of it. Invariant: a file is taken whatever is inside; what cannot be told of it is
//! left out.

mod boxes;
mod pdf;
mod playing;
mod turned;
mod waveform;
mod whereabouts;

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use symphonia::core::io::MediaSource;

pub use self::whereabouts::Trace;
use super::workshop::Deadline;
use crate::domain::attachment::{AttachmentKind, Details, FileType};

/// How long looking into one file may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks into a file of this type. To be called in a process of its own, for its parsers bound neither memory nor time.
pub fn details(file: &File, file_type: FileType) -> Details {
    attempt(|| match file_type.kind {
        AttachmentKind::Audio | AttachmentKind::VoiceNote => playing::sound(Patient::with(file)?),
        AttachmentKind::Video => {
            let mut details = playing::pictures(Patient::with(file)?)?;
            if turned::is_on_its_side(&mut Patient::with(file)?) {
                (details.width, details.height) = (details.height, details.width);
            }
            Some(details)
        }
        AttachmentKind::File if file_type.mime_type == "application/pdf" => {
            Some(Details { page_count: pdf::page_count(Patient::with(file)?), ..Details::default() })
        }
        AttachmentKind::Image | AttachmentKind::File => None,
    })
    .unwrap_or_default()
}

/// What in a file of this type says where it was recorded.
pub fn traces(file: &File, file_type: FileType) -> Vec<Trace> {
    let is_of_boxes = ["/mp4", "/m4a", "/x-m4v", "/3gpp", "/quicktime"];
    if !is_of_boxes.iter().any(|end| file_type.mime_type.ends_with(end)) {
        return Vec::new();
    }
    attempt(|| Some(whereabouts::traces(&mut BufReader::new(Patient::with(file)?)))).unwrap_or_default()
}

/// Whether a file that could have moving pictures in it has nothing but sound.
pub fn is_sound_alone(file: &File) -> bool {
    attempt(|| playing::is_sound_alone(Patient::with(file)?)).unwrap_or_default()
}

/// Whatever happens inside, it is not the end.
fn attempt<T>(look: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_| {
        tracing::warn!("A file could not be looked into: its parser gave up.");
        None
    })
}

/// A file that can be read until patience ends: whoever reads on is told that it broke.
#[derive(Debug)]
struct Patient {
    file: File,
    until: Deadline,
}

impl Patient {
    /// The file from its beginning.
    fn with(file: &File) -> Option<Self> {
        let mut file = file.try_clone().ok()?;
        file.seek(SeekFrom::Start(0)).ok()?;
        Some(Self { file, until: Deadline::within(PATIENCE) })
    }

    fn check(&self) -> io::Result<()> {
        if self.until.is_over() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl Read for Patient {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.file.read(bytes)
    }
}

impl Seek for Patient {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.check()?;
        self.file.seek(to)
    }
}

impl MediaSource for Patient {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        self.file.metadata().ok().map(|metadata| metadata.len())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, path::Path};

    use super::*;
    use crate::media::sniff;

    fn bytes(name: &str) -> Vec<u8> {
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media").join(name)).unwrap()
    }

    fn told(name: &str, bytes: &[u8]) -> Option<(&'static str, Details)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        let file_type = sniff::type_of(&mut file, sniff::ending(name).as_deref()).ok()?;
        Some((file_type.mime_type, details(&file, file_type)))
    }

    #[test]
    fn voices_tell_how_long_they_play_and_how_they_sound() {
        for (name, mime_type, is_decoded) in [
            ("voice.wav", "audio/x-wav", true),
            ("voice.mp3", "audio/mpeg", true),
            ("voice.m4a", "audio/m4a", true),
            ("voice.aac", "audio/aac", true),
            ("voice.ogg", "audio/ogg", true),
            ("voice.flac", "audio/x-flac", true),
            ("voice.opus", "audio/opus", false),
            ("voice.webm", "audio/webm", false),
            ("voice.mka", "audio/x-matroska", false),
        ] {
            let (told_type, details) = told(name, &bytes(name)).unwrap();

            assert_eq!(told_type, mime_type, "{name}");
            let played = details.duration_ms.unwrap_or_default();
            assert!((1_900..2_200).contains(&played), "{name}: {played}");
            assert_eq!((details.width, details.height), (None, None), "{name}");
            let bars = details.waveform;
            if is_decoded {
                assert!(bars.len() == 64 && bars.contains(&100), "{name}: {bars:?}");
                // The first half is a whisper.
                assert!(bars[8..24].iter().all(|bar| *bar < 40), "{name}: {bars:?}");
                assert!(bars[40..56].iter().all(|bar| *bar > 60), "{name}: {bars:?}");
            } else {
                assert_eq!(bars, [] as [u8; 0], "{name}");
            }
        }
    }

    #[test]
    fn clips_tell_how_long_they_play_and_how_large_they_are() {
        for (name, mime_type, size) in [
            ("clip.mp4", "video/mp4", (64, 48)),
            ("turned.mp4", "video/mp4", (48, 64)),
            ("clip.mov", "video/quicktime", (64, 48)),
            ("clip.webm", "video/webm", (64, 48)),
            ("live.webm", "video/webm", (64, 48)),
            ("clip.mkv", "video/x-matroska", (64, 48)),
        ] {
            let (told_type, details) = told(name, &bytes(name)).unwrap();

            assert_eq!(told_type, mime_type, "{name}");
            assert_eq!(details.width.zip(details.height), Some(size), "{name}");
            let played = details.duration_ms.unwrap_or_default();
            assert!((1_700..2_300).contains(&played), "{name}: {played}");
            assert_eq!(details.waveform, [] as [u8; 0], "{name}");
        }
    }

    #[test]
    fn documents_tell_how_many_pages_they_have_unless_they_are_locked() {
        for (name, pages) in [
            ("classic.pdf", Some(3)),
            ("packed.pdf", Some(3)),
            ("linear.pdf", Some(3)),
            ("updated.pdf", Some(4)),
            ("locked.pdf", None),
        ] {
            let (mime_type, details) = told(name, &bytes(name)).unwrap();

            assert_eq!((mime_type, details.page_count), ("application/pdf", pages), "{name}");
        }
        let shifted = [b"\n \n", bytes("classic.pdf").as_slice()].concat();
        assert_eq!(pdf::page_count(std::io::Cursor::new(shifted)), Some(3));
    }

    #[test]
    fn what_is_broken_is_taken_with_what_can_be_told_of_it() {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let whole = bytes(&name);
            for at in (16..whole.len()).step_by(whole.len() / 24) {
                told(&name, &whole[..at]);
                let mut other = whole.clone();
                other[at] ^= 0xff;
                other[at / 2] = 0xff;
                told(&name, &other);
            }
        }
    }
}
