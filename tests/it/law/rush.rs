//! Many things in the same moment: each ends in a state that is legal, and that all clients know.

use chrono::Duration;
use futures_util::future::{BoxFuture, join_all};
use serde_json::{Value, json};

use super::{Witness, long_days};
use crate::harness::{each, id, new_id, person::Person, reply::Reply, server::TestServer, until};

/// How often they meet.
const ROUNDS: usize = 5;
/// How many things of each sort somebody does at once.
const TIMES: usize = 4;

#[tokio::test]
async fn what_is_done_at_once_ends_the_same_for_all() {
    let server = TestServer::with(long_days).await;
    rush(&[&server]).await;
}

#[tokio::test]
async fn what_is_done_at_once_at_two_nodes_ends_the_same_for_all() {
    let (north, south) = TestServer::pair_with(long_days).await;
    rush(&[&north, &south]).await;
}

/// The people of a rush, and the group that they meet in.
struct Crowd {
    ada: Person,
    bob: Person,
    carol: Person,
    dave: Person,
    erin: Person,
    group: String,
}

/// What dave said for the others to fall upon.
struct Prey {
    edited: Value,
    expiring: Value,
    pinned: Value,
    hidden: Value,
}

async fn rush(nodes: &[&TestServer]) {
    let people = nodes[0].people(["ada", "bob", "carol", "dave", "erin"]).await;
    let beacon = nodes[0].person("beacon").await;
    let people: Vec<_> = (0..).zip(&people).map(|(place, person)| person.at(nodes[place % nodes.len()])).collect();
    let seeds = 1..;
    let mut witnesses =
        join_all(people.iter().zip(seeds).map(|(person, seed)| Witness::new(person, &beacon, seed))).await;
    let crowd = Crowd::meets(people.try_into().unwrap_or_else(|_| unreachable!("five were asked for"))).await;
    for round in 0..ROUNDS {
        let mut ear = crowd.ada.socket().await;
        let prey = crowd.prepares().await;
        nodes.iter().for_each(|node| node.clock.advance(Duration::milliseconds(4_990)));
        let done = crowd.falls_upon(&prey, nodes).await;
        // It reads as a tombstone as soon as it expires, and is told when it is one.
        ear.hears_where("message:deleted", |told| told["data"]["id"] == prey.expiring["id"]).await;
        crowd.ends_well(&prey, &done).await;
        for outcome in join_all(witnesses.iter_mut().map(|witness| witness.look(&beacon))).await {
            outcome.unwrap_or_else(|broken| panic!("round {round}, {broken}"));
        }
    }
}

impl Crowd {
    async fn meets([ada, bob, carol, dave, erin]: [Person; 5]) -> Self {
        let group = ada.opens_group([&bob, &carol, &dave], json!({"name": "rush", "members_may_pin": true})).await;
        Self { ada, bob, carol, dave, erin, group }
    }

    async fn prepares(&self) -> Prey {
        for admin in [&self.bob, &self.carol] {
            self.ada.makes(&self.group, admin, "admin").await.expect(200);
        }
        let expiring = json!({"id": new_id(), "body": "Expiring", "expires_in": 5});
        Prey {
            edited: self.dave.says(&self.group, "Edited").await,
            pinned: self.dave.says(&self.group, "Pinned").await,
            hidden: self.dave.says(&self.group, "Hidden").await,
            expiring: self.dave.sends(&self.group, expiring).await.expect(201),
        }
    }

    /// Does everything at once; answers with what came of the two admins' demoting each other.
    async fn falls_upon(&self, prey: &Prey, nodes: &[&TestServer]) -> Vec<Reply> {
        let Self { ada, bob, carol, dave, erin, group } = self;
        let mut acts: Vec<BoxFuture<'_, Reply>> = vec![
            Box::pin(bob.makes(group, carol, "member")),
            Box::pin(carol.makes(group, bob, "member")),
            Box::pin(ada.deletes(&prey.edited, "everyone")),
            Box::pin(dave.deletes(&prey.pinned, "everyone")),
            Box::pin(bob.deletes(&prey.hidden, "me")),
            Box::pin(ada.adds(group, [erin])),
            Box::pin(bob.removes(group, erin)),
        ];
        for time in 0..TIMES {
            acts.push(Box::pin(async move { dave.edits(&prey.edited, &format!("Edited {time}")).await }));
            acts.push(Box::pin(async move {
                carol.reacts(&prey.expiring, ["👍", "👎", "🎉", "❤️"][time % 4]).await
            }));
            acts.push(Box::pin(async move { bob.reacts(&prey.edited, ["👍", "👎", "🎉", "❤️"][time % 4]).await }));
            acts.push(Box::pin(async move { dave.edits(&prey.expiring, &format!("Expiring {time}")).await }));
            acts.push(Box::pin(if time % 2 == 0 { carol.pins(&prey.pinned) } else { ada.pins(&prey.pinned) }));
            let (path, name) = (format!("/conversations/{group}"), format!("rush {time}"));
            acts.push(Box::pin(async move { ada.patch(&path, json!({"name": name})).await }));
            let mention = json!({"id": new_id(), "body": "@bob", "mentions": [bob.id], "reply_to": prey.edited["id"]});
            acts.push(Box::pin(carol.sends(group, mention)));
            acts.push(Box::pin(erin.sends(group, json!({"id": new_id(), "body": "Let me in!"}))));
        }
        let expire = async {
            nodes.iter().for_each(|node| node.clock.advance(Duration::milliseconds(10)));
        };
        let (replies, ()) = futures_util::future::join(join_all(acts), expire).await;
        for reply in &replies {
            assert!(matches!(reply.status, 200 | 201 | 204 | 403 | 404 | 409), "{reply}");
        }
        replies.into_iter().take(2).collect()
    }

    /// Asserts that everything is as it may be.
    async fn ends_well(&self, prey: &Prey, demotions: &[Reply]) {
        let mut outcomes: Vec<_> = demotions.iter().map(|reply| reply.status).collect();
        outcomes.sort_unstable();
        assert_eq!(outcomes, [200, 403], "who is demoted first demotes nobody");
        let list = self.ada.get(&format!("/conversations/{}/participants", self.group)).await.expect(200);
        let roles = each(&list, "role");
        let with = |role: &str| roles.iter().filter(|has| **has == role).count();
        assert_eq!((with("owner"), with("admin")), (1, 1), "{list:#}");

        for gone in [&prey.edited, &prey.pinned, &prey.expiring] {
            let tombstone = until("the message is a tombstone", async || {
                let now = self.ada.looks_at(gone).await.expect(200);
                now["deleted_at"].is_string().then_some(now)
            })
            .await;
            let left = [&tombstone["body"], &tombstone["reactions"], &tombstone["pinned_at"]];
            assert_eq!(left, [&Value::Null, &json!([]), &Value::Null], "{tombstone:#}");
            let versions = self.ada.get(&format!("/conversations/{}/messages/{}/edits", self.group, id(gone))).await;
            assert!(each(&versions.expect(200), "body").is_empty());
        }
        let pins = self.ada.get(&format!("/conversations/{}/pins", self.group)).await.expect(200);
        assert_eq!(pins["items"], json!([]));
        self.bob.looks_at(&prey.hidden).await.refused(404, "not_found");
        self.dave.looks_at(&prey.hidden).await.expect(200);
    }
}
