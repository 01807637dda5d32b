//! How large files may be, by what they are and by who brings them.

use image::ImageFormat;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{
    camera::{coded, noise},
    client::perform,
    command::colloquy,
    directory::Directory,
    files::{form, uploads},
    id,
    person::Person,
    reply::Reply,
    school::operator,
    server::TestServer,
    tus::{Tus, metadata},
};

/// What everybody may, and what coaches may: 5000 bytes are what the server's settings say.
const RULES: &str = r#"
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
[attachment_bytes."*"]
image = 1000
audio = 2500
voice_note = 4000
[attachment_bytes.coach]
image = 8000
"*" = 6000
"#;

/// A server under these rules, with a coach and somebody else, each in a group with the other.
struct Place {
    server: TestServer,
    carl: Person,
    pat: Person,
    group: String,
    _rules: Directory,
}

impl Place {
    async fn open() -> Self {
        let rules = Directory::create();
        let file = rules.path().join("rules.toml");
        std::fs::write(&file, RULES).expect("the directory is ours");
        let server = TestServer::on_s3_with(|settings| {
            settings.policy_file = Some(file);
            settings.attachment_bytes = 5000;
        })
        .await;
        let (olga, carl) = (operator(&server).await, server.person("carl").await);
        olga.put(&format!("/admin/users/{}/roles", carl.id), json!({"roles": ["coach"]})).await.expect(200);
        let pat = server.person("pat").await;
        let carl = carl.signs_in_again().await;
        let group = carl.opens_group_with([&pat]).await;
        Self { server, carl, pat, group, _rules: rules }
    }
}

/// A picture of more than 1000 bytes and less than 8000.
fn picture() -> Vec<u8> {
    let picture = coded(&noise(40, 40), ImageFormat::Png);
    assert!((1001..8000).contains(&picture.len()), "{}", picture.len());
    picture
}

fn voice() -> Vec<u8> {
    let voice = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/voice.webm")).expect("it is shipped");
    assert!((2501..4000).contains(&voice.len()), "{}", voice.len());
    voice
}

/// Refused as too large, and why.
#[track_caller]
fn too_large(reply: Reply, why: &str) {
    let problem = reply.refused(413, "payload_too_large");
    assert_eq!(problem["detail"], why);
}

#[tokio::test]
async fn a_file_may_be_as_large_as_its_kind_and_its_bringers_role_allow() {
    let Place { server: _server, carl, pat, group, _rules } = Place::open().await;
    let (picture, text) = (picture(), "x".repeat(6001));
    let image = "A file of the kind `image` may have at most 1000 bytes.";

    too_large(uploads(&pat, &group, "a.png", &picture).await, image);
    too_large(uploads(&pat, &group, "nameless", &picture).await, image);
    uploads(&carl, &group, "a.png", &picture).await.expect(201);
    too_large(uploads(&pat, &group, "same.png", &picture).await, image);
    uploads(&pat, &group, "a.txt", &text.as_bytes()[..5000]).await.expect(201);
    let file = "A file of the kind `file` may have at most 5000 bytes.";
    too_large(uploads(&pat, &group, "a.txt", &text.as_bytes()[..5001]).await, file);
    uploads(&carl, &group, "a.txt", &text.as_bytes()[..6000]).await.expect(201);
    too_large(uploads(&carl, &group, "a.txt", text.as_bytes()).await, &file.replace('5', "6"));

    let gives = async |person: &Person, whose: &str| {
        perform(form(person.ask(Method::PUT, &format!("{whose}/avatar")), &[], "a.png", &picture)).await
    };
    too_large(gives(&pat, "/users/me").await, image);
    gives(&carl, "/users/me").await.expect(200);
    gives(&carl, &format!("/conversations/{group}")).await.expect(200);
}

#[tokio::test]
async fn what_is_announced_is_judged_before_it_comes_and_again_when_it_is_there() {
    let Place { server, carl, pat, group, .. } = Place::open().await;
    let picture = picture();
    let image = "A file of the kind `image` may have at most 1000 bytes.";
    let tus = Tus::of(&pat);
    let words = |name| metadata(&[("conversation_id", group.as_str()), ("filename", name)]);
    let presigns = async |person: &Person, name: &str, size: usize| {
        let file = json!({"filename": name, "size": size});
        person.post(&format!("/conversations/{group}/attachments/presign"), file).await
    };

    assert_eq!(Tus::of(&server.client).options("/uploads").await.header("tus-max-size"), "8000");
    too_large(tus.post("/uploads", 1001, &words("a.png")).await, image);
    too_large(tus.post("/uploads", 5001, &words("nameless")).await, "A file may have at most 5000 bytes.");
    too_large(presigns(&pat, "a.png", 1001).await, image);
    presigns(&pat, "a.png", 1000).await.expect(201);
    presigns(&carl, "a.png", 1001).await.expect(201);

    let upload = tus.announces(&group, "nameless", picture.len()).await;
    too_large(tus.patch(&format!("/uploads/{upload}"), 0, &picture).await, image);
    assert_eq!(tus.head(&format!("/uploads/{upload}")).await.status, 404);
    let presigned = presigns(&pat, "nameless", picture.len()).await.expect(201);
    let url = presigned["url"].as_str().expect("it has a URL");
    perform(pat.ask_anywhere(Method::PUT, url).body(picture.clone())).await.expect(200);
    let complete = format!("/conversations/{group}/attachments/{}/complete", id(&presigned));
    too_large(pat.post(&complete, json!({})).await, image);
    pat.post(&complete, json!({})).await.refused(404, "not_found");
    let upload = Tus::of(&carl).announces(&group, "nameless", picture.len()).await;
    Tus::of(&carl).patch(&format!("/uploads/{upload}"), 0, &picture).await.expect(204);
}

#[tokio::test]
async fn a_form_that_says_that_it_is_too_large_is_refused_before_it_comes() {
    let Place { server, pat, group, .. } = Place::open().await;
    let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";
    let head = format!(
        "POST /api/v1/conversations/{group}/attachments HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         content-type: multipart/form-data; boundary=x\r\ncontent-length: 1000000\r\n\r\n{form}",
        pat.token().expect("he is signed in")
    );
    let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");

    stream.write_all(head.as_bytes()).await.expect("the server reads");

    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.expect("it answers though nothing more comes");
    assert_eq!(str::from_utf8(&answer), Ok("HTTP/1.1 413"));
}

#[tokio::test]
async fn sound_is_measured_as_what_its_message_takes_it_for() {
    let Place { server: _server, carl, pat, group, _rules } = Place::open().await;
    let sends = async |person: &Person, kind: &str, file: &Value| {
        person.sends(&group, json!({"kind": kind, "attachment_ids": [id(file)]})).await
    };
    let spoken = uploads(&pat, &group, "voice.webm", &voice()).await.expect(201);
    let mut socket = pat.socket().await;

    let problem = sends(&pat, "audio", &spoken).await.refused(403, "against_rules");
    assert_eq!(problem["rule"], "attachment_bytes");
    assert_eq!(problem["detail"], "A file of the kind `audio` may have at most 2500 bytes.");
    let as_file = json!({"conversation_id": group, "attachment_ids": [id(&spoken)]});
    assert_eq!(socket.is_refused("message:send", as_file).await["code"], "against_rules");
    sends(&pat, "voice_note", &spoken).await.expect(201);
    let sung = uploads(&carl, &group, "voice.webm", &voice()).await.expect(201);
    let song = sends(&carl, "audio", &sung).await.expect(201);
    pat.forwards(&song, [group.as_str()]).await.expect(201);
}

#[tokio::test]
async fn everybody_is_told_how_large_their_files_may_be() {
    let Place { server: _server, carl, pat, .. } = Place::open().await;

    let told = async |person: &Person| person.get("/limits").await.expect(200)["attachment_bytes"].clone();

    let pats = json!({"image": 1000, "video": 5000, "audio": 2500, "voice_note": 4000, "file": 5000});
    assert_eq!(told(&pat).await, pats);
    let carls = json!({"image": 8000, "video": 6000, "audio": 6000, "voice_note": 6000, "file": 6000});
    assert_eq!(told(&carl).await, carls);
}

#[tokio::test]
async fn sizes_are_tried_on_what_people_sent() {
    let Place { server, carl, pat, group, _rules: rules } = Place::open().await;
    let own = uploads(&carl, &group, "a.png", &picture()).await.expect(201);
    let sent = carl.sends(&group, json!({"attachment_ids": [id(&own)]})).await.expect(201);
    pat.forwards(&sent, [group.as_str()]).await.expect(201);
    let tried = async |name: &str, text: String| {
        let file = rules.path().join(name);
        std::fs::write(&file, text).expect("the directory is ours");
        let database = [("DATABASE_URL", server.database.url())];
        colloquy(&["policy", "check", file.to_str().expect("it is text"), "--replay", "2"], &database).await.expect()
    };

    let same = tried("same.toml", RULES.to_owned()).await;
    let small = tried("small.toml", RULES.replace("8000", "1000")).await;
    let none =
        tried("none.toml", RULES.replacen("attachments = [\"*\"]\n[attach", "attachments = []\n[attach", 1)).await;

    assert!(same.ends_with("Of the last 2 it would have refused 0 and redacted 0."), "{same}");
    let why = format!("by {} in {group}: attachment_bytes: A file of the kind `image` may have at most", carl.id);
    assert!(small.contains(&why) && small.contains("refused 1 and"), "{small}");
    assert!(none.contains("groups.*.attachments") && none.contains("refused 2 and"), "{none}");
}

#[tokio::test]
async fn there_is_room_for_what_the_rules_let_in() {
    let rules = Directory::create();
    let file = rules.path().join("rules.toml");
    std::fs::write(&file, RULES.replace("image = 1000", "file = 1_000_000")).expect("the directory is ours");
    let server = TestServer::with(|settings| {
        settings.policy_file = Some(file);
        settings.attachment_bytes = 5000;
    })
    .await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    uploads(&ada, &group, "long.txt", &vec![b'x'; 900_000]).await.expect(201);
    uploads(&ada, &group, "longer.txt", &vec![b'x'; 1_000_001]).await.refused(413, "payload_too_large");
}
