//! What is typed, and what is said beside it.

use serde_json::{Value, json};

use super::{asks, bodies, finds, finds_all, searches, settled};
use crate::harness::{client::encoded, new_id, server::TestServer};

#[tokio::test]
async fn operators_narrow_a_search_typed_or_beside_the_line() {
    let server = TestServer::with(|settings| settings.access_token_seconds = 864_000).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let team = ada.opens_group([&bob], json!({"name": "The Team"})).await;
    let other = ada.opens_group([&bob], json!({"name": "Élan & Others"})).await;
    let asked = ada.says(&team, "lunch one").await;
    server.clock.advance(chrono::Duration::days(3));
    let three_days_on = server.clock.now();
    bob.says(&team, "lunch two, see https://example.com").await;
    bob.sends(&other, json!({"body": "lunch three", "mentions": [ada.id]})).await.expect(201);
    bob.sends(&team, json!({"body": "lunch four", "reply_to": asked["id"]})).await.expect(201);
    let place = json!({"latitude": 1.0, "longitude": 2.0});
    ada.sends(&team, json!({"kind": "location", "body": "lunch five", "location": place})).await.expect(201);
    settled(&server).await;
    let (day, moment) = (three_days_on.date_naive(), encoded(asked["created_at"].as_str().expect("a time")));

    for (line, beside, expected) in [
        ("lunch from:bob", format!("sender_id={}", bob.id), vec!["four", "three", "two"]),
        ("lunch from:@BOB", format!("sender_id={}", bob.id), vec!["four", "three", "two"]),
        ("lunch from:me", format!("sender_id={}", ada.id), vec!["five", "one"]),
        ("lunch in:\"elan others\"", format!("conversation_id={other}"), vec!["three"]),
        ("in:\"the team\" from:me lunch", format!("conversation_id={team}&sender_id={}", ada.id), vec!["five", "one"]),
        ("lunch has:link", "has=link".to_owned(), vec!["two"]),
        ("lunch has:mention", "has=mention".to_owned(), vec!["three"]),
        ("lunch has:reply", "has=reply".to_owned(), vec!["four"]),
        ("lunch has:location", "kind=location".to_owned(), vec!["five"]),
        (&format!("lunch before:{day}"), format!("before={day}"), vec!["one"]),
        (&format!("lunch after:{day}"), format!("after={moment}"), vec!["five", "four", "three", "two"]),
        ("lunch from:nobody", format!("sender_id={}", new_id()), vec![]),
        ("lunch from:bob from:ada in:élan-others", format!("conversation_id={other}&kind=text"), vec!["three"]),
    ] {
        let short = |found: Vec<String>| -> Vec<String> {
            let mut words: Vec<_> =
                found.iter().map(|body| body[6..].split(',').next().unwrap_or("").to_owned()).collect();
            words.sort();
            words
        };
        assert_eq!(short(finds(&ada, line).await), expected, "{line}");
        assert_eq!(short(bodies(&asks(&ada, &format!("q=lunch&{beside}")).await.expect(200))), expected, "{beside}");
        // Without a word to look for, the same filters list the same.
        let unworded = bodies(&asks(&ada, &format!("q={}&{beside}", encoded("-dinner"))).await.expect(200));
        assert_eq!(short(unworded), expected, "-dinner {beside}");
    }
}

#[tokio::test]
async fn filters_alone_list_the_newest_first() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    for body in ["one", "two http://a.example", "three http://b.example"] {
        bob.says(&group, body).await;
    }
    settled(&server).await;

    let found = searches(&ada, "has:link").await;

    assert_eq!(bodies(&found), ["three http://b.example", "two http://a.example"]);
    assert_eq!(found["items"][0]["rank"], json!(0.0));
    assert_eq!(found["items"][0]["highlight"], json!({"snippet": "three http://b.example", "ranges": []}));
    assert_eq!(finds(&ada, "from:bob -two").await, ["three http://b.example", "one"]);
}

#[tokio::test]
async fn nothing_that_is_typed_is_an_error() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    ada.says(&group, "plain has banana from nowhere and or not 100% a:b").await;
    settled(&server).await;

    for (line, hits) in [
        ("", 0),
        ("   ", 0),
        ("\"", 0),
        ("\"\"", 0),
        ("-", 0),
        ("--", 0),
        ("*", 0),
        ("***", 0),
        (":", 0),
        (":*", 0),
        ("'", 0),
        ("\\", 0),
        ("%", 0),
        ("&", 0),
        ("| & !", 0),
        ("<->", 0),
        ("((((", 0),
        ("from: in: has:", 0),
        ("from:\"", 0),
        ("in:", 0),
        ("in:\"\"", 0),
        ("before:never", 0),
        ("after:0000-00-00", 0),
        ("before:-271821-04-20", 0),
        ("\u{202e}\u{200b}", 0),
        ("plain'; drop table messages; --", 0),
        ("plain & !banana", 1),
        ("plain:*", 1),
        ("\"plain", 1),
        ("has:banana", 1),
        ("a:b", 1),
        ("100%", 1),
        ("OR AND NOT", 1),
        ("plain -plain", 0),
        ("-plain", 0),
        ("pla*in", 0),
        ("plain and and and", 1),
    ] {
        assert_eq!(finds(&ada, line).await.len(), hits, "{line:?}");
    }
    let many = "plain ".repeat(83);
    assert_eq!(finds(&ada, &many).await.len(), 1);
    assert_eq!(finds(&ada, &"東".repeat(500)).await.len(), 0);
    assert_eq!(finds(&ada, &"a b-".repeat(125)).await.len(), 0);
}

#[tokio::test]
async fn what_is_said_beside_the_line_must_make_sense() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    asks(&ada, &format!("q={}", "x".repeat(501))).await.refused_for("q");
    asks(&ada, "q=x&limit=0").await.refused_for("limit");
    asks(&ada, "q=x&limit=101").await.refused_for("limit");
    for odd in [
        "conversation_id=1",
        "sender_id=me",
        "kind=song",
        "has=everything",
        "before=yesterday",
        "after=2024-02-30",
        "sort=best",
        "cursor=nonsense",
    ] {
        asks(&ada, &format!("q=x&{odd}")).await.refused_with(400);
    }
    asks(&ada, &format!("q=x&conversation_id={}", new_id())).await.refused(404, "not_found");
    assert_eq!(asks(&ada, "").await.expect(200), json!({"items": [], "next_cursor": null}));
}

#[tokio::test]
async fn the_best_fit_comes_first_unless_the_newest_is_asked_for() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    for body in ["tea tea tea", "tea with a lot of other words around it, and then some more of them", "tea, again tea"]
    {
        ada.says(&group, body).await;
    }
    settled(&server).await;

    let best = searches(&ada, "tea").await;
    let newest = asks(&ada, "q=tea&sort=newest").await.expect(200);

    assert_eq!(bodies(&best)[0], "tea tea tea");
    assert!(bodies(&best)[2].contains("a lot"));
    let ranks: Vec<_> =
        best["items"].as_array().expect("items").iter().filter_map(|item| item["rank"].as_f64()).collect();
    assert!(
        ranks.is_sorted_by(|one, next| one >= next) && ranks.iter().all(|rank| (0.0..=1.0).contains(rank)),
        "{ranks:?}"
    );
    assert_eq!(bodies(&newest)[0], "tea, again tea");
}

#[tokio::test]
async fn what_the_server_notes_is_not_what_people_said() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    ada.patch(&format!("/conversations/{group}"), json!({"name": "Renamed"})).await.expect(200);
    ada.says(&group, "settings are my thing").await;
    settled(&server).await;

    assert_eq!(finds_all(&ada, "settings").await, ["settings are my thing"]);
    let listed: Value = asks(&ada, &format!("conversation_id={group}")).await.expect(200);
    assert_eq!(bodies(&listed), ["settings are my thing"]);
}

#[tokio::test]
async fn so_many_searches_a_minute_and_no_more() {
    let server = TestServer::with(|settings| settings.searches_per_minute = 2).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;

    for _ in 0..2 {
        asks(&ada, "q=needle").await.expect(200);
    }

    let refused = asks(&ada, "q=needle").await;
    assert!(!refused.header("retry-after").is_empty(), "{refused}");
    refused.refused(429, "rate_limited");
    asks(&bob, "q=needle").await.expect(200);
}
