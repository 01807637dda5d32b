//! Whether it is quicker to go through the newest messages one by one than to fetch all that a word brings: a common word
//! is in most of them, and only the newest hits are wanted.

use chrono::TimeDelta;

use crate::domain::clock::Time;

/// Messages that are glanced at to tell, in all conversations together.
const GLANCED_AT: i64 = 800;
/// Those who may look into no more messages than this fetch all that a word brings.
pub const FEW: i64 = 5_000;
/// How much further back to go than the glance says, since people do not write evenly.
const MARGIN: f64 = 2.0;
/// So many messages are gone through while one that the words bring is fetched: those lie beside each other, these anywhere.
const WALKED_PER_FETCHED: f64 = 2.5;

/// What a glance at the newest messages of one conversation showed.
#[derive(Clone, Copy, Debug)]
pub struct Glance {
    /// How many there are in all, about.
    pub size: i64,
    /// How many were looked at.
    pub seen: i64,
    /// How many of these fit.
    pub fit: i64,
    /// How many of these have the words, if not as they are asked for: all of them are fetched by the words.
    pub brought: i64,
    /// The oldest of those looked at.
    pub oldest: Time,
    /// The newest.
    pub newest: Time,
}

/// How many messages to glance at in each of so many conversations.
pub fn depth(conversations: usize) -> i64 {
    (GLANCED_AT / conversations.max(1) as i64).max(4)
}

/// A time after which so many hits are likely to be found by going through all messages; nothing where that would take
/// longer than to fetch all that the words bring.
pub fn horizon(glances: &[Glance], hits: usize) -> Option<Time> {
    let newest = glances.iter().map(|glance| glance.newest).max()?;
    // What was sent in one moment went by in no less than a millisecond.
    let seconds = |glance: &Glance| ((newest - glance.oldest).as_seconds_f64()).max(0.001);
    let fits_per_second: f64 = glances.iter().map(|glance| glance.fit as f64 / seconds(glance)).sum();
    let back = MARGIN * hits as f64 / fits_per_second;
    let walked = |glance: &Glance| (glance.seen as f64 / seconds(glance) * back).min(glance.size as f64);
    let walked: f64 = glances.iter().map(walked).sum();
    let brought = |glance: &Glance| (glance.brought * glance.size) as f64 / glance.seen.max(1) as f64;
    let brought: f64 = glances.iter().map(brought).sum();
    let back = TimeDelta::try_milliseconds((back * 1_000.0) as i64)?;
    newest.checked_sub_signed(back).filter(|_| walked < brought * WALKED_PER_FETCHED)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    /// A conversation in which somebody writes every so many seconds.
    fn glance(size: i64, fit: i64, pause: i64) -> Glance {
        let newest = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        Glance { size, seen: 16, fit, brought: fit, oldest: newest - TimeDelta::seconds(16 * pause), newest }
    }

    #[test]
    fn a_common_word_is_looked_for_among_the_newest() {
        let glances = [glance(10_000, 8, 10); 50];

        let horizon = horizon(&glances, 50).expect("half of all are quicker gone through");

        // Fifty conversations have 2.5 hits a second: twice fifty are found in 40 seconds.
        assert_eq!(glances[0].newest - horizon, TimeDelta::seconds(40));
    }

    #[test]
    fn a_rare_word_is_fetched_by_itself() {
        let all = |fit| [glance(1_000, fit, 10); 50];

        assert_eq!(horizon(&all(0), 50), None);
        assert!(horizon(&all(1), 1_000).is_none() && horizon(&all(1), 50).is_some());
        assert_eq!(horizon(&[], 50), None);
        assert_eq!(horizon(&[glance(10_000, 0, 0)], 50), None);
    }

    #[test]
    fn common_words_of_which_few_follow_each_other_are_not_all_fetched() {
        let phrase = |brought| [Glance { brought, ..glance(1_000, 1, 10) }; 50];

        assert_eq!(horizon(&phrase(1), 400), None);
        assert!(horizon(&phrase(8), 400).is_some());
    }

    #[test]
    fn who_is_in_many_conversations_glances_at_few_messages_of_each() {
        assert_eq!([1, 50, 1_000].map(depth), [800, 16, 4]);
    }
}
