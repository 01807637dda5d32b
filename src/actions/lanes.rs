//! Entrances to the [writers](super::writer): queues that are bounded by number and by bytes, and say so when they are full.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::domain::{
    error::{Error, Result},
    ids::ConversationId,
};

/// Queues to a few writers: a conversation always takes the same one, so that its batches form there.
#[derive(Debug)]
pub struct Lanes<T> {
    lanes: Vec<Lane<T>>,
}

/// How much may wait in one lane, and what it costs while it does.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Items that may wait.
    pub items: usize,
    /// Bytes of those that wait and those that are being written.
    pub bytes: usize,
}

/// The writer's end of one lane.
#[derive(Debug)]
pub struct Exit<T>(mpsc::Receiver<(T, Room)>);

/// The bytes that an item takes, given back when it is answered.
pub type Room = OwnedSemaphorePermit;

#[derive(Debug)]
struct Lane<T> {
    entrance: mpsc::Sender<(T, Room)>,
    bytes: Arc<Semaphore>,
}

impl<T> Lanes<T> {
    /// So many lanes, and the exit of each, for one writer each.
    pub fn new(lanes: usize, bounds: Bounds) -> (Self, Vec<Exit<T>>) {
        let lane = |_| {
            let (entrance, exit) = mpsc::channel(bounds.items);
            (Lane { entrance, bytes: Arc::new(Semaphore::new(bounds.bytes)) }, Exit(exit))
        };
        let (lanes, exits) = (0..lanes).map(lane).unzip();
        (Self { lanes }, exits)
    }

    /// Queues something of this many bytes, or refuses it at once where there is no room.
    pub fn put(&self, conversation: ConversationId, bytes: usize, item: T) -> Result<()> {
        // Conversation ids are random, so any of their bits spread evenly.
        let lane = &self.lanes[(conversation.0.as_u128() % self.lanes.len() as u128) as usize];
        let full = || Error::Unavailable("The database can't keep up; try again soon.");
        let room = Arc::clone(&lane.bytes).try_acquire_many_owned(bytes as u32).map_err(|_| full())?;
        lane.entrance.try_send((item, room)).map_err(|_| full())
    }
}

impl<T> Exit<T> {
    /// Waits for something and takes up to `most` of what is there; nothing once the lane is closed and empty.
    pub async fn take(&mut self, taken: &mut Vec<(T, Room)>, most: usize) -> usize {
        self.0.recv_many(taken, most).await
    }

    /// Lets nothing more in; what is in it can still be taken.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// Whether nothing more is let in.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lane_is_full_by_number_or_by_bytes_until_what_was_taken_is_answered() {
        let (lanes, mut exits) = Lanes::new(1, Bounds { items: 3, bytes: 100 });
        let (here, mut taken) = (ConversationId::random(), Vec::new());
        let put = |bytes| lanes.put(here, bytes, "item").is_ok();

        assert!(put(60));
        assert!(!put(60), "there is no room for so many bytes");
        assert!(put(20) && put(20));
        assert!(!put(0), "there is no room for so many items");
        exits[0].take(&mut taken, 10).await;
        assert!(!put(60), "what is being written still takes its room");
        taken.clear();

        assert!(put(60));
    }

    #[tokio::test]
    async fn a_conversation_always_takes_the_same_lane_and_a_closed_one_is_emptied() {
        let (lanes, mut exits) = Lanes::new(4, Bounds { items: 10, bytes: 100 });
        let (here, mut taken) = (ConversationId::random(), Vec::new());
        for number in 0..3 {
            lanes.put(here, 1, number).expect("there is room");
        }
        exits.iter_mut().for_each(Exit::close);
        assert!(lanes.put(here, 1, 3).is_err());

        let mut counts = Vec::new();
        for exit in &mut exits {
            counts.push(exit.take(&mut taken, 10).await);
        }

        counts.sort_unstable();
        assert_eq!(counts, [0, 0, 0, 3]);
        assert_eq!(taken.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
