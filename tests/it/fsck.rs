//! `colloquy media fsck`: nothing is orphaned, and what is, is found.

use std::{fs, path::PathBuf};

use chrono::Duration;
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::harness::{
    command::{Outcome, colloquy},
    files::{PDF, keeps_only, uploads},
    id, new_id,
    server::TestServer,
};

/// The one file whose name this is.
fn only(server: &TestServer, name: &str) -> PathBuf {
    let blobs =
        fs::read_dir(server.store()).expect("it is there").map(|blob| blob.expect("readable").path().join(name));
    let [found] = &blobs.filter(|file| file.exists()).collect::<Vec<_>>()[..] else { panic!("there should be one") };
    found.clone()
}

pub async fn fsck(server: &TestServer, arguments: &[&str]) -> Outcome {
    let directory = server.database.files().to_str().expect("it is text");
    let arguments = [&["media", "fsck"], arguments].concat();
    let mut settings = vec![("DATABASE_URL", server.database.url()), ("COLLOQUY_DATA_DIR", directory)];
    let url = server.store_url();
    settings.extend(url.as_deref().map(|url| ("COLLOQUY_STORAGE_URL", url)));
    colloquy(&arguments, &settings).await
}

/// What it says in the end, where nothing is wrong.
pub fn clean(found: usize, needed: usize) -> String {
    format!("{found} files in the store, {needed} needed; 0 troubles, 0 of them repaired.")
}

/// The troubles that it tells of, without where they are, and whether some are left.
#[track_caller]
fn troubles(outcome: &Outcome) -> (Vec<&str>, bool) {
    assert!(outcome.out.ends_with("repaired.\n"), "{outcome:#?}");
    let lines: Vec<_> = outcome.out.lines().collect();
    let kinds = lines[..lines.len() - 1].iter().filter_map(|line| line.split_whitespace().next());
    (kinds.collect(), outcome.code != 0)
}

pub async fn execute(server: &TestServer, statement: String) {
    let mut db = server.database.connect().await;
    sqlx::query(AssertSqlSafe(statement)).execute(&mut db).await.expect("it is SQL");
}

#[tokio::test]
async fn whatever_people_do_nothing_is_orphaned() {
    let server = super::server().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (group, other) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([&bob]).await);
    assert_eq!(fsck(&server, &[]).await.expect(), clean(0, 0));

    for name in ["a.pdf", "b.pdf"] {
        uploads(&ada, &group, name, PDF).await.expect(201);
    }
    let deleted = id(&uploads(&ada, &group, "c.txt", b"deleted").await.expect(201)).to_owned();
    let expired = id(&uploads(&ada, &group, "d.txt", b"expired").await.expect(201)).to_owned();
    let forwarded = id(&uploads(&ada, &group, "e.txt", b"forwarded").await.expect(201)).to_owned();
    let taken_back = id(&uploads(&ada, &group, "f.txt", b"taken back").await.expect(201)).to_owned();
    let deleted = ada.sends(&group, json!({"attachment_ids": [deleted]})).await.expect(201);
    ada.sends(&group, json!({"attachment_ids": [expired], "expires_in": 60})).await.expect(201);
    let forwarded = ada.sends(&group, json!({"attachment_ids": [forwarded]})).await.expect(201);
    bob.forwards(&forwarded, [other.as_str()]).await.expect(201);
    assert_eq!(fsck(&server, &[]).await.expect(), clean(5, 5));

    ada.deletes(&deleted, "everyone").await.expect(200);
    ada.deletes(&forwarded, "everyone").await.expect(200);
    ada.delete(&format!("/attachments/{taken_back}")).await.expect(204);
    server.clock.advance(Duration::seconds(60));
    keeps_only(&server, 2).await;

    assert_eq!(fsck(&server, &["--repair"]).await.expect(), clean(2, 2));
}

#[tokio::test]
async fn strays_are_found_and_removed() {
    let server = super::server().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    uploads(&ada, &group, "report.pdf", PDF).await.expect(201);
    let stray = server.store().join(new_id());
    fs::create_dir_all(&stray).expect("it can be made");
    fs::write(stray.join("original"), "whose?").expect("it can be written");
    fs::write(server.store().join("notes.txt"), "what?").expect("it can be written");

    let told = fsck(&server, &[]).await;
    assert_eq!(troubles(&told), (vec!["stray", "stray"], true));
    assert!(told.out.contains("notes.txt") && told.out.contains("3 files in the store, 1 needed"), "{told:?}");
    assert!(stray.join("original").exists(), "nothing is touched unless that is asked for");
    assert_eq!(troubles(&fsck(&server, &["--repair"]).await), (vec!["stray", "stray"], false));

    assert_eq!(fsck(&server, &[]).await.expect(), clean(1, 1));
}

#[tokio::test]
async fn what_is_lost_is_found_and_stays_lost() {
    let server = super::server().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let uploaded = uploads(&ada, &group, "report.pdf", PDF).await.expect(201);
    let file = only(&server, "original");
    let bytes = fs::read(&file).expect("it is there");

    fs::write(&file, &bytes[1..]).expect("it can be written");
    assert_eq!(troubles(&fsck(&server, &["--repair"]).await), (vec!["changed"], true));
    fs::remove_file(&file).expect("it is there");
    assert_eq!(troubles(&fsck(&server, &["--repair"]).await), (vec!["lost"], true));

    fs::write(&file, &bytes).expect("it can be written");
    execute(&server, "update attachments set details = '{\"thumbnails\": [320]}'".to_owned()).await;
    let told = fsck(&server, &[]).await;
    assert_eq!(troubles(&told), (vec!["lost"], true));
    assert!(told.out.contains("/320.webp") && told.out.contains("1 files in the store, 2 needed"), "{told:?}");
    fs::write(file.with_file_name("320.webp"), "picture").expect("it can be written");
    assert_eq!(fsck(&server, &[]).await.expect(), clean(2, 2));
    ada.delete(&format!("/attachments/{}", id(&uploaded))).await.expect(204);
    keeps_only(&server, 0).await;
}

#[tokio::test]
async fn places_that_nobody_needs_or_nobody_wrote_down_are_put_right() {
    let server = super::server().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let kept = id(&uploads(&ada, &group, "kept.txt", b"kept").await.expect(201)).to_owned();
    execute(&server, "delete from blobs".to_owned()).await;
    execute(&server, format!("insert into blobs (id) values ('{}')", new_id())).await;

    assert_eq!(troubles(&fsck(&server, &[]).await), (vec!["unwritten", "kept"], true));
    assert_eq!(troubles(&fsck(&server, &["--repair"]).await), (vec!["unwritten", "kept"], false));

    assert_eq!(fsck(&server, &[]).await.expect(), clean(1, 1));
    ada.get(&format!("/attachments/{kept}")).await.expect(200);
    ada.delete(&format!("/attachments/{kept}")).await.expect(204);
    keeps_only(&server, 0).await;
}

#[tokio::test]
async fn the_files_of_groups_that_nobody_is_in_go() {
    let server = super::server_with(|settings| settings.storage_quota_bytes = 20).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (doomed, left) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([]).await);
    for group in [&doomed, &left] {
        let file = uploads(&ada, group, "a.txt", format!("in {}", &group[..6]).as_bytes()).await.expect(201);
        ada.sends(group, json!({"attachment_ids": [id(&file)]})).await.expect(201);
    }
    let elsewhere = ada.opens_group_with([&bob]).await;
    uploads(&ada, &elsewhere, "b.txt", b"ten bytes.").await.refused(409, "limit_reached");

    ada.delete(&format!("/conversations/{doomed}")).await.expect(204);
    ada.delete(&format!("/conversations/{left}/participants/{}", ada.id)).await.expect(204);

    server.clock.advance(Duration::minutes(1));
    keeps_only(&server, 0).await;
    uploads(&ada, &elsewhere, "b.txt", b"ten bytes.").await.expect(201);
    assert_eq!(fsck(&server, &[]).await.expect(), clean(1, 1));
}
