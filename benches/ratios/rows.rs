//! The ratios: what is measured, beside which limit, and how far from it it may be.

use std::fmt;

use anyhow::Context;
use colloquy::bench::{history::Part, report::Report};
use strum::VariantArray;

use super::stage::Stage;

/// Something to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum Ratio {
    Send,
    Hot,
    Spread,
    Lone,
    Fanout,
    Idle,
    LongHistory,
    OldHistory,
    Readers,
    ReadersBesidePostgres,
    Connect,
    FullSend,
}

/// How Colloquy and its limit must stand to each other.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// What a ratio says of itself.
pub struct Words {
    pub name: &'static str,
    pub unit: &'static str,
    pub bound: Bound,
}

impl Ratio {
    pub fn words(self) -> Words {
        let words = |name, unit, bound| Words { name, unit, bound };
        match self {
            Self::Send => words("send, 16 in flight / naive pgbench", "messages/s", Bound::AtLeast(3.0)),
            Self::Hot => words("hot / send", "messages/s", Bound::AtLeast(0.8)),
            Self::Spread => words("hot / as many groups of the same people", "messages/s", Bound::AtLeast(0.8)),
            Self::Lone => words("lone send, p50 of acks / one pgbench client", "ms", Bound::AtMost(2.5)),
            Self::Fanout => words("fanout to 1,000 / bare actix-ws", "deliveries/s", Bound::AtLeast(0.9)),
            Self::Idle => words("idle socket / bare actix-ws", "KiB", Bound::AtMost(1.35)),
            Self::LongHistory => words("history, p50 at 1,000,000 / at 10,000", "ms", Bound::AtMost(1.1)),
            Self::OldHistory => words("history, p50 at the far / near end", "ms", Bound::AtMost(1.05)),
            Self::Readers => words("history, 16 readers / 4,000 a second", "pages/s", Bound::AtLeast(1.0)),
            Self::ReadersBesidePostgres => words("history, 16 readers / pgbench", "pages/s", Bound::AtLeast(0.5)),
            Self::Connect => words("connect / 8,000 a second", "sockets/s", Bound::AtLeast(1.0)),
            Self::FullSend => words("send at 5,000,000 messages / at none", "messages/s", Bound::AtLeast(0.85)),
        }
    }

    /// Measures ours and the limit, one right after the other.
    pub async fn measure(self, stage: &Stage) -> anyhow::Result<(f64, f64)> {
        let seconds = stage.load.seconds;
        Ok(match self {
            Self::Send => (rate(&stage.send().await?), stage.pgbench.naive(seconds).await?.per_second),
            Self::Hot => (rate(&stage.hot().await?), rate(&stage.send().await?)),
            Self::Spread => (rate(&stage.hot().await?), rate(&stage.spread().await?)),
            Self::Lone => (p50(&stage.lone().await?)?, stage.pgbench.naive_with(1, seconds).await?.p50_ms),
            Self::Fanout => (rate(&stage.fanout().await?), rate(&stage.bare_fanout().await?)),
            Self::Idle => (kibibytes(&stage.idle().await?)?, kibibytes(&stage.bare_idle().await?)?),
            Self::LongHistory => (p50(&stage.read(Part::Whole, 1).await?)?, p50(&stage.read(Part::Short, 1).await?)?),
            Self::OldHistory => (p50(&stage.read(Part::Oldest, 1).await?)?, p50(&stage.read(Part::Newest, 1).await?)?),
            Self::Readers => (rate(&stage.read(Part::Whole, 16).await?), 4_000.0),
            Self::ReadersBesidePostgres => {
                let [_, long] = stage.histories().await?;
                let limit = stage.pgbench.pages(&long.id, long.head, seconds).await?;
                (rate(&stage.read(Part::Whole, 16).await?), limit.per_second)
            }
            Self::Connect => (rate(&stage.connect().await?), 8_000.0),
            Self::FullSend => (rate(&stage.send_to_full().await?), rate(&stage.send().await?)),
        })
    }
}

impl Bound {
    /// Whether a ratio is as it must be.
    pub fn allows(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(bound) => ratio >= bound,
            Self::AtMost(bound) => ratio <= bound,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(out, "≥ {bound}"),
            Self::AtMost(bound) => write!(out, "≤ {bound}"),
        }
    }
}

fn rate(report: &Report) -> f64 {
    report.per_second
}

fn p50(report: &Report) -> anyhow::Result<f64> {
    Ok(report.latency.as_ref().context("nothing was timed")?.p50_ms)
}

fn kibibytes(report: &Report) -> anyhow::Result<f64> {
    Ok(report.server_bytes.context("there is no /proc here")? as f64 / 1024.0)
}
