//! Refusals: whoever refuses, they look alike, and nothing that a client can send is answered by a 5xx.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{PATIENCE, client::perform, new_id, reply::Reply, server::TestServer};

async fn posts(request: RequestBuilder, content_type: &str, body: impl Into<reqwest::Body>) -> Reply {
    perform(request.header("content-type", content_type).body(body)).await
}

#[tokio::test]
async fn what_is_not_json_is_malformed() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let sync = || ada.ask(Method::POST, "/sync");

    let broken = posts(sync(), "application/json", r#"{"limit": 1"#).await;

    insta::assert_json_snapshot!("malformed", broken.shape());
    broken.refused(400, "malformed_json");
    for body in
        ["{", "nothing", "{'limit': 1}", "{\"limit\": 1} {}", "\u{feff}{}", "{\"limit\": 0x1}", "{\"limit\": 1,}"]
    {
        let reply = posts(sync(), "application/json", body).await;
        assert_eq!(reply.status, 400, "{body}: {reply}");
    }
    posts(sync(), "application/json", vec![b'"', 0xff, 0xfe, b'"']).await.refused_with(400);
    posts(sync(), "application/json", "[".repeat(100_000)).await.refused_with(400);
    posts(sync(), "application/json", "{\"a\":".repeat(40_000)).await.refused_with(400);
}

#[tokio::test]
async fn what_is_json_of_other_types_is_not_valid() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    let wrong = ada.post("/sync", json!({"limit": "ten"})).await;

    insta::assert_json_snapshot!("wrong_type", wrong.shape());
    wrong.refused(422, "validation_failed");
    for body in
        ["null", "[]", "7", "\"text\"", "true", r#"{"limit": 1.5}"#, r#"{"limit": 1e999}"#, r#"{"limit": -0.0}"#]
    {
        let reply = posts(ada.ask(Method::POST, "/sync"), "application/json", body).await;
        assert!(matches!(reply.status, 400 | 422), "{body}: {reply}");
    }
    // Words are of a type too.
    for (path, body) in [
        ("/presence", json!({"status": 5})),
        ("/presence", json!({"status": null})),
        ("/conversations", json!({"kind": ["group"]})),
        ("/conversations", json!({"kind": "group", "history_for_new_members": 1.5})),
    ] {
        let method = if path == "/presence" { Method::PUT } else { Method::POST };
        perform(ada.ask(method, path).json(&body)).await.refused(422, "validation_failed");
    }
    let twice = r#"{"limit": 1, "limit": 2}"#;
    posts(ada.ask(Method::POST, "/sync"), "application/json", twice).await.refused_with(422);
    let many: String = (0..20_000).map(|number| format!(r#""k{number}": 1,"#)).collect();
    let many = format!(r#"{{{many} "limit": 1}}"#);
    let reply = posts(ada.ask(Method::POST, "/sync"), "application/json", many).await;
    assert!(reply.status < 500, "{reply}");
}

#[tokio::test]
async fn a_missing_field_is_named() {
    let server = TestServer::start().await;

    let reply = server.client.post("/auth/login", json!({"username": "ada"})).await;

    assert!(reply.body["detail"].to_string().contains("password"), "{reply}");
    assert_eq!(
        (&reply.body["errors"][0]["field"], &reply.body["errors"][0]["code"]),
        (&json!("password"), &json!("required"))
    );
    reply.refused_for("password");
}

#[tokio::test]
async fn a_field_of_another_type_is_named_wherever_it_is() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut adas = ada.socket().await;

    for (message, field) in [
        (json!({"body": 5}), "body"),
        (json!({"body": "Hello", "mentions": [ada.id, 7]}), "mentions[1]"),
        (json!({"kind": "location", "location": {"latitude": "north", "longitude": 1}}), "location"),
    ] {
        ada.sends(&group, message.clone()).await.refused_for(field);
        let mut data = message;
        data["conversation_id"] = json!(group);
        let problem = adas.is_refused("message:send", data).await;
        assert_eq!(problem["errors"][0]["field"], field, "{problem:#}");
    }
}

#[tokio::test]
async fn a_route_that_is_not_there_is_not_found() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    let reply = ada.get("/nowhere").await;

    insta::assert_json_snapshot!("no_route", reply.shape());
    reply.refused(404, "not_found");
    for path in [
        "/api",
        "/api/v1",
        "/api/v2/users/me",
        "/nowhere",
        "/api/v1/users/me/nowhere",
        "/api/v1//users/me",
        "/%2e%2e/etc",
    ] {
        perform(ada.ask_outside(Method::GET, path)).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_know_is_not_allowed() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    let reply = perform(ada.ask(Method::PUT, "/users/me")).await;

    for method in ["GET", "HEAD", "PATCH", "DELETE"] {
        assert!(reply.header("allow").contains(method), "{reply}");
    }
    insta::assert_json_snapshot!("no_method", reply.shape());
    reply.refused(405, "method_not_allowed");
    ada.get("/sync").await.refused(405, "method_not_allowed");
    ada.delete("/conversations").await.refused(405, "method_not_allowed");
    perform(ada.ask_outside(Method::POST, "/health/live")).await.refused(405, "method_not_allowed");
    let socket = ada.post("/ws", json!({})).await;
    assert_eq!(socket.header("allow"), "GET, HEAD");
    socket.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_however_it_comes() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let messages = format!("/conversations/{group}/messages");

    let large = json!({"body": "x".repeat(2_000_000)});
    let reply = ada.post(&messages, large.clone()).await;

    insta::assert_json_snapshot!("too_large", reply.shape());
    reply.refused(413, "payload_too_large");
    let escaped = format!(r#"{{"body": "{}"}}"#, "\\ud83d\\ude42".repeat(16_000));
    posts(ada.ask(Method::POST, &messages), "application/json", escaped).await.expect(201);
    ada.post("/sync", large).await.refused(413, "payload_too_large");
    assert_eq!(ada.sees(&group).await["head_seq"], 1);
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let token = ada.token().expect("she is signed in");
    let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
    let head = format!(
        "POST /api/v1/sync HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("the server reads");
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    let (mut reading, mut writing) = stream.split();

    let endless = async { while writing.write_all(chunk.as_bytes()).await.is_ok() {} };
    let mut answer = vec![0; 64];
    let answered = async { reading.read_exact(&mut answer).await.expect("the server answers") };
    let finish = futures_util::future::select(Box::pin(endless), Box::pin(answered));
    timeout(PATIENCE, finish).await.expect("the server stops listening");

    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_not_said_to_be_json_is_not_read() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    let reply = posts(ada.ask(Method::POST, "/sync"), "text/plain", "{}").await;

    insta::assert_json_snapshot!("not_json", reply.shape());
    reply.refused(415, "unsupported_media_type");
    for other in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "json"] {
        posts(ada.ask(Method::POST, "/sync"), other, "{}").await.refused(415, "unsupported_media_type");
    }
    perform(ada.ask(Method::POST, "/sync").body("{}")).await.refused(415, "unsupported_media_type");
    posts(ada.ask(Method::POST, "/sync"), "application/json; charset=utf-8", "{}").await.expect(200);
    posts(ada.ask(Method::POST, "/sync"), "Application/JSON", "{}").await.expect(200);
}

#[tokio::test]
async fn a_body_that_is_squeezed_is_refused_and_not_inflated() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    let request = ada.ask(Method::POST, "/sync").header("content-encoding", "gzip");
    let reply = posts(request, "application/json", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0]).await;

    assert!((400..500).contains(&reply.status), "{reply}");
    let status = reply.status;
    reply.refused_with(status);
}

#[tokio::test]
async fn paths_and_queries_that_are_not_understood_are_bad_requests() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for path in [
        "/conversations/nonsense",
        "/conversations/00000000",
        "/conversations/%F0%9F%92%A9",
        "/conversations/..%2f..%2fetc%2fpasswd",
        "/users/%00",
        "/users/%ff%fe",
        "/conversations?limit=ten",
        "/conversations?archived=maybe",
        "/conversations?cursor=%00",
        "/users?q=%ff%fe",
        "/conversations?limit=1&limit=2",
    ] {
        let reply = ada.get(path).await;
        assert_eq!(reply.status, 400, "{path}: {reply}");
        reply.refused_with(400);
    }
    ada.get("/users/me?unknown=1").await.expect(200);
    ada.get(&format!("/conversations/{}", group.to_uppercase())).await.expect(200);
}

#[tokio::test]
async fn cursors_that_nobody_gave_out_are_bad_requests() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let lists = [
        "/conversations?cursor=".to_owned(),
        "/users?q=ada&cursor=".to_owned(),
        "/blocks?cursor=".to_owned(),
        "/auth/sessions?cursor=".to_owned(),
        format!("/conversations/{group}/participants?cursor="),
        format!("/conversations/{group}/receipts?cursor="),
    ];

    for list in lists {
        for cursor in ["nonsense", "9.9.9", "%27%20or%201%3D1", "1.99999999999999999999.x", "-1", "0", "e30="] {
            let reply = ada.get(&format!("{list}{cursor}")).await;
            assert_eq!(reply.status, 400, "{list}{cursor}: {reply}");
        }
    }
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    for reply in [
        ada.get("/users/me").await,
        ada.get("/nowhere").await,
        server.client.get("/users/me").await,
        perform(ada.ask(Method::PUT, "/users/me")).await,
        perform(server.client.ask_outside(Method::GET, "/health/live")).await,
        perform(server.client.ask_outside(Method::GET, "/openapi.yaml")).await,
        perform(server.client.ask_outside(Method::GET, "/api/v1/ws")).await,
        ada.post("/auth/logout", json!({})).await,
    ] {
        assert!(!reply.header("x-request-id").is_empty(), "{reply}");
        let named = reply.body.get("request_id").and_then(Value::as_str);
        assert!(named.is_none_or(|id| id == reply.header("x-request-id")), "{reply}");
    }
}

#[tokio::test]
async fn a_request_may_bring_its_own_name_if_that_is_fit_for_a_log() {
    let server = TestServer::start().await;
    let named = async |name: &str| {
        let request = server.client.ask(Method::GET, "/users/me").header("x-request-id", name);
        perform(request).await.header("x-request-id").to_owned()
    };

    assert_eq!(named("order-4711/a").await, "order-4711/a");
    for unfit in ["", "two words", "tab\there", &"x".repeat(1_000), "über"] {
        let given = named(unfit).await;
        assert!(given != unfit && !given.is_empty(), "{unfit} became {given}");
    }
}

#[tokio::test]
async fn a_socket_path_wants_a_socket() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    let reply = ada.get("/ws").await;

    assert_eq!(reply.header("upgrade").to_lowercase(), "websocket");
    insta::assert_json_snapshot!("no_upgrade", reply.shape());
    reply.refused(426, "upgrade_required");
}

#[tokio::test]
async fn web_sites_of_others_are_not_let_in() {
    let server = TestServer::with(|settings| settings.allowed_origins = vec!["https://chat.example".to_owned()]).await;
    let ada = server.person("ada").await;
    let preflight = async |origin: &str| {
        let request = ada.ask(Method::OPTIONS, "/conversations");
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        perform(request.header("access-control-request-headers", "authorization,content-type")).await
    };

    let own = preflight("https://chat.example").await;
    assert_eq!(own.header("access-control-allow-origin"), "https://chat.example");
    for foreign in [
        "https://evil.example",
        "null",
        "https://chat.example.evil.example",
        "https://notchat.example",
        "http://chat.example",
    ] {
        let refused = preflight(foreign).await;
        assert_eq!(refused.header("access-control-allow-origin"), "", "{foreign}: {refused}");
        refused.refused_with(400);
        let read = perform(ada.ask(Method::GET, "/users/me").header("origin", foreign)).await;
        assert_eq!(read.header("access-control-allow-origin"), "", "{foreign}: {read}");
    }
}

#[tokio::test]
async fn no_5xx_for_whatever_is_put_into_any_field() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let odd = [
        json!(null),
        json!(""),
        json!("' or 1=1; --"),
        json!("\u{202e}\u{feff}\u{10ffff}"),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e308),
        json!([]),
        json!({}),
        json!([[[]]]),
        json!(new_id()),
        json!(true),
    ];
    let doors = [
        (Method::POST, "/auth/register".to_owned(), &["username", "password", "display_name", "email"] as &[_]),
        (Method::POST, "/auth/login".to_owned(), &["username", "password"]),
        (Method::POST, "/auth/refresh".to_owned(), &["refresh_token"]),
        (Method::PATCH, "/users/me".to_owned(), &["display_name", "email", "metadata"]),
        (Method::PUT, "/presence".to_owned(), &["status"]),
        (Method::POST, "/conversations".to_owned(), &["kind", "participant_ids", "name", "history_for_new_members"]),
        (Method::PATCH, format!("/conversations/{group}"), &["name", "description", "category", "members_may_pin"]),
        (
            Method::POST,
            format!("/conversations/{group}/messages"),
            &["id", "kind", "body", "metadata", "location", "reply_to", "mentions"],
        ),
        (Method::PATCH, format!("/conversations/{group}/preferences"), &["pinned", "muted_until", "notify", "draft"]),
        (Method::POST, format!("/conversations/{group}/read"), &["seq", "message_ids"]),
        (Method::POST, format!("/conversations/{group}/participants"), &["user_ids", "role"]),
        (Method::POST, "/sync".to_owned(), &["cursors", "own_cursor", "limit"]),
    ];

    for (method, path, fields) in doors {
        for field in fields {
            for value in &odd {
                let body = json!({ *field: value });
                let reply = perform(ada.ask(method.clone(), &path).json(&body)).await;
                assert!(reply.status < 500, "{method} {path} {body}: {reply}");
            }
        }
    }
}
