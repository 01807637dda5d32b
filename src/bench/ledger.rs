//! What was promised against what came: acknowledgements, deliveries, history.

use std::{collections::HashMap, io};

use serde::Deserialize;
use uuid::Uuid;

use super::{
    crowd,
    http::{Http, Page},
    server::Target,
};

/// Messages of a page; as many as there may be.
const PAGE: i64 = 100;

/// A message and its place.
pub type Entry = (Uuid, i64);

/// What one socket hears of one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ear {
    last: Option<i64>,
    heard: usize,
    disorder: Option<(i64, i64)>,
}

/// One conversation: all that was acknowledged in it, and all who heard it.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Messages that were acknowledged.
    pub acknowledged: Vec<Entry>,
    /// Every socket of every member.
    pub ears: Vec<Ear>,
}

#[derive(Deserialize)]
struct Item {
    id: Uuid,
    seq: i64,
}

impl Ear {
    /// An event of the conversation's log has come.
    pub fn hear(&mut self, seq: i64) {
        if let Some(last) = self.last
            && last + 1 != seq
        {
            self.disorder.get_or_insert((last, seq));
        }
        self.last = Some(seq);
        self.heard += 1;
    }

    /// How many have come.
    pub fn heard(&self) -> usize {
        self.heard
    }

    /// What is wrong, where all up to `last` should have come, one after the other.
    pub fn faults(&self, count: usize, last: i64) -> Option<String> {
        if let Some((before, after)) = self.disorder {
            return Some(format!("a socket heard {after} right after {before}"));
        }
        let is_whole = self.heard == count && (count == 0 || self.last == Some(last));
        (!is_whole)
            .then(|| format!("a socket heard {} of {count} messages, the last of them {:?}", self.heard, self.last))
    }
}

impl Ledger {
    /// What is wrong, the history being this from the first acknowledged message on.
    pub fn faults(&mut self, history: &[Entry]) -> Vec<String> {
        self.acknowledged.sort_unstable_by_key(|(_, seq)| *seq);
        let stored: HashMap<_, _> = history.iter().copied().collect();
        let lost = self.acknowledged.iter().filter(|(id, seq)| stored.get(id) != Some(seq));
        let mut faults: Vec<_> = lost
            .map(|(id, seq)| format!("{id} was acknowledged as {seq}, and the history does not have it there"))
            .collect();
        if history.len() != self.acknowledged.len() {
            let (stored, promised) = (history.len(), self.acknowledged.len());
            faults.push(format!("the history has {stored} messages where {promised} were acknowledged"));
        }
        let last = self.acknowledged.last().map_or(0, |(_, seq)| *seq);
        faults.extend(self.ears.iter().filter_map(|ear| ear.faults(self.acknowledged.len(), last)));
        faults
    }

    fn first(&self) -> Option<i64> {
        self.acknowledged.iter().map(|(_, seq)| *seq).min()
    }
}

/// What is wrong with these conversations, each read back by one of its members.
pub async fn faults(target: &Target, conversations: Vec<(String, String, Ledger)>) -> io::Result<Vec<String>> {
    let faults = crowd::each(target.address, conversations, async |http, (id, token, mut ledger)| {
        let history = match ledger.first() {
            Some(first) => history(http, &id, &token, first).await?,
            None => Vec::new(),
        };
        Ok(ledger.faults(&history))
    });
    Ok(faults.await?.into_iter().flatten().collect())
}

/// The messages of a conversation from one place on.
async fn history(http: &mut Http, conversation: &str, token: &str, first: i64) -> io::Result<Vec<Entry>> {
    let mut history = Vec::new();
    let mut after = first - 1;
    loop {
        let path = format!("/conversations/{conversation}/messages?after={after}&limit={PAGE}");
        let page: Page<Item> = serde_json::from_slice(http.get(&path, token).await?)?;
        let Some(last) = page.items.last() else { return Ok(history) };
        after = last.seq;
        history.extend(page.items.iter().map(|item| (item.id, item.seq)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ear(seqs: impl IntoIterator<Item = i64>) -> Ear {
        let mut ear = Ear::default();
        seqs.into_iter().for_each(|seq| ear.hear(seq));
        ear
    }

    #[test]
    fn a_ledger_finds_what_was_lost_moved_made_up_or_not_heard() {
        let [one, two, three] = [1, 2, 3].map(Uuid::from_u128);
        let acknowledged = vec![(two, 8), (one, 7), (three, 9)];
        let right = [(one, 7), (two, 8), (three, 9)];

        for (history, heard, wrong) in [
            (&right[..], vec![7, 8, 9], None),
            (&right[..2], vec![7, 8, 9], Some("was acknowledged as 9")),
            (&[(one, 7), (three, 8), (two, 9)], vec![7, 8, 9], Some("was acknowledged as 8")),
            (&[(one, 7), (two, 8), (three, 9), (Uuid::nil(), 10)], vec![7, 8, 9], Some("4 messages where 3")),
            (&right[..], vec![7, 8], Some("heard 2 of 3")),
            (&right[..], vec![6, 7, 8], Some("the last of them Some(8)")),
            (&right[..], vec![7, 9, 8], Some("heard 9 right after 7")),
            (&right[..], vec![7, 8, 8, 9], Some("heard 8 right after 8")),
        ] {
            let mut ledger = Ledger { acknowledged: acknowledged.clone(), ears: vec![ear([7, 8, 9]), ear(heard)] };

            let faults = ledger.faults(history);

            assert_eq!(faults.is_empty(), wrong.is_none(), "{faults:?}");
            assert!(wrong.is_none_or(|wrong| faults[0].contains(wrong)), "{faults:?}");
        }
    }
}
