//! A role that changes while its owner speaks.

use std::{path::Path, time::Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{
    id, new_id,
    person::Person,
    school::{COACHING, operator},
    server::TestServer,
};

/// Things said by each voice.
const WORDS: usize = 12;
/// Voices that speak at once.
const VOICES: usize = 6;

/// What came of one attempt: when it began, the message's id, and whether it was said.
type Attempt = (Instant, String, bool);

#[tokio::test]
async fn nothing_is_said_after_a_change_of_roles_forbids_it() {
    let server = TestServer::with(|settings| settings.policy_file = Some(Path::new(COACHING).to_owned())).await;
    rush([&server, &server]).await;
}

#[tokio::test]
async fn nothing_is_said_after_a_change_of_roles_at_another_node_forbids_it() {
    let coaching = |settings: &mut colloquy::config::settings::Settings| {
        settings.policy_file = Some(Path::new(COACHING).to_owned());
    };
    let (north, south) = TestServer::pair_with(coaching).await;
    rush([&north, &south]).await;
}

/// An admin and a coach talk to each other until the admin becomes a coach; and then once more.
async fn rush([north, south]: [&TestServer; 2]) {
    let olga = operator(north).await;
    for round in 0..3 {
        let [ann, carl] = [north.person(&format!("ann{round}")).await, north.person(&format!("carl{round}")).await];
        makes(&olga, &ann, "admin").await;
        makes(&olga, &carl, "coach").await;
        let direct = carl.opens_direct_with(&ann).await;

        let voices = (0..VOICES).map(|voice| {
            let node = if voice % 2 == 0 { north } else { south };
            speaks(if voice % 3 == 0 { ann.at(node) } else { carl.at(node) }, &direct)
        });
        let change = async {
            makes(&olga, &ann, "coach").await;
            Instant::now()
        };
        let (attempts, changed) = futures_util::future::join(join_all(voices), change).await;

        let attempts: Vec<_> = attempts.into_iter().flatten().collect();
        let late = attempts.iter().filter(|(begun, ..)| *begun > changed);
        assert!(late.clone().all(|(.., was_said)| !was_said), "round {round}: {late:?}");
        let history = ann.history(&direct).await;
        let mut said: Vec<_> =
            attempts.iter().filter(|(.., was_said)| *was_said).map(|(_, id, _)| id.as_str()).collect();
        let mut kept: Vec<_> = history.iter().map(id).collect();
        said.sort_unstable();
        kept.sort_unstable();
        assert_eq!(kept, said, "what was refused is not there, and what was not is");
    }
}

/// Says one thing after the other.
async fn speaks(person: Person, direct: &str) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for _ in 0..WORDS {
        let (begun, message) = (Instant::now(), json!({"id": new_id(), "body": "Hello?"}));
        let reply = person.sends(direct, message.clone()).await;
        let was_said = reply.status == 201;
        if !was_said {
            assert_eq!(reply.refused(403, "against_rules")["rule"], "direct");
        }
        attempts.push((begun, id(&message).to_owned(), was_said));
    }
    attempts
}

async fn makes(olga: &Person, person: &Person, role: &str) {
    let wish = json!({"roles": [role], "reason": "So it is."});
    olga.put(&format!("/admin/users/{}/roles", person.id), wish).await.expect(200);
}
