//! Files: what is taken, who sees them, and that nothing is left of what is gone; on every store.

use chrono::Duration;
use futures_util::future::join_all;
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::{server, server_with};
use crate::harness::{
    client::perform,
    each,
    files::{PDF, form, form_with_more, keeps_only, kept, media, read, uploads, uploads_with},
    id, new_id,
    person::Person,
    reply::Reply,
};

async fn uploads_as(person: &Person, conversation: &str, file_id: &str, bytes: &[u8]) -> Reply {
    uploads_with(person, conversation, &[("id", file_id)], ("report.pdf", bytes)).await
}

#[tokio::test]
async fn a_file_is_uploaded_sent_and_read_by_all_members_and_nobody_else() {
    let server = server().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.socket().await;

    let reply = uploads(&ada, &group, "report.pdf", PDF).await;
    let uploaded = reply.expect(201);
    assert_eq!((&uploaded["kind"], &uploaded["mime_type"]), (&json!("file"), &json!("application/pdf")));
    assert_eq!((&uploaded["filename"], &uploaded["size"]), (&json!("report.pdf"), &json!(PDF.len())));
    let path = format!("/attachments/{}", id(&uploaded));
    ada.get(&path).await.expect(200);
    bob.get(&path).await.refused(404, "not_found");

    let message = json!({"kind": "file", "body": "Here", "attachment_ids": [id(&uploaded)]});
    let sent = ada.sends(&group, message).await.expect(201);
    let shown = &sent["attachments"][0];
    assert_eq!((&shown["id"], &shown["path"]), (&uploaded["id"], &json!(format!("/api/v1{path}"))));
    assert_eq!(shown.get("url"), None, "a message carries no URL that ends");
    assert_eq!(bobs.hears("message:new").await["data"], sent);
    assert_eq!(bob.history(&group).await.pop().expect("it is there"), sent);

    let bobs_view = bob.get(&path).await.expect(200);
    let file = read(&server.client, &bobs_view["url"], &[]).await;
    assert_eq!((file.status, file.body.as_str()), (200, str::from_utf8(PDF).ok()));
    assert_eq!(file.header("content-type"), "application/pdf");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"report.pdf\"; filename*=UTF-8''report.pdf");
    eve.get(&path).await.refused(404, "not_found");
    let asked = json!({"ids": [id(&uploaded), new_id()]});
    let signed = ada.post("/attachments/sign", asked.clone()).await.expect(200);
    assert_eq!(each(&signed, "id"), [id(&uploaded)]);
    assert_eq!(each(&eve.post("/attachments/sign", asked).await.expect(200), "id"), [] as [&Value; 0]);
}

#[tokio::test]
async fn the_bytes_decide_what_a_file_is() {
    let server = server().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for (name, bytes) in [
        ("photo.jpg", PDF),
        ("page.html", b"<!doctype html><script>alert(1)</script>".as_slice()),
        ("picture.svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>"),
        ("notes.txt", b"<svg onload=\"alert(1)\"/>"),
        ("tool.exe", b"MZ\x90\x00\x03\x00\x00\x00"),
        ("tool", b"\x7fELF\x02\x01\x01\x00"),
        ("notes.txt", b"\x00\x01\x02"),
    ] {
        uploads(&ada, &group, name, bytes).await.refused(415, "unsupported_media_type");
    }
    uploads(&ada, &group, "empty.txt", b"").await.refused_for("file");
    let named = uploads(&ada, &group, "../../etc/notes.txt", b"hello").await.expect(201);
    assert_eq!((&named["filename"], &named["mime_type"]), (&json!("notes.txt"), &json!("text/plain")));
    assert_eq!(kept(&server), 1, "nothing is kept of what is refused");
}

#[tokio::test]
async fn what_is_too_large_or_no_form_is_refused() {
    let server = server_with(|settings| settings.attachment_bytes = 1000).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let path = format!("/conversations/{group}/attachments");

    uploads(&ada, &group, "most.txt", &[b'x'; 1000]).await.expect(201);
    uploads(&ada, &group, "more.txt", &[b'x'; 1001]).await.refused(413, "payload_too_large");
    let no_form = ada.post(&format!("/conversations/{group}/attachments"), json!({"file": "no"})).await;
    no_form.refused(415, "unsupported_media_type");
    let request = ada.ask(Method::POST, &path).header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
    perform(request.body("--x\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\n1\r\n--x--\r\n"))
        .await
        .refused_for("file");
    let request = ada.ask(Method::POST, &path).header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
    perform(request.body("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhalf"))
        .await
        .refused(400, "bad_request");
}

#[tokio::test]
async fn an_upload_is_idempotent_by_its_id() {
    let server = server().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let file_id = new_id();

    let replies = join_all((0..8).map(|_| uploads_as(&ada, &group, &file_id, PDF))).await;
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(made, 1, "{replies:?}");
    for reply in replies {
        assert!(matches!(reply.status, 200 | 201), "{reply}");
        assert_eq!(id(&reply.body), file_id);
    }
    uploads_as(&ada, &group, &file_id, b"%PDF-1.4 other").await.refused(409, "idempotency_mismatch");
    uploads_as(&bob, &group, &file_id, PDF).await.refused(409, "idempotency_mismatch");
}

#[tokio::test]
async fn what_a_form_says_behind_the_file_counts_as_well() {
    let server = server().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let (voice, file_id) = (media("voice.webm"), new_id());
    let with = async |behind: &[(&str, &str)], name: &str, bytes: &[u8]| {
        let request = ada.ask(Method::POST, &format!("/conversations/{group}/attachments"));
        perform(form_with_more(request, (name, bytes), behind)).await
    };

    let said = [("id", file_id.as_str()), ("other", "x"), ("waveform", "[0, 50, 100]")];
    let first = with(&said, "voice.webm", &voice).await.expect(201);
    assert_eq!((id(&first), &first["waveform"]), (file_id.as_str(), &json!([0, 50, 100])));
    assert_eq!(id(&with(&said, "voice.webm", &voice).await.expect(200)), file_id);
    with(&said[..1], "a.txt", b"other").await.refused(409, "idempotency_mismatch");
    with(&[("id", "no")], "a.txt", b"text").await.refused_for("id");
    with(&[("waveform", "loud")], "voice.webm", &voice).await.refused_for("waveform");
    with(&[("file", "another")], "a.txt", b"text").await.refused_for("file");
    with(&[("other", &"x".repeat(100_000))], "a.txt", b"text").await.refused(413, "payload_too_large");
    with(&[("other", "x"); 200], "a.txt", b"text").await.refused(400, "bad_request");
    assert_eq!(kept(&server), 1, "nothing is kept of what is refused");
}

#[tokio::test]
async fn a_name_in_all_letters_comes_before_one_in_few() {
    let server = server().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for (names, kept) in [
        ("filename=\"=?utf-8?B?w7xiZXIucGRm?=\"; filename*=utf-8''%C3%BCber%20uns.pdf", "über uns.pdf"),
        ("filename*=UTF-8''%e2%82%ac.pdf; filename=\"euro.pdf\"", "€.pdf"),
        ("filename*=ISO-8859-1'de'%FCber.pdf", "über.pdf"),
        ("filename=\"über.pdf\"", "über.pdf"),
        ("filename=\"plain.pdf\"; filename*=UTF-8''%FF.pdf", "plain.pdf"),
        ("filename=\"plain.pdf\"; filename*=UTF-8''..%2F..%2Fup.pdf", "up.pdf"),
    ] {
        let head = format!("--x\r\nContent-Disposition: form-data; name=\"file\"; {names}\r\n\r\n");
        let body = [head.as_bytes(), PDF, b"\r\n--x--\r\n"].concat();
        let request = ada.ask(Method::POST, &format!("/conversations/{group}/attachments"));
        let request = request.header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
        let uploaded = perform(request.body(body)).await.expect(201);
        assert_eq!(uploaded["filename"], kept, "{names}");
    }
}

#[tokio::test]
async fn a_file_is_taken_once_and_only_by_who_uploaded_it() {
    let server = server().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (group, other) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([&bob]).await);
    let file = id(&uploads(&ada, &group, "report.pdf", PDF).await.expect(201)).to_owned();
    let with_file = |kind: &str| json!({"kind": kind, "attachment_ids": [file]});

    bob.sends(&group, with_file("file")).await.refused_for("attachment_ids");
    ada.sends(&other, with_file("file")).await.refused_for("attachment_ids");
    ada.sends(&group, with_file("image")).await.refused_for("attachment_ids");
    ada.sends(&group, json!({"kind": "file"})).await.refused_for("attachment_ids");
    let too_many: Vec<_> = (0..11).map(|_| new_id()).collect();
    ada.sends(&group, json!({"attachment_ids": too_many})).await.refused_for("attachment_ids");
    ada.sends(&group, json!({"attachment_ids": vec![new_id(); 11]})).await.refused_for("attachment_ids");

    let replies = join_all((0..8).map(|_| ada.sends(&group, with_file("file")))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 201);
    assert_eq!(taken.len(), 1);
    for reply in refused {
        reply.refused_for("attachment_ids");
    }
    ada.delete(&format!("/attachments/{file}")).await.refused(409, "attachment_taken");

    let message =
        json!({"id": new_id(), "attachment_ids": [id(&uploads(&ada, &group, "a.txt", b"a").await.expect(201))]});
    let first = ada.sends(&group, message.clone()).await.expect(201);
    assert_eq!(ada.sends(&group, message.clone()).await.expect(200), first);
    let without = json!({"id": message["id"], "body": "none"});
    ada.sends(&group, without).await.refused(409, "idempotency_mismatch");
}

#[tokio::test]
async fn the_same_bytes_are_kept_once_and_gone_with_the_last_who_needs_them() {
    let server = server().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let adas = uploads(&ada, &group, "one.pdf", PDF).await.expect(201);
    let bobs = uploads(&bob, &group, "two.pdf", PDF).await.expect(201);
    assert_eq!(kept(&server), 1);
    let sent = ada.sends(&group, json!({"attachment_ids": [id(&adas)]})).await.expect(201);

    ada.deletes(&sent, "everyone").await.expect(200);
    server.clock.advance(Duration::minutes(1));
    assert_eq!(
        read(&server.client, &bob.get(&format!("/attachments/{}", id(&bobs))).await.expect(200)["url"], &[])
            .await
            .status,
        200
    );
    bob.delete(&format!("/attachments/{}", id(&bobs))).await.expect(204);
    bob.delete(&format!("/attachments/{}", id(&bobs))).await.refused(404, "not_found");

    keeps_only(&server, 0).await;
}

#[tokio::test]
async fn of_two_who_let_go_of_the_same_bytes_at_once_one_is_the_last() {
    let server = server().await;
    let ada = server.person("ada").await;
    let (here, there) = (ada.opens_group_with([]).await, ada.opens_group_with([]).await);
    for nth in 0..8 {
        let file = uploads(&ada, &here, "a.txt", format!("text {nth}").as_bytes()).await.expect(201);
        let sent = ada.sends(&here, json!({"attachment_ids": [id(&file)]})).await.expect(201);
        let copies = ada.forwards(&sent, [&there]).await.expect(201);
        let copy = &copies["items"][0]["message"];

        let (one, other) = tokio::join!(ada.deletes(&sent, "everyone"), ada.deletes(copy, "everyone"));

        one.expect(200);
        other.expect(200);
    }

    server.clock.advance(Duration::minutes(1));
    keeps_only(&server, 0).await;
}

#[tokio::test]
async fn what_no_message_takes_is_collected_after_a_day() {
    let server = server().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let forgotten = uploads(&ada, &group, "forgotten.txt", b"forgotten").await.expect(201);
    let taken = uploads(&ada, &group, "taken.txt", b"taken").await.expect(201);
    ada.sends(&group, json!({"attachment_ids": [id(&taken)]})).await.expect(201);

    server.clock.advance(Duration::hours(25));
    let ada = ada.signs_in_again().await;
    keeps_only(&server, 1).await;

    ada.get(&format!("/attachments/{}", id(&forgotten))).await.refused(404, "not_found");
    ada.get(&format!("/attachments/{}", id(&taken))).await.expect(200);
}

#[tokio::test]
async fn the_quota_is_exact_under_parallel_uploads() {
    let server = server_with(|settings| settings.storage_quota_bytes = 35).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let texts: Vec<_> = (0..8).map(|nth| format!("text {nth} ...")).collect();

    let replies = join_all(texts.iter().map(|text| uploads(&ada, &group, "a.txt", &text.as_bytes()[..10]))).await;

    let (kept, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 201);
    assert_eq!(kept.len(), 3);
    for reply in refused {
        reply.refused(409, "limit_reached");
    }
    ada.delete(&format!("/attachments/{}", id(&kept[0].body))).await.expect(204);
    uploads(&ada, &group, "a.txt", b"0123456789").await.expect(201);
    uploads(&ada, &group, "b.txt", b"0123456789").await.refused(409, "limit_reached");
}

#[tokio::test]
async fn a_key_makes_an_upload_idempotent() {
    let server = server().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let uploads_under = async |key: &str, bytes: &[u8]| {
        let request = ada.ask(Method::POST, &format!("/conversations/{group}/attachments"));
        perform(form(request.header("Idempotency-Key", key), &[], "report.pdf", bytes)).await
    };

    let first = uploads_under("one", PDF).await.expect(201);
    let again = uploads_under("one", PDF).await.expect(201);
    let other = uploads_under("another", PDF).await.expect(201);

    assert_eq!(id(&first), id(&again));
    assert_ne!(id(&first), id(&other));
    uploads_under("one", b"%PDF-1.4 other").await.refused(409, "idempotency_mismatch");
}

#[tokio::test]
async fn a_file_elsewhere_under_the_same_id_is_not_taken_for_it() {
    let server = server().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let (group, trap) = (ada.opens_group_with([&bob, &eve]).await, eve.opens_group_with([&ada, &bob]).await);
    let file_id = new_id();
    let shared = json!({"attachment_ids": [file_id]});
    uploads_as(&ada, &group, &file_id, PDF).await.expect(201);
    ada.sends(&group, shared.clone()).await.expect(201);
    let path = format!("/attachments/{file_id}");
    let before = bob.get(&path).await.expect(200);

    uploads_as(&eve, &trap, &file_id, b"%PDF-1.4 other").await.expect(201);
    eve.sends(&trap, shared).await.expect(201);

    let after = bob.get(&path).await.expect(200);
    assert_eq!((&after["conversation_id"], &after["size"]), (&json!(group), &json!(PDF.len())));
    for url in [&before["url"], &after["url"]] {
        assert_eq!(read(&server.client, url, &[]).await.body.as_str(), str::from_utf8(PDF).ok());
    }
    let eves = eve.get(&path).await.expect(200);
    assert_eq!(eves["conversation_id"], trap, "one's own comes first");
    assert_eq!(read(&server.client, &eves["url"], &[]).await.body.as_str(), Some("%PDF-1.4 other"));
}
