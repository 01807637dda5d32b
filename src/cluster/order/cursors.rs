//! How far cursors were told to stand here lately, so that none is told to go back, and what is told again only where it is news.
//!
//! Two nodes may move the same cursor, and what moved it less far may come last; and what is read from PostgreSQL to be told
//! again may be overtaken by what the bus brings.

use std::{collections::HashMap, mem, time::Duration};

use tokio::time::Instant;

use crate::domain::{
    ids::{ConversationId, UserId},
    receipt::{Cursor, ReceiptKind},
};

/// For how long a cursor is remembered, at least: longer than anything is under way. Twice as long at most.
const KEPT: Duration = Duration::from_mins(1);
/// Cursors remembered in each of two generations.
const REMEMBERED: usize = 65_536;

/// Which of whose cursors, where.
type Which = (ConversationId, UserId, ReceiptKind);

/// What was told lately.
#[derive(Debug, Default)]
pub struct Cursors {
    told: [HashMap<Which, i64>; 2],
    aged_at: Option<Instant>,
}

impl Cursors {
    /// Whether this is further than what was told; from now on it is what was told. Who was told of reading needs not be told
    /// of delivery, which it implies.
    pub fn advance(&mut self, conversation: ConversationId, cursor: Cursor) -> bool {
        let Cursor { user_id, kind, seq, .. } = cursor;
        let told =
            self.told_seq((conversation, user_id, kind)).max(self.told_seq((conversation, user_id, ReceiptKind::Read)));
        if told >= Some(seq) {
            return false;
        }
        if self.told[0].len() >= REMEMBERED {
            self.age();
        }
        self.told[0].insert((conversation, user_id, kind), seq);
        true
    }

    /// Forgets what was told long ago.
    pub fn sweep(&mut self, now: Instant) {
        let aged_at = *self.aged_at.get_or_insert(now);
        if now >= aged_at + KEPT {
            self.aged_at = Some(now);
            self.age();
        }
    }

    fn told_seq(&self, which: Which) -> Option<i64> {
        self.told.iter().filter_map(|told| told.get(&which)).copied().max()
    }

    fn age(&mut self) {
        self.told[1] = mem::take(&mut self.told[0]);
    }
}
