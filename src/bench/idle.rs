//! Idle sockets: what each of ten thousand costs while nothing happens.

use std::{
    cell::Cell,
    io,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::{sleep, timeout};

use super::{
    Load, crowd,
    report::Report,
    server::Target,
    socket::{Socket, push_text},
    usage::Watch,
};

/// How many.
const SOCKETS: usize = 10_000;
/// Sockets that are being opened at once.
const AT_ONCE: usize = 64;
/// How long a server may take to forget what it needed while they came.
const SETTLING: Duration = Duration::from_secs(2);
/// How long an answer may take at the end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens sockets of as many people, two of whom always share a conversation, and asks each at the end whether it lives.
pub async fn run(target: &Target, load: &Load) -> anyhow::Result<Report> {
    let pairs = crowd::pairs(target, load.part_of(SOCKETS).div_ceil(2)).await?;
    let people: Vec<_> = pairs.into_iter().flat_map(|(one, other, _)| [one, other]).collect();
    let open = people.iter().map(|person| target.open_socket(&person.token));
    let report = Report::new(format!("idle, {} sockets", people.len()), "sockets");
    drive(open, br#"{"type":"ping"}"#, &target.watch, report).await
}

/// Opens sockets, weighs them, and has each answer `question` in the end.
pub async fn drive(
    open: impl ExactSizeIterator<Item = impl Future<Output = io::Result<Socket>>>,
    question: &[u8],
    watch: &Watch,
    report: Report,
) -> anyhow::Result<Report> {
    let (count, begun, before) = (open.len(), Instant::now(), watch.look());
    let mut sockets: Vec<Socket> = stream::iter(open).buffer_unordered(AT_ONCE).try_collect().await?;
    let took = begun.elapsed();
    sleep(SETTLING).await;
    let after = watch.look();
    let mut silent = 0;
    for socket in &mut sockets {
        if !matches!(timeout(PATIENCE, answer(socket, question)).await, Ok(Ok(()))) {
            silent += 1;
        }
    }
    let bytes = before.zip(after).map(|(before, after)| after.server_bytes.saturating_sub(before.server_bytes));
    Ok(Report {
        count: count as u64,
        per_second: count as f64 / took.as_secs_f64(),
        server_bytes: bytes.map(|bytes| bytes / count as u64),
        errors: silent,
        ..report
    })
}

async fn answer(socket: &mut Socket, question: &[u8]) -> io::Result<()> {
    let (mut frame, has_answered) = (Vec::new(), Cell::new(false));
    push_text(&mut frame, question);
    socket.mouth().write(&frame).await?;
    while !has_answered.get() {
        socket.read(|_| has_answered.set(true)).await?;
    }
    Ok(())
}
