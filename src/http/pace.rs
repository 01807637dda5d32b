//! How fast a body must come that may be large: its sender may be slow, but not hold on to what others wait for.

use std::{io, time::Duration};

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout};

/// How long a client that sends a file may send nothing of it.
const PIECE_PATIENCE: Duration = Duration::from_secs(15);
/// How long a client is waited for until it is looked at how much came in that time, again and again: by what came at
/// first, the rest could be held back for hours.
const SPAN: Duration = Duration::from_mins(1);
/// Bytes that must have come by then: 1 KiB in each second.
const LEAST: usize = 60 * 1024;

/// How fast a body comes.
#[derive(Debug, Default)]
pub struct Pace {
    waited: Duration,
    came: usize,
}

impl Pace {
    /// The next piece of a body, if it comes in time. Only the wait for the client counts, whoever else it is slow for.
    pub async fn next(
        &mut self,
        body: &mut (impl Stream<Item = Result<Bytes, PayloadError>> + Unpin),
    ) -> Option<Result<Bytes, PayloadError>> {
        let began = Instant::now();
        let Ok(piece) = timeout(PIECE_PATIENCE, body.next()).await else { return Some(Err(too_slow())) };
        self.waited += began.elapsed();
        self.came += piece.as_ref().map_or(0, |piece| piece.as_ref().map_or(0, Bytes::len));
        if self.waited >= SPAN {
            if piece.is_some() && self.came < LEAST {
                return Some(Err(too_slow()));
            }
            *self = Self::default();
        }
        piece
    }
}

fn too_slow() -> PayloadError {
    PayloadError::Io(io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::stream::{self, unfold};
    use tokio::time::interval;

    use super::*;

    fn trickle(bytes: usize, every: Duration) -> impl Stream<Item = Result<Bytes, PayloadError>> {
        unfold(interval(every), move |mut ticks| async move {
            ticks.tick().await;
            Some((Ok(Bytes::from(vec![0; bytes])), ticks))
        })
    }

    /// How long it is until a body is no longer waited for, if that is less than an hour.
    async fn taken(body: impl Stream<Item = Result<Bytes, PayloadError>>) -> Option<Duration> {
        let (mut body, mut pace, began) = (pin!(body), Pace::default(), Instant::now());
        while began.elapsed() < Duration::from_hours(1) {
            if pace.next(&mut body).await?.is_err() {
                return Some(began.elapsed());
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn who_trickles_is_not_waited_for() {
        let (second, seconds) = (Duration::from_secs(1), Duration::from_secs);

        assert_eq!(taken(trickle(1, seconds(14))).await, Some(seconds(70)));
        assert_eq!(taken(trickle(1_000, second)).await, Some(seconds(60)));
        assert_eq!(taken(trickle(1, seconds(16))).await, Some(seconds(15)));
        assert_eq!(taken(trickle(1_100, second)).await, None, "slow is not too slow");
        let at_first = stream::iter([Ok(Bytes::from(vec![0; 100_000_000]))]);
        let in_one_minute_more = Some(seconds(120));
        assert_eq!(
            taken(at_first.chain(trickle(1, second))).await,
            in_one_minute_more,
            "what came first is not enough"
        );
    }
}
