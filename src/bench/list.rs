//! Lists: somebody with a thousand conversations leafs through them.

use std::{collections::HashSet, io, rc::Rc, time::Instant};

use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    Load, crowd,
    http::{Http, Page},
    meter::Meter,
    report::Report,
    server::Target,
    words,
};

/// How many conversations they have.
const CONVERSATIONS: usize = 1_000;
/// How many of their devices leaf at once.
const READERS: usize = 16;

#[derive(Deserialize)]
struct Item {
    id: Uuid,
}

/// Leafs through all conversations from the first page to the last, again and again.
pub async fn run(target: &Target, load: &Load) -> anyhow::Result<Report> {
    let mut people = crowd::people(target, 1 + load.part_of(CONVERSATIONS)).await?;
    let popular = people.remove(0);
    let pairs = people.into_iter().map(|friend| (friend, popular.clone())).collect();
    let conversations = crowd::direct(target, pairs).await?;
    crowd::each(target.address, conversations.clone(), async |http, conversation| {
        let message = json!({"body": words::BODY}).to_string();
        http.post(&format!("/conversations/{conversation}/messages"), &popular.token, &message).await?;
        Ok(())
    })
    .await?;
    let expected: Rc<HashSet<_>> = Rc::new(conversations.iter().filter_map(|id| id.parse().ok()).collect());
    let meter = Rc::new(Meter::new());
    let mut tasks = JoinSet::new();
    for _ in 0..READERS {
        let (mut http, token) = (Http::connect(target.address).await?, popular.token.clone());
        let (meter, expected) = (Rc::clone(&meter), Rc::clone(&expected));
        tasks.spawn_local(async move {
            let mut fault = None;
            while !meter.is_over() {
                fault = fault.or(leaf(&mut http, &token, &meter, &expected).await?);
            }
            io::Result::Ok(fault)
        });
    }
    let report = Report::new(format!("list, {} conversations, {READERS} at once", expected.len()), "pages");
    let report = meter.measure(report, &target.watch, load.time()).await;
    let faults = tasks.join_all().await.into_iter().collect::<io::Result<Vec<_>>>()?;
    Ok(report.faults(faults.into_iter().flatten()))
}

/// Goes from the first page to the last; what is wrong unless each conversation came once.
async fn leaf(http: &mut Http, token: &str, meter: &Meter, expected: &HashSet<Uuid>) -> io::Result<Option<String>> {
    let (mut seen, mut rows) = (HashSet::new(), 0);
    let mut path = "/conversations".to_owned();
    loop {
        let begun = Instant::now();
        let page: Page<Item> = serde_json::from_slice(http.get(&path, token).await?)?;
        meter.done(begun);
        rows += page.items.len();
        seen.extend(page.items.iter().map(|item| item.id));
        let Some(cursor) = page.next_cursor else { break };
        path = format!("/conversations?cursor={cursor}");
    }
    let is_right = seen == *expected && rows == expected.len();
    Ok((!is_right).then(|| format!("{} of {} conversations came, in {rows} rows", seen.len(), expected.len())))
}
