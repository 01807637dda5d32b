//! Two nodes: how much later those hear who are connected to the other one, at half of what can be sent between the two.

use super::{
    Load, paced,
    report::Report,
    send::{self, SPEAKERS},
    server::Target,
};

/// Messages in flight of each speaker where it is found out how much can be sent.
const IN_FLIGHT: usize = 4;
/// What is measured at either node.
const SCENARIOS: [&str; 2] = ["nodes, half load, heard at the same node", "nodes, half load, heard at the other node"];

/// Loads direct conversations of people who speak at one node with people half of whom listen at the other.
pub async fn run(near: &Target, far: &Target, load: &Load) -> anyhow::Result<Vec<Report>> {
    let most = send::across(near, far, load, (SPEAKERS, IN_FLIGHT)).await?.per_second;
    Ok(paced::direct([near, far], load, most / 2.0, SCENARIOS).await?.into())
}
