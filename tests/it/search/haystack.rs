//! Thousands of messages: the same is found in the same order whichever way is the quicker one.

use serde_json::json;

use super::{pages::reads, settled};
use crate::harness::{person::Person, server::TestServer};

/// Messages of each of three groups.
const MESSAGES: i64 = 4_000;

/// What stands in the message of a number, and whether bob wrote it.
fn body(number: i64) -> (String, bool) {
    let words = match number % 14 {
        0 => "common common",
        even if even % 2 == 0 => "common word",
        _ => "other word",
    };
    let rare = if number % 2_500 == 0 { "rare" } else { "usual" };
    (format!("{words} {rare} n{number}"), number % 10 == 4)
}

/// Three groups full of messages, one written after the other in turn.
async fn haystack(server: &TestServer) -> [Person; 2] {
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let mut db = server.database.connect().await;
    for place in 0..3_i64 {
        let group = ada.opens_group([&bob], json!({"name": format!("group {place}")})).await;
        let numbers: Vec<_> = (0..MESSAGES).map(|row| row * 3 + place).collect();
        let (bodies, are_bobs): (Vec<_>, Vec<_>) = numbers.iter().map(|number| body(*number)).unzip();
        let filled = sqlx::query(
            "with head as (
                 update conversations set head_seq = $6, message_no = $6 where id = $1::uuid)
             insert into messages (conversation_id, seq, changed_seq, id, no, sender_id, kind, body, fingerprint,
                                   created_at)
             select $1::uuid, row, row, gen_random_uuid(), row, case when is_bobs then $3::uuid else $2::uuid end,
                    'text', body, '', now() - interval '1 day' + number * interval '1 second'
             from unnest($4::text[], $5::boolean[], $7::bigint[]) with ordinality as new(body, is_bobs, number, row)",
        );
        let filled = filled.bind(&group).bind(&ada.id).bind(&bob.id).bind(bodies).bind(are_bobs).bind(MESSAGES);
        filled.bind(&numbers).execute(&mut db).await.expect("the database answers");
    }
    settled(server).await;
    [ada, bob]
}

/// The bodies of what a question finds, page after page, as far as the test wants to read.
async fn first(person: &Person, parameters: &str, most: usize) -> Vec<String> {
    let hits = reads(person, parameters, most).await;
    hits.iter().map(|hit| hit["message"]["body"].as_str().expect("it has a body").to_owned()).collect()
}

#[tokio::test]
async fn a_common_and_a_rare_word_are_found_to_the_last() {
    let server = TestServer::start().await;
    let [ada, _] = haystack(&server).await;
    let newest_first = |is_it: &dyn Fn(&str, bool) -> bool| -> Vec<String> {
        let all = (0..3 * MESSAGES).rev().map(body);
        all.filter(|(body, is_bobs)| is_it(body, *is_bobs)).map(|(body, _)| body).collect()
    };
    let common = newest_first(&|body, _| body.contains("common"));
    let of_bob = newest_first(&|body, is_bobs| is_bobs && body.contains("word"));
    let not_usual = newest_first(&|body, _| body.contains("word") && body.contains("rare"));
    let phrase = newest_first(&|body, _| body.contains("common word usual"));
    let beginning = newest_first(&|body, _| body.contains(" n11"));

    for (parameters, expected) in [
        ("q=common", &common),
        ("q=word+from:bob", &of_bob),
        ("q=from:bob+word+-other", &newest_first(&|body, is_bobs| is_bobs && body.contains("common word"))),
        ("q=word+-usual", &not_usual),
        ("q=rare+word", &not_usual),
        ("q=%22common+word+usual%22", &phrase),
        ("q=n11*", &beginning),
        ("q=-usual", &newest_first(&|body, _| body.contains("rare"))),
    ] {
        let found = first(&ada, &format!("{parameters}&sort=newest"), 1_300).await;

        assert_eq!(found, expected[..found.len()], "{parameters}");
        assert!(found.len() == expected.len().min(1_300) && !found.is_empty(), "{parameters}: {}", found.len());
    }
    let best_first = common.chunks(400).flat_map(|newest| {
        let mut newest = newest.to_vec();
        newest.sort_by_key(|body| !body.contains("common common"));
        newest
    });
    assert_eq!(first(&ada, "q=common", 1_300).await, best_first.take(1_300).collect::<Vec<_>>());
}

#[tokio::test]
async fn among_thousands_nothing_is_found_that_one_may_not_see() {
    let server = TestServer::start().await;
    let [ada, bob] = haystack(&server).await;
    let eve = server.person("eve").await;
    let groups = ada.get("/conversations").await.expect(200)["items"].take();
    let closed = groups[0]["id"].as_str().expect("it has an id");

    ada.blocks(&bob).await.expect(200);
    bob.removes(closed, &bob).await.expect(204);

    let adas = first(&ada, "q=word&sort=newest", 600).await;
    assert!(adas.len() == 600 && !adas.iter().any(|body| body.ends_with('4')), "bob wrote each that ends with 4");
    let name = groups[0]["name"].as_str().expect("it has a name");
    let place: i64 = name.rsplit(' ').next().and_then(|place| place.parse().ok()).expect("it has a number");
    let is_closed = |body: &String| {
        let number: i64 = body.rsplit('n').next().and_then(|number| number.parse().ok()).expect("it has a number");
        number % 3 == place
    };
    let bobs = first(&bob, "q=word&sort=newest", 600).await;
    assert!(bobs.len() == 600 && !bobs.iter().any(is_closed));
    assert_eq!(first(&eve, "q=word", 100).await, [""; 0]);
}
