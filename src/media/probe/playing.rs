//! Sound and moving pictures: how long they play, how large the pictures are, and how the sound rises and falls.

use std::io;

use symphonia::{
    core::{
        codecs::{
            CodecParameters,
            audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions},
        },
        common::Limit,
        errors::Error,
        formats::{FormatOptions, FormatReader, Track, TrackType, probe::Hint},
        io::{MediaSourceStream, MediaSourceStreamOptions},
        meta::MetadataOptions,
        packet::Packet,
        units::{Duration, TimeBase, Timestamp},
    },
    default::{get_codecs, get_probe},
};

use super::{Patient, waveform::Envelope};
use crate::domain::attachment::Details;

/// Bytes of a name or a cover that are kept while a file is looked into.
const TAG_BYTES: usize = 4 * 1024;
/// Sound that plays longer is not listened to.
const LISTENED_MS: i64 = 5 * 60 * 1_000;

/// What can be told of sound.
pub fn sound(file: Patient) -> Option<Details> {
    let mut format = open(file)?;
    let track = format.default_track(TrackType::Audio)?.clone();
    let stated = stated_ms(&*format, &track);
    let decoder = track.codec_params.as_ref().and_then(CodecParameters::audio).and_then(decoder);
    if let Some(decoder) = decoder.filter(|_| stated.is_none_or(|stated| stated <= LISTENED_MS)) {
        let (heard_ms, waveform) = listen(&mut *format, &track, decoder);
        return Some(Details { duration_ms: stated.or(heard_ms), waveform, ..Details::default() });
    }
    let duration_ms = stated.or_else(|| walk(&mut *format, &track));
    Some(Details { duration_ms, ..Details::default() })
}

/// What can be told of moving pictures.
pub fn pictures(file: Patient) -> Option<Details> {
    let mut format = open(file)?;
    let track = format.default_track(TrackType::Video)?.clone();
    let duration_ms = stated_ms(&*format, &track).or_else(|| walk(&mut *format, &track));
    let size = track.codec_params.as_ref().and_then(CodecParameters::video);
    let side = |pixels: Option<u16>| pixels.filter(|pixels| *pixels > 0).map(u32::from);
    let (width, height) = size.map_or((None, None), |size| (side(size.width), side(size.height)));
    Some(Details { width, height, duration_ms, ..Details::default() })
}

/// Whether there is sound in it and nothing to see.
pub fn is_sound_alone(file: Patient) -> Option<bool> {
    let format = open(file)?;
    let has = |kind| format.tracks().iter().any(|track| track.track_type() == Some(kind));
    Some(has(TrackType::Audio) && !has(TrackType::Video))
}

fn open(file: Patient) -> Option<Box<dyn FormatReader>> {
    let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
    let limit = Limit::Maximum(TAG_BYTES);
    let tags = MetadataOptions::default().limit_tag_bytes(limit).limit_visual_bytes(limit);
    get_probe().probe(&Hint::new(), stream, FormatOptions::default(), tags).ok()
}

/// How long it plays, as the file says.
fn stated_ms(format: &dyn FormatReader, track: &Track) -> Option<i64> {
    let media = format.media_info();
    let of_track = milliseconds(track.time_base, track.duration);
    of_track.or_else(|| milliseconds(media.time_base, media.duration)).filter(|stated| *stated > 0)
}

/// How long it plays, by its last packet: what is recorded as it is sent does not say.
fn walk(format: &mut dyn FormatReader, track: &Track) -> Option<i64> {
    let mut end = None;
    while let Some(packet) = next(format).ok()? {
        if packet.track_id == track.id {
            end = end.max(end_of(track, packet.pts, packet.dur));
        }
    }
    milliseconds(track.time_base, end)
}

/// Listens to all of it: how long it plays and how loud it is when. Where it breaks off, nothing is known of either.
fn listen(format: &mut dyn FormatReader, track: &Track, mut decoder: Box<dyn AudioDecoder>) -> (Option<i64>, Vec<u8>) {
    let mut envelope = Envelope::default();
    let (mut samples, mut end) = (Vec::<f32>::new(), None);
    loop {
        let packet = match next(format) {
            Ok(Some(packet)) => packet,
            Ok(None) => return (milliseconds(track.time_base, end), envelope.bars()),
            Err(_) => return (None, Vec::new()),
        };
        if packet.track_id != track.id {
            continue;
        }
        end = end.max(end_of(track, packet.pts, packet.dur));
        match decoder.decode(&packet) {
            Ok(heard) => {
                samples.clear();
                heard.copy_to_vec_interleaved(&mut samples);
                let spec = heard.spec();
                envelope.hear(&samples, spec.rate() as usize * spec.channels().count());
            }
            Err(Error::DecodeError(_)) => {}
            Err(_) => return (None, Vec::new()),
        }
        if envelope.milliseconds() > LISTENED_MS {
            return (walk(format, track), Vec::new());
        }
    }
}

/// The next packet; what was recorded as it was sent ends where it was cut off.
fn next(format: &mut dyn FormatReader) -> Result<Option<Packet>, Error> {
    match format.next_packet() {
        Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        other => other,
    }
}

fn decoder(sound: &AudioCodecParameters) -> Option<Box<dyn AudioDecoder>> {
    get_codecs().make_audio_decoder(sound, &AudioDecoderOptions::default()).ok()
}

fn end_of(track: &Track, start: Timestamp, duration: Duration) -> Option<Duration> {
    start.checked_add(duration)?.duration_from(track.start_ts)
}

fn milliseconds(base: Option<TimeBase>, duration: Option<Duration>) -> Option<i64> {
    base?.calc_duration(duration?)?.as_millis().try_into().ok()
}
