//! Pages of hits: every one once, in order, whatever happens between two of them.

use serde_json::Value;

use super::{asks, settled};
use crate::harness::{id, person::Person, server::TestServer};

/// Reads page after page; `between` happens after each.
async fn walks(person: &Person, parameters: &str, limit: usize, mut between: impl AsyncFnMut(usize)) -> Vec<Value> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for number in 0.. {
        let page = asks(person, &format!("{parameters}&limit={limit}{cursor}")).await.expect(200);
        let items = page["items"].as_array().expect("a page has items");
        assert!(items.len() <= limit);
        seen.extend(items.iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        between(number).await;
    }
    seen
}

/// Reads page after page until there are so many hits, and cuts what is more.
pub async fn reads(person: &Person, parameters: &str, most: usize) -> Vec<Value> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    while seen.len() < most {
        let page = asks(person, &format!("{parameters}&limit=100{cursor}")).await.expect(200);
        seen.extend(page["items"].as_array().expect("a page has items").iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    seen.truncate(most);
    seen
}

fn ids(hits: &[Value]) -> Vec<&str> {
    hits.iter().map(|hit| id(&hit["message"])).collect()
}

#[tokio::test]
async fn ties_are_broken_the_same_way_on_every_page() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let groups = [ada.opens_group_with([]).await, ada.opens_group_with([]).await, ada.opens_group_with([]).await];
    for number in 0..30 {
        // Every third one fits better than the others, which all fit alike.
        let body = if number % 3 == 0 { "tie tie tie" } else { "tie among others" };
        ada.says(&groups[number % 2 + number % 3 / 2], body).await;
    }
    settled(&server).await;

    for parameters in ["q=tie", "q=tie&sort=newest", "q=-nothing"] {
        let whole = walks(&ada, parameters, 100, async |_| ()).await;
        assert_eq!(whole.len(), 30);
        for limit in [1, 7, 29, 30] {
            let pages = walks(&ada, parameters, limit, async |_| ()).await;
            assert_eq!(ids(&pages), ids(&whole), "{parameters} by {limit}");
        }
    }
    let best = walks(&ada, "q=tie", 100, async |_| ()).await;
    assert!(best[..10].iter().all(|hit| hit["message"]["body"] == "tie tie tie"));
    let newest = walks(&ada, "q=tie&sort=newest", 100, async |_| ()).await;
    let times: Vec<_> = newest.iter().map(|hit| hit["message"]["created_at"].as_str()).collect();
    assert!(times.is_sorted_by(|one, next| one >= next), "{times:?}");
}

#[tokio::test]
async fn what_is_sent_deleted_or_edited_between_two_pages_moves_no_other() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut said = Vec::new();
    for number in 0..20 {
        said.push(ada.says(&group, &format!("tie {number}")).await);
    }
    settled(&server).await;

    for sort in ["relevance", "newest"] {
        let before = walks(&ada, &format!("q=tie&sort={sort}"), 100, async |_| ()).await;
        let pages = walks(&ada, &format!("q=tie&sort={sort}"), 4, async |number| {
            ada.says(&group, &format!("tie tie tie, sent after page {number}")).await;
            if number == 0 {
                // The second of the last page.
                let last = &before[before.len() - 2]["message"];
                ada.deletes(last, "everyone").await.expect(200);
            }
            settled(&server).await;
        })
        .await;

        let mut expected = ids(&before);
        expected.remove(before.len() - 2);
        assert_eq!(ids(&pages), expected, "{sort}");
        // What was sent meanwhile is there when somebody asks anew.
        assert!(walks(&ada, &format!("q=tie&sort={sort}"), 100, async |_| ()).await.len() > before.len());
    }
}

#[tokio::test]
async fn more_than_a_thousand_hits_are_read_to_the_last() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let groups = [ada.opens_group_with([]).await, ada.opens_group_with([]).await];
    let mut sends = tokio::task::JoinSet::new();
    for number in 0..1_100 {
        let (ada, group) = (ada.clone(), groups[number % 2].clone());
        sends.spawn(async move { ada.says(&group, &format!("needle {number}")).await });
        if sends.len() == 64 {
            sends.join_next().await.expect("there are some").expect("it was said");
        }
    }
    sends.join_all().await;
    settled(&server).await;

    for parameters in ["q=needle", "q=needle&sort=newest"] {
        let hits = walks(&ada, parameters, 100, async |_| ()).await;

        let distinct: std::collections::HashSet<_> = ids(&hits).into_iter().collect();
        assert_eq!((hits.len(), distinct.len()), (1_100, 1_100), "{parameters}");
    }
}
