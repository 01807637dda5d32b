//! What can be counted, by name. One set of instruments serves all servers of a process.

use std::{sync::LazyLock, time::Duration};

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

const HTTP_REQUESTS: &str = "colloquy_http_requests_total";
const HTTP_REQUEST_SECONDS: &str = "colloquy_http_request_seconds";
const SOCKETS_OPEN: &str = "colloquy_sockets_open";
const MESSAGES_SENT: &str = "colloquy_messages_sent_total";
const DELIVERIES: &str = "colloquy_deliveries_total";
const EVENTS_SHED: &str = "colloquy_events_shed_total";
const FETCHES: &str = "colloquy_missing_events_fetches_total";
const PARCELS_LOST: &str = "colloquy_bus_parcels_lost_total";
const MAILBOXES_CLOSED: &str = "colloquy_mailboxes_closed_total";
const SEND_QUEUE_DEPTH: &str = "colloquy_send_queue_depth";
const SEND_BATCH_MESSAGES: &str = "colloquy_send_batch_messages";
const COMMIT_SECONDS: &str = "colloquy_commit_seconds";
const RECEIPT_QUEUE_DEPTH: &str = "colloquy_receipt_queue_depth";
const RECEIPT_BATCH_MOVES: &str = "colloquy_receipt_batch_moves";
const RECEIPT_COMMIT_SECONDS: &str = "colloquy_receipt_commit_seconds";
const DATABASE_CONNECTIONS: &str = "colloquy_database_connections";

/// How often new observations are folded into the histograms.
const UPKEEP: Duration = Duration::from_secs(5);

const SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
const BATCHES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// A queue of what is written in batches.
#[derive(Clone, Copy, Debug)]
pub enum Lane {
    /// Messages.
    Sends,
    /// Moves of cursors.
    Receipts,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(Instruments::install);

/// An HTTP request was answered; `route` is the pattern that it matched, never the path itself.
pub fn http_request(method: &str, route: String, status: u16, took: Duration) {
    LazyLock::force(&INSTRUMENTS);
    // Clients can make up methods, and every new label is a series that stays.
    let method = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other");
    histogram!(HTTP_REQUEST_SECONDS, "method" => method, "route" => route.clone()).record(took);
    counter!(HTTP_REQUESTS, "method" => method, "route" => route, "status" => status.to_string()).increment(1);
}

/// A socket was opened.
pub fn socket_opened() {
    INSTRUMENTS.sockets_open.increment(1);
}

/// A socket was closed.
pub fn socket_closed() {
    INSTRUMENTS.sockets_open.decrement(1);
}

/// Messages were committed.
pub fn messages_sent(count: usize) {
    INSTRUMENTS.messages_sent.increment(count as u64);
}

/// Events were put into mailboxes, once for each socket.
pub fn deliveries(count: usize) {
    INSTRUMENTS.deliveries.increment(count as u64);
}

/// Ephemeral events were dropped because a mailbox or the bus was busy.
pub fn events_shed(count: usize) {
    INSTRUMENTS.events_shed.increment(count as u64);
}

/// Events that did not arrive over the bus are fetched from the database.
pub fn missing_events_fetched() {
    INSTRUMENTS.fetches.increment(1);
}

/// Parcels for other nodes were dropped because Redis was away or slow.
pub fn parcels_lost(count: usize) {
    INSTRUMENTS.parcels_lost.increment(count as u64);
}

/// A mailbox was full and its socket closed.
pub fn mailbox_closed() {
    INSTRUMENTS.mailboxes_closed.increment(1);
}

/// Something waits to be written.
pub fn queued(lane: Lane) {
    INSTRUMENTS.lane(lane).depth.increment(1);
}

/// A batch left its queue.
pub fn batch_taken(lane: Lane, count: usize) {
    let lane = INSTRUMENTS.lane(lane);
    lane.depth.decrement(count as f64);
    lane.batches.record(count as f64);
}

/// A batch was committed.
pub fn committed(lane: Lane, took: Duration) {
    INSTRUMENTS.lane(lane).commit_seconds.record(took);
}

/// How many connections to the database there are, and how many of them are idle.
pub fn database_connections(all: usize, idle: usize) {
    INSTRUMENTS.connections_idle.set(idle as f64);
    INSTRUMENTS.connections_used.set(all.saturating_sub(idle) as f64);
}

/// Folds new observations into the histograms, which otherwise keep each of them, until told to stop.
pub async fn keep_up(stop: CancellationToken) {
    let mut ticks = interval(UPKEEP);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        INSTRUMENTS.exporter.run_upkeep();
    }
}

/// Everything counted so far, as Prometheus reads it.
pub fn render() -> String {
    INSTRUMENTS.exporter.render()
}

/// The instruments whose labels are fixed, looked up once.
struct Instruments {
    exporter: PrometheusHandle,
    sockets_open: Gauge,
    messages_sent: Counter,
    deliveries: Counter,
    events_shed: Counter,
    fetches: Counter,
    parcels_lost: Counter,
    mailboxes_closed: Counter,
    sends: LaneInstruments,
    receipts: LaneInstruments,
    connections_idle: Gauge,
    connections_used: Gauge,
}

/// The instruments of one lane.
struct LaneInstruments {
    depth: Gauge,
    batches: Histogram,
    commit_seconds: Histogram,
}

impl Instruments {
    fn install() -> Self {
        let exporter = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(SEND_BATCH_MESSAGES.to_owned()), &BATCHES))
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(RECEIPT_BATCH_MOVES.to_owned()), &BATCHES))
            .expect("the buckets are not empty")
            .install_recorder()
            .expect("nothing else in this process records metrics");
        describe();
        Self {
            exporter,
            sockets_open: gauge!(SOCKETS_OPEN),
            messages_sent: counter!(MESSAGES_SENT),
            deliveries: counter!(DELIVERIES),
            events_shed: counter!(EVENTS_SHED),
            fetches: counter!(FETCHES),
            parcels_lost: counter!(PARCELS_LOST),
            mailboxes_closed: counter!(MAILBOXES_CLOSED),
            sends: LaneInstruments {
                depth: gauge!(SEND_QUEUE_DEPTH),
                batches: histogram!(SEND_BATCH_MESSAGES),
                commit_seconds: histogram!(COMMIT_SECONDS),
            },
            receipts: LaneInstruments {
                depth: gauge!(RECEIPT_QUEUE_DEPTH),
                batches: histogram!(RECEIPT_BATCH_MOVES),
                commit_seconds: histogram!(RECEIPT_COMMIT_SECONDS),
            },
            connections_idle: gauge!(DATABASE_CONNECTIONS, "state" => "idle"),
            connections_used: gauge!(DATABASE_CONNECTIONS, "state" => "used"),
        }
    }

    fn lane(&self, lane: Lane) -> &LaneInstruments {
        match lane {
            Lane::Sends => &self.sends,
            Lane::Receipts => &self.receipts,
        }
    }
}

fn describe() {
    describe_counter!(HTTP_REQUESTS, "HTTP requests answered.");
    describe_histogram!(HTTP_REQUEST_SECONDS, "How long HTTP requests took.");
    describe_gauge!(SOCKETS_OPEN, "Sockets that are open on this node.");
    describe_counter!(MESSAGES_SENT, "Messages committed by this node.");
    describe_counter!(DELIVERIES, "Events put into mailboxes, once for each socket.");
    describe_counter!(EVENTS_SHED, "Ephemeral events dropped because a mailbox or the bus was busy.");
    describe_counter!(FETCHES, "Times that events missing on the bus were fetched from the database.");
    describe_counter!(PARCELS_LOST, "Parcels for other nodes dropped because Redis was away or slow.");
    describe_counter!(MAILBOXES_CLOSED, "Sockets closed because their mailbox was full.");
    describe_gauge!(SEND_QUEUE_DEPTH, "Messages that wait to be written.");
    describe_histogram!(SEND_BATCH_MESSAGES, "Messages committed together.");
    describe_histogram!(COMMIT_SECONDS, "How long committing a batch of messages took.");
    describe_gauge!(RECEIPT_QUEUE_DEPTH, "Moves of cursors that wait to be written.");
    describe_histogram!(RECEIPT_BATCH_MOVES, "Moves of cursors committed together.");
    describe_histogram!(RECEIPT_COMMIT_SECONDS, "How long committing a batch of moves took.");
    describe_gauge!(DATABASE_CONNECTIONS, "Connections to the database, idle and used.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered() {
        messages_sent(3);
        http_request("BREW", "/api/v1/users/{id}".to_owned(), 405, Duration::from_millis(2));

        let page = render();

        assert!(page.contains("colloquy_messages_sent_total 3"), "{page}");
        assert!(page.contains(r#"{method="other",route="/api/v1/users/{id}",status="405"} 1"#), "{page}");
        assert!(page.contains(r#"colloquy_http_request_seconds_bucket{method="other""#), "{page}");
    }
}
