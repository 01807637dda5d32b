//! A disk that is full.

use crate::harness::{
    directory::Directory,
    disk::with_little_room,
    files::{read, uploads},
    postgres::Database,
    process::Process,
    tus::Tus,
};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_full_disk_is_told_and_loses_nothing() {
    let (database, directory) = (Database::create().await, Directory::create());
    let settings = [("DATABASE_URL", database.url()), ("COLLOQUY_DATA_DIR", directory.text())];
    let server = Process::start_by(&with_little_room(directory.text()), &settings).await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let texts = ["a", "b"].map(|letter| letter.repeat(MIB));
    let large = "c".repeat(9 * MIB);

    let first = uploads(&ada, &group, "a.txt", texts[0].as_bytes()).await.expect(201);
    for size in [9 * MIB, 5 * MIB] {
        uploads(&ada, &group, "c.txt", &large.as_bytes()[..size]).await.refused(507, "storage_full");
    }
    let upload = tus.announces(&group, "c.txt", 9 * MIB).await;
    tus.patch(&format!("/uploads/{upload}"), 0, large.as_bytes()).await.refused(507, "storage_full");
    assert_eq!(tus.offset(&upload).await, 0);
    tus.patch(&format!("/uploads/{upload}"), 0, &large.as_bytes()[..MIB]).await.expect(204);
    let second = uploads(&ada, &group, "b.txt", texts[1].as_bytes()).await.expect(201);

    for (file, text) in [first, second].iter().zip(&texts) {
        let is_there = read(&server.client, &file["url"], &[]).await.expect(200).as_str() == Some(text);
        assert!(is_there, "what was kept is there");
    }
    let mut db = database.connect().await;
    let used: i64 = sqlx::query_scalar("select bytes from storage_used").fetch_one(&mut db).await.expect("one row");
    assert_eq!(used, 2 * MIB as i64);
    server.stop().await;
}
