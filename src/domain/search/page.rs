//! Pages of hits: the newest four hundred are ranked among themselves, then the four hundred before these, and so on.
//!
//! So the best come first, a page costs the same however many hits there are, and all can be read to the last.

use std::{fmt, str::FromStr};

use super::Sort;
use crate::domain::{
    clock::{Time, from_micros},
    error::Error,
    ids::ConversationId,
};

/// Hits that are ranked among themselves.
const WINDOW: usize = 400;

/// Where a message stands among all messages by their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it was sent.
    pub created_at: Time,
    /// Where.
    pub conversation_id: ConversationId,
    /// Its place in the log.
    pub seq: i64,
}

/// One message that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Where it stands.
    pub place: Place,
    /// How well it fits, in millionths.
    pub rank: i32,
    /// Whether it is still there as it was indexed.
    pub is_current: bool,
    /// Up to where messages of its conversation are not for the reader.
    pub floor_seq: i64,
}

/// Where a page of hits begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Only hits older than this one are looked at.
    pub older_than: Option<Place>,
    /// The last one of the page before, of those that are ranked together.
    pub after: Option<(i32, Place)>,
}

/// How many hits must be known to cut a page.
pub fn window(sort: Sort, limit: usize) -> usize {
    match sort {
        Sort::Relevance => WINDOW,
        Sort::Newest => limit + 1,
    }
}

/// Cuts a page out of the newest hits of a window, and says where the next one begins.
pub fn cut(hits: &[Hit], sort: Sort, cursor: Cursor, limit: usize) -> (Vec<Hit>, Option<Cursor>) {
    let is_full = hits.len() == window(sort, limit);
    let beyond = hits.last().filter(|_| is_full).map(|last| Cursor { older_than: Some(last.place), after: None });
    let mut page: Vec<_> = hits.iter().copied().filter(|hit| hit.is_current).collect();
    if sort == Sort::Newest {
        page.truncate(limit);
        let next = page
            .last()
            .filter(|_| page.len() == limit)
            .map(|last| Cursor { older_than: Some(last.place), after: None });
        return (page, beyond.and(next.or(beyond)));
    }
    page.sort_unstable_by_key(|hit| std::cmp::Reverse(hit.key()));
    page.retain(|hit| cursor.after.is_none_or(|after| hit.key() < after));
    if page.len() <= limit {
        return (page, beyond);
    }
    page.truncate(limit);
    // Fixed on the first page, so that what is sent meanwhile pushes nothing out.
    let older_than = cursor.older_than.or(hits.first().map(|newest| newest.place.just_above()));
    let next = page.last().map(|last| Cursor { older_than, after: Some(last.key()) });
    (page, next)
}

impl Hit {
    fn key(&self) -> (i32, Place) {
        (self.rank, self.place)
    }
}

impl Place {
    /// The place that only this one and older ones are older than.
    fn just_above(self) -> Self {
        Self { seq: self.seq.saturating_add(1), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.created_at.timestamp_micros(), self.conversation_id, self.seq)
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            let mut parts = text.splitn(3, '.');
            let created_at = from_micros(parts.next()?)?;
            Some(Self { created_at, conversation_id: parts.next()?.parse().ok()?, seq: parts.next()?.parse().ok()? })
        };
        read().ok_or(FOREIGN)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.older_than {
            write!(f, "{place}")?;
        }
        match self.after {
            Some((rank, place)) => write!(f, "_{rank}_{place}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.splitn(3, '_');
        let older_than = parts.next().ok_or(FOREIGN)?.parse()?;
        let after = match (parts.next(), parts.next()) {
            (None, None) => None,
            (Some(rank), Some(place)) => Some((rank.parse().map_err(|_| FOREIGN)?, place.parse()?)),
            _ => return Err(FOREIGN),
        };
        Ok(Self { older_than: Some(older_than), after })
    }
}

const FOREIGN: Error = Error::Malformed("The cursor is not one that was given out.");

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Duration};
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    fn hit(number: i64, rank: i32) -> Hit {
        let created_at = DateTime::UNIX_EPOCH + Duration::seconds(number / 3);
        let conversation_id = ConversationId(uuid::Uuid::from_u128((number % 3) as u128));
        Hit { place: Place { created_at, conversation_id, seq: number }, rank, is_current: true, floor_seq: 0 }
    }

    /// Newest first, as the database answers.
    fn answer(all: &[Hit], sort: Sort, cursor: Cursor, limit: usize) -> Vec<Hit> {
        let mut hits: Vec<_> = all.to_vec();
        hits.sort_unstable_by_key(|hit| std::cmp::Reverse(hit.place));
        hits.retain(|hit| cursor.older_than.is_none_or(|bound| hit.place < bound));
        hits.truncate(window(sort, limit));
        hits
    }

    fn walk(all: &mut Vec<Hit>, sort: Sort, limit: usize, mut between: impl FnMut(&mut Vec<Hit>)) -> Vec<Hit> {
        let (mut seen, mut cursor) = (Vec::new(), Cursor::default());
        loop {
            let (page, next) = cut(&answer(all, sort, cursor, limit), sort, cursor, limit);
            assert!(page.len() <= limit);
            seen.extend(page);
            let Some(next) = next else { return seen };
            cursor = next.to_string().parse().expect("it was given out");
            assert_eq!(cursor, next);
            between(all);
        }
    }

    #[test]
    fn every_hit_comes_once_and_the_best_of_the_newest_four_hundred_first() {
        let mut chance = StdRng::seed_from_u64(7);
        for count in [0, 1, 5, 99, 400, 401, 2_500] {
            let mut all: Vec<_> = (0..count).map(|number| hit(number, chance.random_range(0..4))).collect();

            let seen = walk(&mut all, Sort::Relevance, 7, |_| ());

            let mut expected = answer(&all, Sort::Newest, Cursor::default(), all.len());
            for window in expected.chunks_mut(WINDOW) {
                window.sort_unstable_by_key(|hit| std::cmp::Reverse(hit.key()));
            }
            assert!(seen == expected, "of {count}");
            let newest = walk(&mut all, Sort::Newest, 7, |_| ());
            assert!(newest == answer(&all, Sort::Newest, Cursor::default(), all.len()), "of {count}");
        }
    }

    #[test]
    fn what_is_sent_between_two_pages_moves_none() {
        let mut all: Vec<_> = (0..1_500).map(|number| hit(number, 1)).collect();
        let before = all.clone();
        let mut number = 1_500;

        let seen = walk(&mut all, Sort::Relevance, 100, |all| {
            all.push(hit(number, 3));
            number += 1;
        });

        assert_eq!(seen, answer(&before, Sort::Newest, Cursor::default(), before.len()));
    }

    #[test]
    fn what_is_gone_leaves_no_gap_in_the_pages() {
        for sort in [Sort::Relevance, Sort::Newest] {
            let mut all: Vec<_> =
                (0..2_100).map(|number| Hit { is_current: number % 3 == 0, ..hit(number, 1) }).collect();

            let seen = walk(&mut all, sort, 10, |_| ());

            assert_eq!(seen.len(), 700, "{sort:?}");
        }
    }

    #[test]
    fn a_cursor_of_nobodys_is_refused() {
        for foreign in [
            "",
            "_",
            "1",
            "1.2.3",
            "x",
            "1.00000000-0000-0000-0000-000000000000.1_",
            "1.00000000-0000-0000-0000-000000000000.1_2",
        ] {
            assert!(foreign.parse::<Cursor>().is_err(), "{foreign}");
        }
    }
}
