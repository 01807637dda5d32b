//! Pictures: how long 99 % of what is said takes alone, and beside clients that upload pictures of nearly as many pixels as
//! may be, every other of which breaks off at its end; at half of what can be sent, and as fast as it is answered.

use std::{
    io,
    ops::Range,
    slice,
    time::{Duration, Instant},
};

use anyhow::Context;
use flate2::Crc;
use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage, codecs::png::PngEncoder};
use tokio_util::sync::CancellationToken;

use super::{
    Load,
    crowd::{self, Person},
    http::Http,
    meter, paced,
    report::Report,
    send,
    server::Target,
};

/// Clients that upload.
const UPLOADERS: usize = 4;
/// How often it is measured alone and beside them.
const ROUNDS: usize = 3;
/// Messages in flight of each speaker where it is found out how much can be sent.
const IN_FLIGHT: usize = 4;
/// Pixels of a picture.
const PIXELS: usize = 48_000_000;
/// Where a PNG says what it is, how high it is, and the checksum of both (PNG, 5.6 and 11.2.1).
const HEADER: Range<usize> = 12..29;
const HEIGHT: Range<usize> = 20..24;
const CHECKSUM: Range<usize> = 29..33;

/// How often those speak beside whom there are pictures.
#[derive(Clone, Copy)]
enum Pace {
    /// So often in a second, all together, which is half of what they could.
    Half(f64),
    /// As soon as they are answered.
    AsAnswered,
}

/// What is uploaded.
struct Pictures {
    whole: Vec<u8>,
    broken: Vec<u8>,
}

/// What became of it.
struct Uploads {
    latency: Histogram<u64>,
    faults: Vec<String>,
}

/// Loads direct conversations, in turn alone and beside uploads.
pub async fn run(target: &Target, load: &Load) -> anyhow::Result<Vec<Report>> {
    let pictures = Pictures::draw(load.part_of(PIXELS).isqrt() as u32)?;
    let mut uploaders = Vec::new();
    for person in crowd::people(target, UPLOADERS).await? {
        // Each in a place of their own, for the same bytes are looked into once in each.
        uploaders.push((crowd::group(target, slice::from_ref(&person)).await?, person));
    }
    let half = send::direct(target, load, (send::SPEAKERS, IN_FLIGHT)).await?.per_second / 2.0;
    let mut reports = Vec::new();
    for _ in 0..ROUNDS {
        for pace in [Pace::Half(half), Pace::AsAnswered] {
            let alone = pace.send(target, load).await?;
            let (over, begun) = (CancellationToken::new(), Instant::now());
            let beside = async {
                let report = pace.send(target, load).await;
                over.cancel();
                report
            };
            let uploading = try_join_all(uploaders.iter().map(|uploader| upload(target, uploader, &pictures, &over)));
            let (beside, uploads) = tokio::join!(beside, uploading);
            let (mut beside, uploads) = (beside?, uploads.context("a connection of those who upload broke")?);
            beside.p99_ratio = beside.latency.zip(alone.latency).map(|(beside, alone)| beside.p99_ms / alone.p99_ms);
            let named = |what: &str| format!("{}, {what} pictures", pace.name());
            reports.push(Report { scenario: named("no"), ..alone });
            reports.push(Report { scenario: named("beside"), ..beside });
            reports.push(told(uploads, begun.elapsed())?);
        }
    }
    Ok(reports)
}

impl Pace {
    fn name(self) -> &'static str {
        match self {
            Self::Half(_) => "send, half load",
            Self::AsAnswered => "send",
        }
    }

    async fn send(self, target: &Target, load: &Load) -> anyhow::Result<Report> {
        match self {
            Self::Half(per_second) => {
                let [report, _] = paced::direct([target; 2], load, per_second, [""; 2]).await?;
                Ok(report)
            }
            Self::AsAnswered => send::direct(target, load, (send::SPEAKERS, 1)).await,
        }
    }
}

fn told(uploads: Vec<Uploads>, took: Duration) -> anyhow::Result<Report> {
    let mut latency = meter::latency();
    let mut faults = Vec::new();
    for uploads in uploads {
        latency.add(uploads.latency)?;
        faults.extend(uploads.faults);
    }
    let report = Report::new(format!("pictures, {UPLOADERS} clients"), "pictures");
    Ok(report.counted(latency.len(), took, &latency).faults(faults))
}

/// Uploads one picture after the other until it is over, and takes back what was taken.
async fn upload(
    target: &Target,
    (group, person): &(String, Person),
    pictures: &Pictures,
    over: &CancellationToken,
) -> io::Result<Uploads> {
    let mut uploads = Uploads { latency: meter::latency(), faults: Vec::new() };
    let mut http = Http::connect(target.address).await?;
    let path = format!("/conversations/{group}/attachments");
    while !over.is_cancelled() {
        for (picture, expected) in [(&pictures.whole, 201), (&pictures.broken, 422)] {
            let begun = Instant::now();
            let (status, body) = http.upload(&path, &person.token, ("picture.png", picture)).await?;
            uploads.latency.saturating_record(begun.elapsed().as_nanos() as u64);
            if status != expected {
                let answer = String::from_utf8_lossy(body);
                uploads.faults.push(format!("a picture was answered with {status} and not {expected}: {answer}"));
            }
            if status == 201 {
                let id = crowd::id_in(body)?;
                http.delete(&format!("/attachments/{id}"), &person.token).await?;
            }
        }
    }
    Ok(uploads)
}

impl Pictures {
    /// Draws a square picture, and makes one of it that says that there is a row more than there is.
    fn draw(side: u32) -> anyhow::Result<Self> {
        let picture = RgbImage::from_fn(side, side, |x, y| Rgb([(x / 16) as u8, (y / 16) as u8, 128]));
        let mut whole = Vec::new();
        PngEncoder::new(&mut whole).write_image(&picture, side, side, ExtendedColorType::Rgb8)?;
        let mut broken = whole.clone();
        broken[HEIGHT].copy_from_slice(&(side + 1).to_be_bytes());
        let mut checksum = Crc::new();
        checksum.update(&broken[HEADER]);
        broken[CHECKSUM].copy_from_slice(&checksum.sum().to_be_bytes());
        Ok(Self { whole, broken })
    }
}
