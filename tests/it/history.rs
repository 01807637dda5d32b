//! Reading back: the newest, before, after and around a place, and whether there is more.

use serde_json::{Value, json};

use crate::harness::{each, id, person::Person, server::TestServer};

async fn conversation_of(person: &Person, messages: i64) -> String {
    let group = person.opens_group_with([]).await;
    for number in 1..=messages {
        person.says(&group, &format!("{number}")).await;
    }
    group
}

/// The seqs of a page, and whether there is more before and after.
async fn page(person: &Person, group: &str, query: &str) -> (Vec<i64>, bool, bool) {
    let page = person.get(&format!("/conversations/{group}/messages{query}")).await.expect(200);
    let has = |flag: &str| page[flag].as_bool().unwrap_or_else(|| panic!("`{flag}` should be there: {page:#}"));
    let seqs = each(&page, "seq").iter().map(|seq| seq.as_i64().expect("a number")).collect();
    (seqs, has("has_more_before"), has("has_more_after"))
}

#[tokio::test]
async fn pages_are_where_they_are_asked_for_and_say_whether_there_is_more() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = conversation_of(&ada, 10).await;

    for (query, seqs, before, after) in [
        ("", 1..=10, false, false),
        ("?limit=10", 1..=10, false, false),
        ("?limit=3", 8..=10, true, false),
        ("?limit=1", 10..=10, true, false),
        ("?before=4", 1..=3, false, true),
        ("?before=4&limit=3", 1..=3, false, true),
        ("?before=4&limit=2", 2..=3, true, true),
        ("?before=11&limit=2", 9..=10, true, false),
        ("?before=1000&limit=2", 9..=10, true, false),
        ("?after=7", 8..=10, true, false),
        ("?after=7&limit=3", 8..=10, true, false),
        ("?after=7&limit=2", 8..=9, true, true),
        ("?after=0&limit=2", 1..=2, false, true),
        ("?around=5&limit=100", 1..=10, false, false),
    ] {
        assert_eq!(page(&ada, &group, query).await, (seqs.collect(), before, after), "{query}");
    }
    assert_eq!(page(&ada, &group, "?before=1").await, (vec![], false, true));
    assert_eq!(page(&ada, &group, "?after=10").await, (vec![], true, false));
    assert_eq!(page(&ada, &group, "?after=1000").await.0, [] as [i64; 0]);
}

#[tokio::test]
async fn around_a_place_is_what_surrounds_it() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = conversation_of(&ada, 20).await;

    for (place, limit) in [(10, 5), (10, 6), (10, 1), (1, 5), (20, 5)] {
        let (seqs, before, after) = page(&ada, &group, &format!("?around={place}&limit={limit}")).await;

        assert!(seqs.contains(&place), "around {place}, at most {limit}: {seqs:?}");
        assert!(seqs.len() <= limit, "around {place}, at most {limit}: {seqs:?}");
        assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]), "around {place}, at most {limit}: {seqs:?}");
        assert_eq!(
            (before, after),
            (seqs[0] > 1, seqs.last() < Some(&20)),
            "around {place}, at most {limit}: {seqs:?}"
        );
    }
    let (seqs, ..) = page(&ada, &group, "?around=10&limit=5").await;
    assert_eq!(seqs, [8, 9, 10, 11, 12]);
    assert!(page(&ada, &group, "?around=1000&limit=5").await.0.ends_with(&[20]));
}

#[tokio::test]
async fn an_empty_conversation_has_an_empty_page() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for query in ["", "?before=1", "?after=0", "?around=1"] {
        assert_eq!(page(&ada, &group, query).await, (vec![], false, false), "{query}");
    }
    let reply = ada.get(&format!("/conversations/{group}/messages")).await;
    insta::assert_json_snapshot!("empty", reply.shape());
}

#[tokio::test]
async fn walking_by_pages_meets_every_message_once_from_either_end() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = conversation_of(&ada, 25).await;

    let mut back = page(&ada, &group, "?limit=7").await;
    let mut met = back.0.clone();
    while back.1 {
        back = page(&ada, &group, &format!("?limit=7&before={}", met[0])).await;
        met.splice(0..0, back.0.clone());
    }
    assert_eq!(met, (1..=25).collect::<Vec<_>>());

    let mut forth = page(&ada, &group, "?limit=7&after=0").await;
    let mut met = forth.0.clone();
    while forth.2 {
        forth = page(&ada, &group, &format!("?limit=7&after={}", met.last().expect("a page"))).await;
        met.extend(forth.0.clone());
    }
    assert_eq!(met, (1..=25).collect::<Vec<_>>());
}

#[tokio::test]
async fn places_where_no_message_was_born_are_stepped_over() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = conversation_of(&ada, 2).await;
    let first = ada.history(&group).await.remove(0);
    // 3 and 4 are edits; 5 is the next message.
    ada.edits(&first, "1!").await.expect(200);
    ada.edits(&first, "1!!").await.expect(200);
    ada.says(&group, "five").await;

    assert_eq!(page(&ada, &group, "").await, (vec![1, 2, 5], false, false));
    assert_eq!(page(&ada, &group, "?before=4").await, (vec![1, 2], false, true));
    assert_eq!(page(&ada, &group, "?after=3").await, (vec![5], true, false));
    ada.edits(&first, "1!!!").await.expect(200);
    assert_eq!(page(&ada, &group, "?before=6").await, (vec![1, 2, 5], false, false));
}

#[tokio::test]
async fn where_the_log_begins_with_members_there_is_nothing_before_the_first_message() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([]).await;
    // 1 and 2 are the two who join; 3 is the notice.
    ada.adds(&group, [&bob, &eve]).await.expect(201);

    assert_eq!(page(&ada, &group, "?after=2").await, (vec![3], false, false));
    assert_eq!(page(&ada, &group, "?before=2").await, (vec![], false, true));
}

#[tokio::test]
async fn tombstones_stay_in_the_history_and_what_i_hid_does_not() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = conversation_of(&ada, 5).await;
    let history = ada.history(&group).await;
    ada.deletes(&history[1], "everyone").await.expect(200);
    for hidden in [&history[0], &history[3], &history[4]] {
        ada.deletes(hidden, "me").await.expect(200);
    }

    assert_eq!(page(&ada, &group, "").await, (vec![2, 3], false, false));
    assert_eq!(page(&ada, &group, "?limit=1").await, (vec![3], true, false));
    assert_eq!(page(&ada, &group, "?before=3").await, (vec![2], false, true));
    assert_eq!(ada.history(&group).await[0]["body"], Value::Null);
}

#[tokio::test]
async fn one_message_is_there_for_its_readers() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.says(&group, "Hello").await;

    assert_eq!(id(&bob.looks_at(&sent).await.expect(200)), id(&sent));
    eve.looks_at(&sent).await.refused(404, "not_found");
    let messages = format!("/conversations/{group}/messages");
    bob.get(&format!("{messages}/{}", crate::harness::new_id())).await.refused(404, "not_found");
    bob.get(&format!("{messages}/nonsense")).await.refused_with(400);
}

#[tokio::test]
async fn a_page_is_asked_for_in_one_way() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let messages = format!("/conversations/{group}/messages");

    for limit in ["0", "101", "-1", "1000000"] {
        ada.get(&format!("{messages}?limit={limit}")).await.refused_for("limit");
    }
    for query in ["?limit=ten", "?limit=1e3", "?before=x", "?after=1.5", "?around=", "?limit=99999999999999999999"] {
        ada.get(&format!("{messages}{query}")).await.refused_with(400);
    }
    for place in ["before", "after", "around"] {
        ada.get(&format!("{messages}?{place}=-1")).await.refused_for(place);
        ada.get(&format!("{messages}?{place}={}", i64::MAX)).await.expect(200);
    }
    ada.get(&format!("{messages}?before=3&after=1")).await.refused_with(422);
    assert_eq!(page(&ada, &group, "?limit=100").await, (vec![], false, false));
    let long = json!({"body": "x"});
    ada.sends(&group, long).await.expect(201);
}
