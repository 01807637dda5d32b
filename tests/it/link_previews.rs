//! Previews of pages: told a moment after the message, by one node, once; and nothing is looked at that should not be.

use std::{path::Path, time::Instant};

use chrono::Duration;
use colloquy::config::settings::Settings;
use serde_json::{Value, json};

use crate::harness::{
    id, new_id,
    person::Person,
    reply::redacted,
    school::COACHING,
    seq,
    server::TestServer,
    site::{ALLOWED, Site},
    socket::Socket,
    until,
};

/// Previews, with one network of one's own.
fn previewing(settings: &mut Settings) {
    settings.link_previews = true;
    settings.link_preview_networks = vec![format!("{ALLOWED}/32").parse().expect("it is a network")];
}

/// Sends a link, and answers with the message and the path that was linked to.
async fn links(person: &Person, conversation: &str, url: &str) -> Value {
    person.says(conversation, &format!("Look: {url} !")).await
}

/// Waits until nobody is on the way to any page.
async fn nobody_is_on_the_way(server: &TestServer) {
    let mut db = server.database.connect().await;
    until("nobody is on the way to a page", async || {
        let left = sqlx::query_scalar("select count(*) from link_visits").fetch_one(&mut db).await;
        let left: i64 = left.expect("the table is there");
        (left == 0).then_some(())
    })
    .await;
}

async fn hears_preview(socket: &mut Socket, message: &Value) -> Value {
    let is_it = |event: &Value| event["data"]["id"] == message["id"] && event["data"]["link_preview"].is_object();
    socket.hears_where("message:updated", is_it).await
}

#[tokio::test]
async fn a_preview_follows_its_message_and_is_part_of_it_everywhere() {
    let (site, server) = (Site::at(ALLOWED).await, TestServer::with(previewing).await);
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let [mut bobs, mut eves] = [bob.socket().await, eve.socket().await];
    let url = site.url("/gated/news");

    let sent = links(&ada, &group, &url).await;
    assert_eq!((sent.get("link_preview"), &sent["changed_seq"]), (None, &sent["seq"]));
    let cursor = json!({"cursors": {group.as_str(): seq(&sent)}});
    let next = ada.says(&group, "Nobody waits for a page.").await;
    site.opens();

    let told = hears_preview(&mut bobs, &sent).await;
    assert_eq!(told["seq"], json!(seq(&next) + 1), "it has a place of its own in the log");
    let message = told["data"].clone();
    assert_eq!(
        message["link_preview"],
        json!({"url": url, "title": "Title of news", "description": "About news, ann@example.com",
               "image_url": "https://cdn.example.com/news.png", "site_name": "Site"})
    );
    assert_eq!((&message["edited_at"], &message["body"]), (&Value::Null, &sent["body"]));
    assert_eq!(bob.looks_at(&sent).await.expect(200), message);
    assert_eq!(bob.history(&group).await[0], message);
    let missed = bob.syncs(cursor).await["conversations"][0]["messages"].take();
    assert_eq!(missed, json!([next, message]));
    let path = format!("/conversations/{group}/messages/{}/edits", id(&sent));
    assert_eq!(bob.get(&path).await.expect(200)["items"], json!([]), "nobody edited it");
    assert_eq!(ada.sends(&group, json!({"id": sent["id"], "body": sent["body"]})).await.expect(200), message);
    eves.heard_nothing_in(&group).await;
    bobs.heard_nothing_of("message:updated").await;

    let [request] = &site.requests()[..] else { panic!("it is looked at once: {:?}", site.requests()) };
    let request = request.to_lowercase();
    assert!(request.contains("user-agent: colloquy/") && request.contains("accept: text/html"), "{request}");
    assert!(!request.contains("cookie") && !request.contains("authorization"), "{request}");
}

#[tokio::test]
async fn nothing_is_looked_at_unless_the_operator_wants_it() {
    let site = Site::at(ALLOWED).await;
    let own = |settings: &mut Settings| {
        previewing(settings);
        settings.link_previews = false;
    };
    let server = TestServer::with(own).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut socket = ada.socket().await;

    links(&ada, &group, &site.url("/page/a")).await;

    nobody_is_on_the_way(&server).await;
    socket.heard_nothing_of("message:updated").await;
    assert_eq!(site.requests(), [] as [&str; 0]);
}

#[tokio::test]
async fn no_link_leads_inside() {
    let site = Site::at(ALLOWED).await;
    let inside = Site::beside(&site, "127.0.0.1").await;
    let server = TestServer::with(previewing).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut socket = ada.socket().await;
    let port = inside.port();
    let secret = [
        format!("http://127.0.0.1:{port}/page/secret"),
        format!("http://localhost:{port}/page/secret"),
        format!("http://2130706433:{port}/page/secret"),
        format!("http://0x7f.0.0.1:{port}/page/secret"),
        format!("http://[::ffff:127.0.0.1]:{port}/page/secret"),
        format!("http://[::ffff:127.0.0.2]:{port}/page/secret"),
        format!("http://0.0.0.0:{port}/page/secret"),
        format!("http://ada:pass@{ALLOWED}:{port}/page/secret"),
        "http://127.0.0.1/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/latest/meta-data/".to_owned(),
        "http://localhost/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ];

    for place in &secret {
        links(&ada, &group, place).await;
        links(&ada, &group, &site.url(&format!("/to/{place}"))).await;
    }
    let good = links(&ada, &group, &site.url("/to//page/good")).await;

    assert_eq!(hears_preview(&mut socket, &good).await["data"]["link_preview"]["title"], "Title of good");
    nobody_is_on_the_way(&server).await;
    socket.heard_nothing_of("message:updated").await;
    assert_eq!(inside.requests(), [] as [&str; 0]);
    assert_eq!(site.visits("/page/secret"), 0);
}

#[tokio::test]
async fn what_is_no_page_or_does_not_end_is_let_go() {
    let (site, server) = (Site::at(ALLOWED).await, TestServer::with(previewing).await);
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut socket = ada.socket().await;

    for path in ["/text", "/packed", "/missing", "/hops/4", "/to/", "/drip"] {
        links(&ada, &group, &site.url(path)).await;
    }
    ada.sends(
        &group,
        json!({"kind": "location", "body": site.url("/page/place"),
        "location": {"latitude": 1.0, "longitude": 2.0}}),
    )
    .await
    .expect(201);
    let started = Instant::now();
    let endless = links(&ada, &group, &site.url("/endless")).await;
    let far = links(&ada, &group, &site.url("/hops/3")).await;

    assert_eq!(hears_preview(&mut socket, &endless).await["data"]["link_preview"]["title"], "Endless");
    assert_eq!(hears_preview(&mut socket, &far).await["data"]["link_preview"]["title"], "Title of hops");
    nobody_is_on_the_way(&server).await;
    assert!(started.elapsed() < std::time::Duration::from_secs(15), "{:?}", started.elapsed());
    socket.heard_nothing_of("message:updated").await;
    assert_eq!((site.visits("/hops/0"), site.visits("/page/place")), (1, 0));
}

#[tokio::test]
async fn an_edit_takes_the_preview_along_unless_the_link_stays() {
    let (site, server) = (Site::at(ALLOWED).await, TestServer::with(previewing).await);
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut socket = ada.socket().await;
    let sent = links(&ada, &group, &site.url("/page/one")).await;
    let shown = hears_preview(&mut socket, &sent).await["data"].take();

    let same = ada.edits(&sent, &format!("Once more: {}", site.url("/page/one"))).await.expect(200);
    assert_eq!(same["link_preview"], shown["link_preview"]);
    socket.hears("message:updated").await;
    let other = ada.edits(&sent, &format!("Rather: {}", site.url("/page/two"))).await.expect(200);
    assert_eq!(other.get("link_preview"), None);
    assert_eq!(socket.hears("message:updated").await["data"], other);
    let told = hears_preview(&mut socket, &sent).await["data"].take();
    assert_eq!((&told["link_preview"]["title"], &told["edited_at"]), (&json!("Title of two"), &other["edited_at"]));
    let none = ada.edits(&sent, "Never mind.").await.expect(200);

    assert_eq!(none.get("link_preview"), None);
    nobody_is_on_the_way(&server).await;
    assert_eq!((site.visits("/page/one"), site.visits("/page/two")), (1, 1));
    assert_eq!(ada.looks_at(&sent).await.expect(200), none);
}

#[tokio::test]
async fn a_page_that_comes_too_late_is_not_shown() {
    let (site, server) = (Site::at(ALLOWED).await, TestServer::with(previewing).await);
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut socket = ada.socket().await;
    let deleted = links(&ada, &group, &site.url("/gated/deleted")).await;
    let edited = links(&ada, &group, &site.url("/gated/edited")).await;
    let expiring = json!({"id": new_id(), "body": site.url("/gated/expired"), "expires_in": 5});
    let expiring = ada.sends(&group, expiring).await.expect(201);
    until("all are on the way", async || (site.requests().len() == 3).then_some(())).await;

    let tombstone = ada.deletes(&deleted, "everyone").await.expect(200);
    let unlinked = ada.edits(&edited, "Never mind.").await.expect(200);
    server.clock.advance(Duration::seconds(5));
    socket.hears_where("message:deleted", |event| event["data"]["id"] == expiring["id"]).await;
    site.opens();
    let last = links(&ada, &group, &site.url("/gated/last")).await;

    hears_preview(&mut socket, &last).await;
    server.clock.advance(Duration::seconds(31));
    nobody_is_on_the_way(&server).await;
    let is_preview = |event: &Value| event["data"]["link_preview"].is_object();
    socket.heard_nothing_where("a preview", is_preview).await;
    assert_eq!(ada.looks_at(&deleted).await.expect(200), tombstone);
    assert_eq!(ada.looks_at(&edited).await.expect(200), unlinked);
}

#[tokio::test]
async fn a_preview_is_gone_with_its_message() {
    let (site, server) = (Site::at(ALLOWED).await, TestServer::with(previewing).await);
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut socket = ada.socket().await;
    let sent = links(&ada, &group, &site.url("/page/gone")).await;
    let expiring = json!({"id": new_id(), "body": site.url("/page/gone"), "expires_in": 60});
    let expiring = ada.sends(&group, expiring).await.expect(201);
    hears_preview(&mut socket, &sent).await;
    hears_preview(&mut socket, &expiring).await;

    ada.deletes(&sent, "everyone").await.expect(200);
    let tombstone = socket.hears("message:deleted").await["data"].take();
    server.clock.advance(Duration::seconds(60));
    assert_eq!(ada.looks_at(&expiring).await.expect(200).get("link_preview"), None);
    socket.hears("message:deleted").await;

    assert_eq!(tombstone.get("link_preview"), None);
    let kept = sqlx::query_scalar("select count(*) from messages where link_preview is not null");
    let kept: i64 = kept.fetch_one(&mut server.database.connect().await).await.expect("the table is there");
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn of_several_nodes_one_looks_and_all_tell() {
    let site = Site::at(ALLOWED).await;
    let nodes: [TestServer; 3] = TestServer::nodes_with(previewing).await;
    let [ada, bob] = nodes[0].people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut sockets = [bob.at(&nodes[1]).socket().await, bob.at(&nodes[2]).socket().await];
    let paths: Vec<_> = (0..20).map(|number| format!("/page/{number}")).collect();

    let mut sent = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        sent.push(links(&ada.at(&nodes[number % 3]), &group, &site.url(path)).await);
    }

    for socket in &mut sockets {
        let mut places = Vec::new();
        for _ in &sent {
            let told = socket.hears("message:updated").await;
            assert!(told["data"]["link_preview"].is_object(), "{told:#}");
            places.push(told["seq"].as_i64().expect("it is of the log"));
        }
        assert!(places.is_sorted(), "{places:?}");
        socket.heard_nothing_of("message:updated").await;
    }
    for path in &paths {
        assert_eq!(site.visits(path), 1, "{path}");
    }
}

#[tokio::test]
async fn a_server_that_starts_again_looks_at_what_it_did_not_see() {
    let (site, server) = (Site::at(ALLOWED).await, TestServer::with(previewing).await);
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let sent = links(&ada, &group, &site.url("/gated/late")).await;
    until("somebody is on the way", async || (site.visits("/gated/late") == 1).then_some(())).await;

    let server = server.restarts().await;
    let mut socket = ada.at(&server).socket().await;
    site.opens();
    server.clock.advance(Duration::seconds(31));

    assert_eq!(hears_preview(&mut socket, &sent).await["data"]["link_preview"]["title"], "Title of late");
    assert_eq!(site.visits("/gated/late"), 2);
}

#[tokio::test]
async fn what_the_rules_take_out_of_bodies_is_taken_out_of_previews() {
    let site = Site::at(ALLOWED).await;
    let adjust = |settings: &mut Settings| {
        previewing(settings);
        settings.policy_file = Some(Path::new(COACHING).to_owned());
    };
    let school = crate::harness::school::School::with(adjust).await;
    let [ann, carl, _] = school.staff().await;
    let batch = ann.opens_group([&carl], json!({"category": "batch"})).await;
    let mut socket = carl.socket().await;

    let sent = links(&ann, &batch, &site.url("/page/school")).await;

    let preview = hears_preview(&mut socket, &sent).await["data"]["link_preview"].take();
    assert_eq!(preview["description"], "About school, •••");
    assert_eq!(redacted(&preview)["title"], "Title of school");
}
