//! A server on a PostgreSQL of its own: everything is made at first start, and nothing acknowledged is lost, whoever dies.

use futures_util::future::join_all;
use nix::sys::signal::{Signal, kill};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::harness::{
    command::{colloquy, run},
    directory::Directory,
    disk::{apart, with_little_room},
    each, new_id,
    postgres::Database,
    process::{PROGRAM, Process},
    until,
};

/// Starts a server on a disk that was large enough until something else filled it, and once more when that is gone.
const FILLED: &str = r#"
mount -t tmpfs -o size=120m,mode=711 tmpfs "$COLLOQUY_DATA_DIR"
"$1" user create ada <<<"correct horse" >/dev/null 2>&1
head -c 200m /dev/zero >"$COLLOQUY_DATA_DIR/rubbish" 2>/dev/null
"$1" serve
status=$?
rm "$COLLOQUY_DATA_DIR/rubbish"
"$1" token ada >/dev/null 2>&1 || exit 2
exit $status
"#;

#[tokio::test]
async fn a_server_makes_everything_at_first_start_and_leaves_no_process_when_it_stops() {
    let directory = Directory::create();
    let settings = [("COLLOQUY_DATA_DIR", directory.text())];
    let server = Process::start(&settings).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    ada.says(&group, "Before").await;

    let second = colloquy(&["serve", "--listen", "127.0.0.1:0"], &settings).await.refused();
    let holder = server.pid;
    server.stop().await;

    let place = directory.text();
    let sentence = format!(
        "Another server (process {holder}) is running on the data directory `{place}`; stop it, or choose another COLLOQUY_DATA_DIR."
    );
    assert_eq!(second, sentence);
    assert_eq!((directory.at_work(), directory.postmaster()), (vec![], None));
    let token = colloquy(&["token", "ada"], &settings).await.expect();
    assert_eq!((directory.at_work(), directory.postmaster()), (vec![], None));
    let server = Process::start(&settings).await;
    assert_eq!(ada.at(&server).words(&group).await, ["Before"]);
    server.client.with_token(&token).get("/users/me").await.expect(200);
}

#[tokio::test]
async fn whatever_is_killed_the_server_goes_on_with_everything_that_was_acknowledged() {
    let directory = Directory::create();
    let settings = [("COLLOQUY_DATA_DIR", directory.text())];
    let server = Process::start(&settings).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    ada.says(&group, "0").await;
    let ids: Vec<_> = (0..1_000).map(|_| new_id()).collect();

    kill(directory.postmaster().expect("PostgreSQL runs"), Signal::SIGKILL).expect("it is there");
    let (mut number, mut refused) = (1, 0);
    until("the server was away and is back", async || {
        // Refused may mean committed, so that only the same once more makes sure.
        let message = json!({"id": ids[number], "body": number.to_string()});
        let reply = ada.sends(&group, message).await;
        if !matches!(reply.status, 200 | 201) {
            assert_eq!(reply.refused(503, "unavailable")["retryable"], true);
            refused += 1;
            return None;
        }
        number += 1;
        (refused > 0).then_some(())
    })
    .await;
    server.kill().await;
    assert!(!directory.at_work().is_empty(), "PostgreSQL outlives a server that is killed");
    let server = Process::start(&settings).await;

    let ada = ada.at(&server);
    let page = ada.get(&format!("/conversations/{group}/messages?after=0&limit=100")).await.expect(200);
    assert!(
        each(&page, "body").into_iter().eq((0..number).map(|number| number.to_string()).collect::<Vec<_>>().iter())
    );
    assert!(each(&page, "seq").into_iter().eq((1..=number).collect::<Vec<_>>().iter()), "{page:#}");
    server.stop().await;
    assert_eq!(directory.at_work(), []);
}

#[tokio::test]
async fn what_keeps_a_server_from_starting_is_said_in_one_sentence() {
    let (directory, database, old) = (Directory::create(), Database::create().await, old_postgres().await);
    let file = directory.path().join("file");
    std::fs::write(&file, "not a directory").expect("there is room");
    let file = file.to_str().expect("its name is ASCII");
    let nobody = database.url().replace("/test_", "/no_test_");
    let cases = [
        ("DATABASE_URL", "mysql://root:hunter2@db/chat", "DATABASE_URL is not valid: expected postgres://"),
        ("DATABASE_URL", "postgres://ada:hunter2@db:port/chat", "DATABASE_URL is not valid (invalid port number)"),
        ("DATABASE_URL", "postgres://ada:hunter2@127.0.0.1:1/chat", "PostgreSQL at `127.0.0.1:1` cannot be reached: "),
        ("DATABASE_URL", &nobody, "refuses: database \"no_test_"),
        ("DATABASE_URL", &old, "The database runs PostgreSQL 14; Colloquy needs version 15 or later."),
        ("COLLOQUY_DATA_DIR", file, "cannot be made: File exists"),
        ("COLLOQUY_LISTEN", "192.0.2.1:80", "cannot listen on 192.0.2.1:80; is another server running there?"),
        ("COLLOQUY_LOG", "colloquy=loud", "COLLOQUY_LOG=`colloquy=loud` is neither a level"),
    ];

    let refusals = join_all(cases.iter().map(|(variable, value, _)| async move {
        let listen = ("COLLOQUY_LISTEN", "127.0.0.1:0");
        colloquy(&["serve"], &[listen, (variable, value)]).await.refused()
    }))
    .await;

    for ((_, value, expected), sentence) in cases.iter().zip(refusals) {
        assert!(sentence.contains(expected), "`{value}` is refused with: {sentence}");
        assert!(!sentence.contains("hunter2"), "{sentence}");
    }
}

#[tokio::test]
async fn a_first_start_without_room_says_so_in_one_sentence() {
    let directory = Directory::create();
    let place = directory.text();
    let settings = [("COLLOQUY_DATA_DIR", place), ("COLLOQUY_LISTEN", "127.0.0.1:0"), ("COLLOQUY_LOG", "warn")];
    let words: Vec<_> = with_little_room(place).into_iter().chain([PROGRAM, "serve"]).collect();

    let sentence = run("", &words, &settings).await.refused();

    assert!(sentence.contains("The PostgreSQL cluster could not be made: "), "{sentence}");
    if apart().is_some() {
        assert!(sentence.starts_with(&format!("The disk of `{place}` is full: ")), "{sentence}");
    }
}

#[tokio::test]
async fn a_disk_that_is_full_at_a_later_start_is_told_and_loses_nothing() {
    let directory = Directory::create();
    let settings = [("COLLOQUY_DATA_DIR", directory.text()), ("COLLOQUY_LISTEN", "127.0.0.1:0")];
    let settings = [&settings[..], &[("COLLOQUY_LOG", "warn")]].concat();
    // Only root may lend PostgreSQL an account in there; nobody else can fill a disk for this.
    let Some([unshare, how @ "-m"]) = apart() else { return };

    let sentence = run("", &[unshare, how, "bash", "-c", FILLED, "bash", PROGRAM], &settings).await.refused();

    assert!(sentence.starts_with(&format!("The disk of `{}` is full: ", directory.text())), "{sentence}");
}

/// The URL of a server that says that it is PostgreSQL 14.
async fn old_postgres() -> String {
    const SESSION: [(u8, &[u8]); 3] = [(b'R', &[0; 4]), (b'S', b"server_version\x0014.9\0"), (b'Z', b"I")];
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            // Whatever the client asks for in its first packet.
            let _read = client.read(&mut [0; 1024]).await;
            for (kind, body) in SESSION {
                let length = (body.len() as u32 + 4).to_be_bytes();
                client.write_all(&[&[kind], &length[..], body].concat()).await.ok();
            }
            // It says goodbye.
            let _read = client.read(&mut [0; 1024]).await;
        }
    });
    format!("postgres://ada:hunter2@{address}/chat?sslmode=disable")
}
