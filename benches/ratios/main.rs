//! `cargo bench`: Colloquy beside the limits of this machine, measured in turn, and the ratios that it must reach.
//!
//! Each ratio is the median of three rounds; within a round, Colloquy and its limit are measured right after one another,
//! so that whatever else the machine does weighs on both. Words after `--` choose among the ratios; `--seconds 2` and
//! `--rounds 1` make it quicker.

mod bare;
mod pgbench;
mod rows;
mod stage;

use std::{
    env,
    io::{self, Write},
};

use clap::Parser;
use colloquy::{bench::Load, boot::open_files};
use strum::VariantArray;
use tokio::task::LocalSet;

use self::{
    rows::{Ratio, Words},
    stage::Stage,
};

/// The program that is measured, as cargo has just built it.
const PROGRAM: &str = env!("CARGO_BIN_EXE_colloquy");

/// What to measure, and how often.
#[derive(Parser)]
struct Options {
    /// Parts of the names of ratios; all where none is given.
    names: Vec<String>,

    /// Of how many rounds the median is taken.
    #[arg(long, default_value_t = 3)]
    rounds: usize,

    #[command(flatten)]
    load: Load,

    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    open_files::raise_limit();
    let arguments: Vec<_> = env::args().collect();
    if let [_, word, address] = arguments.as_slice()
        && word == bare::WORD
    {
        return Ok(bare::serve(address)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, measure(Options::parse()))
}

async fn measure(options: Options) -> anyhow::Result<()> {
    let is_wanted = |ratio: &&Ratio| {
        options.names.is_empty() || options.names.iter().any(|name| ratio.words().name.contains(name.as_str()))
    };
    let ratios: Vec<_> = Ratio::VARIANTS.iter().filter(is_wanted).collect();
    let stage = Stage::set_up(PROGRAM.into(), options.load).await?;
    let mut pairs = vec![Vec::new(); ratios.len()];
    for _ in 0..options.rounds {
        for (ratio, pairs) in ratios.iter().zip(&mut pairs) {
            writeln!(io::stderr().lock(), "{}", ratio.words().name)?;
            pairs.push(ratio.measure(&stage).await?);
        }
    }
    stage.strike().await;
    let mut out = io::stdout().lock();
    writeln!(out, "| what | Colloquy | limit | unit | ratio | must be | |\n|---|---:|---:|---|---:|---|---|")?;
    for (ratio, pairs) in ratios.iter().zip(&pairs) {
        let (ours, limit) = (median(pairs.iter().map(|pair| pair.0)), median(pairs.iter().map(|pair| pair.1)));
        let quotient = median(pairs.iter().map(|pair| pair.0 / pair.1));
        let Words { name, unit, bound } = ratio.words();
        let verdict = if bound.allows(quotient) { "reached" } else { "**missed**" };
        writeln!(out, "| {name} | {ours:.2} | {limit:.2} | {unit} | {quotient:.2} | {bound} | {verdict} |")?;
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
