//! Connecting: sockets that open, prove who they are, hear that they may begin, and go.

use std::{io, rc::Rc, time::Instant};

use tokio::task::JoinSet;

use super::{Load, crowd, meter::Meter, report::Report, server::Target, usage::Watch};

/// Sockets that are being opened at once.
const AT_ONCE: usize = 64;
/// Who comes.
const PEOPLE: usize = 1_000;

/// Opens sockets of many people, one after the other at each of some doors.
pub async fn run(target: &Target, load: &Load) -> anyhow::Result<Report> {
    let people = Rc::new(crowd::people(target, load.part_of(PEOPLE)).await?);
    let open = {
        let target = target.clone();
        move |number: usize| {
            let (target, people) = (target.clone(), Rc::clone(&people));
            async move { target.open_socket(&people[number % people.len()].token).await.map(drop) }
        }
    };
    drive(open, load, &target.watch, Report::new("connect", "sockets")).await
}

/// Has sockets opened by `open`, which is told the how manieth it is.
pub async fn drive<F>(
    open: impl Fn(usize) -> F + Clone + 'static,
    load: &Load,
    watch: &Watch,
    report: Report,
) -> anyhow::Result<Report>
where
    F: Future<Output = io::Result<()>>,
{
    let meter = Rc::new(Meter::new());
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE {
        let (open, meter) = (open.clone(), Rc::clone(&meter));
        tasks.spawn_local(async move {
            let mut fault = None;
            for number in (first..).step_by(AT_ONCE).take_while(|_| !meter.is_over()) {
                let begun = Instant::now();
                match open(number).await {
                    Ok(()) => meter.done(begun),
                    Err(error) => {
                        meter.failed();
                        fault.get_or_insert_with(|| error.to_string());
                    }
                }
            }
            fault
        });
    }
    let report = meter.measure(report, watch, load.time()).await;
    let faults = tasks.join_all().await.into_iter().flatten();
    Ok(report.errors(meter.errors()).faults(faults))
}
