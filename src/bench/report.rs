//! What a scenario found out, for people and for machines.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::usage::Usage;

/// Faults that are spelt out; the rest is counted.
const FAULTS_SHOWN: usize = 10;

/// What one scenario measured, and what was wrong with what it got.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Which scenario, and with how much of what.
    pub scenario: String,
    /// What is counted.
    pub unit: &'static str,
    /// How many in all.
    pub count: u64,
    /// How many in a second.
    pub per_second: f64,
    /// How long one took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// How many times as long 99 % took as where nothing else was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ratio: Option<f64>,
    /// Microseconds on a processor that the server spent for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpu_us: Option<f64>,
    /// The same of its PostgreSQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_cpu_us: Option<f64>,
    /// Memory of the server for each, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_bytes: Option<u64>,
    /// What failed.
    pub errors: u64,
    /// What was wrong although it did not fail: a lost message, one out of order, a wrong count.
    pub faults: Vec<String>,
}

/// Milliseconds within which half, 99 % and 99.9 % were done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Half.
    pub p50_ms: f64,
    /// 99 %.
    pub p99_ms: f64,
    /// 99.9 %.
    pub p999_ms: f64,
}

impl Report {
    /// An empty report.
    pub fn new(scenario: impl Into<String>, unit: &'static str) -> Self {
        Self { scenario: scenario.into(), unit, ..Self::default() }
    }

    /// So many, in so long.
    #[must_use]
    pub fn counted(mut self, count: u64, took: Duration, latency: &Histogram<u64>) -> Self {
        let at = |quantile| latency.value_at_quantile(quantile) as f64 / 1e6;
        self.count = count;
        self.per_second = count as f64 / took.as_secs_f64();
        self.latency = (!latency.is_empty()).then(|| Latency { p50_ms: at(0.5), p99_ms: at(0.99), p999_ms: at(0.999) });
        self
    }

    /// What the server took for each between two looks.
    #[must_use]
    pub fn cost(mut self, before: Option<Usage>, after: Option<Usage>) -> Self {
        if let Some((before, after)) = before.zip(after) {
            let each = |before: Duration, after: Duration| {
                (self.count > 0).then(|| after.saturating_sub(before).as_secs_f64() * 1e6 / self.count as f64)
            };
            (self.server_cpu_us, self.postgres_cpu_us) =
                (each(before.server, after.server), each(before.postgres, after.postgres));
        }
        self
    }

    /// So many failed.
    #[must_use]
    pub fn errors(mut self, errors: u64) -> Self {
        self.errors = errors;
        self
    }

    /// This was wrong.
    #[must_use]
    pub fn faults(mut self, faults: impl IntoIterator<Item = String>) -> Self {
        self.faults.extend(faults);
        self
    }

    /// Whether everything was right.
    pub fn is_right(&self) -> bool {
        self.errors == 0 && self.faults.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:<28}{:>9.0} {}/s", self.scenario, self.per_second, self.unit)?;
        if let Some(Latency { p50_ms, p99_ms, p999_ms }) = self.latency {
            write!(out, "   p50 {p50_ms:.2} p99 {p99_ms:.2} p99.9 {p999_ms:.2} ms")?;
        }
        if let Some(ratio) = self.p99_ratio {
            write!(out, "   p99 × {ratio:.2} of that alone")?;
        }
        if let Some(cpu) = self.server_cpu_us {
            write!(out, "   {cpu:.1} µs server")?;
        }
        if let Some(cpu) = self.postgres_cpu_us {
            write!(out, ", {cpu:.1} µs PostgreSQL")?;
        }
        if let Some(bytes) = self.server_bytes {
            write!(out, "   {:.1} KiB each", bytes as f64 / 1024.0)?;
        }
        write!(out, "   {} errors", self.errors)?;
        for fault in self.faults.iter().take(FAULTS_SHOWN) {
            write!(out, "\n    wrong: {fault}")?;
        }
        if let Some(more) = self.faults.len().checked_sub(FAULTS_SHOWN).filter(|more| *more > 0) {
            write!(out, "\n    and {more} more")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_told_for_each() {
        let usage = |server, postgres| Usage {
            server: Duration::from_millis(server),
            postgres: Duration::from_millis(postgres),
            ..Usage::default()
        };
        let histogram = Histogram::new(3).expect("three digits are allowed");

        let report = Report::new("send", "messages").counted(1_000, Duration::from_secs(2), &histogram);
        let report = report.cost(Some(usage(100, 10)), Some(usage(150, 40)));

        assert_eq!((report.per_second, report.latency), (500.0, None));
        assert_eq!((report.server_cpu_us, report.postgres_cpu_us), (Some(50.0), Some(30.0)));
        assert_eq!(report.cost(None, None).server_cpu_us, Some(50.0));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let report = Report::new("send", "messages").faults((0..12).map(|number| format!("fault {number}")));

        assert!(!report.is_right() && !Report::default().errors(1).is_right() && Report::default().is_right());
        let said = report.to_string();
        assert!(said.contains("wrong: fault 9") && said.ends_with("and 2 more"), "{said}");
    }
}
