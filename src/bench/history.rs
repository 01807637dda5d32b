//! History: pages of 50 out of a short and a very long conversation, at random places, at its beginning and at its end.

use std::{io, ops::Range, rc::Rc, time::Instant};

use anyhow::Context;
use memchr::memmem;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;

use super::{
    Load,
    crowd::{self, Person},
    http::Http,
    meter::Meter,
    report::Report,
    server::Target,
    words,
};

/// Messages of a page.
const PAGE: i64 = 50;
/// Who read at once, where it is about how many pages there are and not about how long one takes.
const READERS: usize = 16;
/// Messages of the short conversation.
pub const SHORT: usize = 10_000;
/// Messages of the long one.
pub const LONG: usize = 1_000_000;
/// What is read of the long conversation where it is read at one of its ends.
const END: i64 = 5_000;

/// A conversation that was filled.
pub struct Filled {
    /// Which.
    pub id: String,
    /// Who may read it.
    pub reader: Person,
    /// Its newest message.
    pub head: i64,
}

/// Which pages are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Part {
    /// Any of a short conversation.
    Short,
    /// Any of a long one.
    Whole,
    /// Those at its near end.
    Newest,
    /// Those at its far end.
    Oldest,
}

/// Reads with one reader to compare places, and then with many.
pub async fn run(target: &Target, load: &Load) -> anyhow::Result<Vec<Report>> {
    let (short, long) = (fill(target, load.part_of(SHORT)).await?, fill(target, load.part_of(LONG)).await?);
    let mut reports = vec![read(target, load, &short, (Part::Short, 1)).await?];
    for (part, readers) in [(Part::Whole, 1), (Part::Newest, 1), (Part::Oldest, 1), (Part::Whole, READERS)] {
        reports.push(read(target, load, &long, (part, readers)).await?);
    }
    Ok(reports)
}

/// Makes a direct conversation of so many messages, and no fewer than its pages need.
pub async fn fill(target: &Target, count: usize) -> anyhow::Result<Filled> {
    let count = count.max(4 * PAGE as usize);
    let people: [Person; 2] = crowd::people(target, 2).await?.try_into().ok().context("two were asked for")?;
    let [sender, reader] = people;
    let id = crowd::direct(target, vec![(sender.clone(), reader.clone())]).await?.remove(0);
    crowd::fill(target, &[(id.clone(), sender.id.clone())], count).await?;
    Ok(Filled { id, reader, head: count as i64 })
}

/// Reads pages of a part.
pub async fn read(
    target: &Target,
    load: &Load,
    conversation: &Filled,
    (part, readers): (Part, usize),
) -> anyhow::Result<Report> {
    let places = part.places(conversation.head);
    let meter = Rc::new(Meter::new());
    let mut tasks = JoinSet::new();
    for reader in 0..readers {
        let mut http = Http::connect(target.address).await?;
        let (path, token) = (format!("/conversations/{}/messages", conversation.id), conversation.reader.token.clone());
        let (meter, places) = (Rc::clone(&meter), places.clone());
        tasks.spawn_local(async move {
            let mut dice = StdRng::seed_from_u64(reader as u64);
            let mut fault = None;
            while !meter.is_over() {
                let before = dice.random_range(places.clone());
                let begun = Instant::now();
                let page = http.get(&format!("{path}?before={before}&limit={PAGE}"), &token).await?;
                meter.done(begun);
                fault = fault.or_else(|| check(page, before));
            }
            io::Result::Ok(fault)
        });
    }
    let report = Report::new(format!("history, {part}, {readers} at once"), "pages");
    let report = meter.measure(report, &target.watch, load.time()).await;
    let faults = tasks.join_all().await.into_iter().collect::<io::Result<Vec<_>>>()?;
    Ok(report.faults(faults.into_iter().flatten()))
}

impl Part {
    /// Where pages end, in a conversation of so many messages.
    fn places(self, head: i64) -> Range<i64> {
        let first = PAGE + 1;
        match self {
            Self::Short | Self::Whole => first..head,
            Self::Newest => (head - END).max(first)..head,
            Self::Oldest => first..END.min(head),
        }
    }
}

/// What is wrong with the page of 50 before a place: it begins where it should, ends there, and has as many messages.
fn check(page: &[u8], before: i64) -> Option<String> {
    const NAME: &[u8] = b"\"changed_seq\":";
    let places = memmem::find_iter(page, NAME);
    let seqs: Vec<_> = places.filter_map(|place| words::number(&page[place + NAME.len()..])).collect();
    let is_right = seqs.iter().copied().eq(before - PAGE..before);
    (!is_right).then(|| format!("the page before {before} has the messages {seqs:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_must_have_every_message_in_its_place() {
        let page = |seqs: &[i64]| {
            let items: Vec<_> = seqs.iter().map(|seq| format!(r#"{{"seq":{seq},"changed_seq":{seq}}}"#)).collect();
            format!(r#"{{"items":[{}]}}"#, items.join(","))
        };
        let right: Vec<_> = (11..61).collect();
        let swapped: Vec<_> = right.iter().map(|seq| if *seq == 12 { 13 } else { *seq }).collect();

        assert_eq!(check(page(&right).as_bytes(), 61), None);
        for (wrong, before) in [(&right, 62), (&right[1..].to_vec(), 61), (&swapped, 61), (&Vec::new(), 61)] {
            assert!(check(page(wrong).as_bytes(), before).is_some(), "{wrong:?}");
        }
    }
}
