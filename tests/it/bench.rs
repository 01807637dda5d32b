//! `colloquy bench`: it measures a real server, counts what it did, and notices what is wrong.

use std::process::{ExitStatus, Output};

use serde_json::Value;
use sqlx::Executor;
use tokio::process::Command;

use crate::harness::{
    machine,
    postgres::Database,
    redis::Redis,
    token::{HOST_SECRET, host_server},
};

/// What it says of each measurement, and whether it ends well.
async fn bench(database: &Database, arguments: &[&str]) -> (ExitStatus, Vec<Value>) {
    bench_with(database, "", arguments).await
}

async fn bench_with(database: &Database, redis_url: &str, arguments: &[&str]) -> (ExitStatus, Vec<Value>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_colloquy"));
    command.args(["bench", "--json", "--seconds=0.5", "--scale=0.01", "--workers=2", "--database-connections=8"]);
    let Output { status, stdout, stderr } = command
        .args(arguments)
        .env("DATABASE_URL", database.url())
        .env("REDIS_URL", redis_url)
        .output()
        .await
        .expect("the program runs");
    let reports = String::from_utf8(stdout).expect("it speaks UTF-8");
    let reports: Vec<_> = reports.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert!(!reports.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    (status, reports)
}

/// Scenarios count what they did, and find nothing wrong.
async fn succeed(scenarios: &[&str]) {
    let database = Database::create().await;

    let (status, reports) = bench(&database, scenarios).await;

    assert!(status.success(), "{reports:#?}");
    for scenario in scenarios {
        let is_it = |report: &&Value| report["scenario"].as_str().is_some_and(|name| name.starts_with(scenario));
        let counts: Vec<_> = reports.iter().filter(is_it).map(|report| report["count"].as_u64()).collect();
        assert!(!counts.is_empty() && counts.iter().all(|count| count.is_some_and(|count| count > 0)), "{reports:#?}");
    }
    for report in reports {
        assert!(report["errors"] == 0 && report["faults"].as_array().is_some_and(Vec::is_empty), "{report:#}");
    }
}

#[tokio::test]
async fn who_talks_is_counted() {
    // Of a thousand messages on their way, none may arrive in half a second where others keep them waiting.
    let _machine = machine::most().await;
    succeed(&["send", "hot", "fanout", "idle", "connect"]).await;
}

#[tokio::test]
async fn who_reads_is_counted() {
    succeed(&["history", "list", "search"]).await;
}

#[tokio::test]
async fn how_the_index_follows_is_counted() {
    let _machine = machine::most().await;
    succeed(&["index"]).await;
}

#[tokio::test]
async fn pictures_are_counted() {
    succeed(&["pictures"]).await;
}

#[tokio::test]
async fn what_is_said_at_one_node_is_counted_at_both() {
    let (database, redis) = (Database::create().await, Redis::start());

    let (status, reports) = bench_with(&database, redis.url(), &["nodes"]).await;

    assert!(status.success(), "{reports:#?}");
    assert_eq!(reports.len(), 2);
    for report in reports {
        assert!(report["count"].as_u64() > Some(0) && report["errors"] == 0, "{report:#}");
        assert_eq!(report["faults"], serde_json::json!([]), "{report:#}");
    }
}

#[tokio::test]
async fn a_message_that_was_acknowledged_and_is_not_in_the_history_is_a_fault() {
    let database = Database::create().await;
    let forget = "create function forget() returns trigger language plpgsql as
                  $$ begin return case when new.seq <> 3 then new end; end $$;
                  create trigger forget before insert on messages for each row execute function forget()";
    database.connect().await.execute(forget).await.expect("the test may change its own database");

    let (status, reports) = bench(&database, &["send"]).await;

    assert!(!status.success());
    for report in reports {
        let faults = report["faults"].to_string();
        assert!(faults.contains("was acknowledged as 3, and the history does not have it there"), "{report:#}");
    }
}

#[tokio::test]
async fn a_server_that_runs_already_is_measured_from_outside() {
    let server = host_server().await;
    let url = format!("--url=http://{}", server.address());
    let secret = format!("--jwt-secret={HOST_SECRET}");

    let (status, reports) = bench(&server.database, &[&url, &secret, "connect", "history"]).await;

    assert!(status.success(), "{reports:#?}");
    assert!(reports.iter().all(|report| report["server_cpu_us"].is_null()), "{reports:#?}");
}
