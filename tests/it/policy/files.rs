//! Policy files: read at the start, again on SIGHUP, and tried on what people did.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{
    command::colloquy,
    directory::Directory,
    person::Person,
    postgres::Database,
    process::Process,
    school::{COACHING, School, operator},
    server::TestServer,
};

/// Rules under which nobody talks to anybody.
const SILENT: &str = "roles = []\n";
/// Rules under which everybody may do as they like, and coaches send little.
const OPEN: &str = r#"
roles = ["coach"]
[direct.anybody]
who = ["*"]
with = ["*"]
attachments = ["*"]
[groups."*"]
made_by = ["*"]
members = ["*"]
may_send = ["*"]
attachments = ["*"]
[limits.coach]
messages_per_minute = 2
"#;

async fn opens(one: &Person, other: &Person) -> u16 {
    one.post("/conversations", json!({"kind": "direct", "participant_ids": [other.id]})).await.status
}

#[tokio::test]
async fn the_file_is_read_again_on_a_hangup_and_a_wrong_one_changes_nothing() {
    let (directory, database) = (Directory::create(), Database::create().await);
    let file = directory.path().join("rules.toml");
    fs::write(&file, SILENT).expect("the directory is ours");
    let path = file.to_str().expect("it is text");
    let server = Process::start(&[("DATABASE_URL", database.url()), ("COLLOQUY_POLICY_FILE", path)]).await;
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    assert_eq!(opens(&ada, &bob).await, 403);

    fs::write(&file, "roles = [\n\"coach\"\n[direct]").expect("the directory is ours");
    server.signal(Signal::SIGHUP);
    server.says("The rules stay as they are").await;
    assert_eq!(opens(&ada, &bob).await, 403);

    fs::write(&file, OPEN).expect("the directory is ours");
    server.signal(Signal::SIGHUP);
    server.says("hold from now on").await;
    assert_eq!(opens(&ada, &bob).await, 201);
    server.stop().await;
}

#[tokio::test]
async fn a_server_does_not_start_under_rules_that_are_wrong() {
    let (directory, database) = (Directory::create(), Database::create().await);
    let file = directory.path().join("rules.toml");
    let path = file.to_str().expect("it is text");
    let variables =
        [("DATABASE_URL", database.url()), ("COLLOQUY_POLICY_FILE", path), ("COLLOQUY_LISTEN", "127.0.0.1:0")];

    let missing = colloquy(&["serve"], &variables).await.refused();
    fs::write(&file, OPEN.replace("who = [\"*\"]", "who = [\"couch\"]")).expect("the directory is ours");
    let wrong = colloquy(&["serve"], &variables).await.refused();

    assert!(missing.contains("cannot be read") && missing.contains(path), "{missing}");
    let says = format!(
        "the policy file {path} is wrong in line 4, column 8: `direct.anybody.who`: `couch` is not among the `roles` of this file."
    );
    assert_eq!(wrong, says);
    assert_eq!(colloquy(&["policy", "check", path], &[]).await.refused(), says);
}

#[tokio::test]
async fn a_file_is_tried_on_what_people_did() {
    let school = School::with(|settings| settings.policy_file = None).await;
    let [ann, carl, pat] = school.staff().await;
    let (fine, wrong) = (ann.opens_direct_with(&carl).await, carl.opens_direct_with(&pat).await);
    ann.says(&fine, "Fine").await;
    let said = carl.says(&wrong, "Call 98765 43210").await;
    carl.edits(&said, "Call 98765 43211").await.expect(200);
    ann.opens_group([&pat], json!({"category": "batch"})).await;
    let database = [("DATABASE_URL", school.server.database.url())];

    let well_formed = colloquy(&["policy", "check", COACHING], &database).await.expect();
    let replayed = colloquy(&["policy", "check", COACHING, "--replay", "100"], &database).await.expect();
    let last = colloquy(&["policy", "check", COACHING, "--replay", "1"], &database).await.expect();

    assert_eq!(well_formed, format!("{COACHING} is well formed."));
    let lines: Vec<_> = replayed.lines().skip(1).collect();
    let [edited, sent, opened, summary] = lines[..] else { panic!("{replayed}") };
    for (line, act) in [(edited, "edited"), (sent, "sent"), (opened, "opened")] {
        assert!(line.contains(&format!("  {act:<7} by {} in {wrong}: direct: No rule lets", carl.id)), "{line}");
    }
    assert_eq!(summary, "Of the last 6 it would have refused 3 and redacted 2.");
    assert!(last.ends_with("Of the last 1 it would have refused 0 and redacted 0."), "{last}");
}

#[tokio::test]
async fn a_role_may_do_something_more_or_less_often() {
    let directory = Directory::create();
    let file = directory.path().join("rules.toml");
    fs::write(&file, OPEN).expect("the directory is ours");
    let server = TestServer::with(|settings| {
        settings.policy_file = Some(file);
        settings.edits_per_minute = 1;
    })
    .await;
    let (olga, carl) = (operator(&server).await, server.person("carl").await);
    olga.put(&format!("/admin/users/{}/roles", carl.id), json!({"roles": ["coach"]})).await.expect(200);
    let carl = carl.signs_in_again().await;
    let group = olga.opens_group_with([&carl]).await;

    let first = carl.says(&group, "One").await;
    carl.says(&group, "Two").await;
    let refused = carl.sends(&group, json!({"body": "Three"})).await;
    carl.edits(&first, "1").await.expect(200);
    let too_many = carl.edits(&first, "one").await;
    for number in 0..5 {
        olga.says(&group, &number.to_string()).await;
    }

    assert_eq!((refused.header("ratelimit-limit"), refused.header("ratelimit-remaining")), ("2", "0"));
    refused.refused(429, "rate_limited");
    assert_eq!(too_many.header("ratelimit-limit"), "1");
    too_many.refused(429, "rate_limited");
    assert_eq!(carl.get("/limits").await.expect(200)["rates"]["messages_per_minute"], 2);
    assert_eq!(olga.get("/limits").await.expect(200)["rates"]["messages_per_minute"], 0);
}
