//! Every door of the contract, tried by those for whom it is not: read from the document that the server serves, so
//! that a new route is tried without anybody thinking of it.

use image::ImageFormat;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    camera::{coded, four_fields},
    client::{Client, encoded, perform},
    files::form,
    id, new_id,
    person::Person,
    reply::Reply,
    server::TestServer,
};

/// One operation of the contract.
struct Door {
    name: String,
    method: Method,
    path: String,
    is_open_to_all: bool,
}

/// What stands in the variable parts of paths.
struct Place<'a> {
    conversation: &'a str,
    message: &'a str,
    user: &'a str,
}

impl Door {
    fn is_of_a_conversation(&self) -> bool {
        self.path.starts_with("/api/v1/conversations/{")
    }

    async fn tried(&self, client: &Client, place: &Place<'_>) -> Reply {
        let path = self.path.replace("{conversation_id}", place.conversation).replace("{message_id}", place.message);
        let path = path.replace("{user_id}", place.user).replace("{id}", place.user);
        let path = path.replace("{emoji}", &encoded("👍")).replace("{report_id}", place.message);
        let path = path.replace("{attachment_id}", place.message).replace("{rendition}", "original");
        let path = path.replace("{owner_id}", place.user).replace("{version_id}", place.message);
        let path = path.replace("{square}", "256.webp");
        let path = path.replace("{upload_id}", place.message);
        assert!(!path.contains('{'), "say in this test what stands for the variable part of {path}");
        let request = client.ask_outside(self.method.clone(), &path).header("tus-resumable", "1.0.0");
        let has_body = matches!(self.method, Method::POST | Method::PUT | Method::PATCH);
        perform(match self.name.as_str() {
            "upload_attachment" => form(request, &[], "a.txt", b"Hello"),
            "set_own_avatar" | "set_conversation_avatar" => {
                form(request, &[], "a.png", &coded(&four_fields(2, 2), ImageFormat::Png))
            }
            _ if has_body => request.json(&self.body(place)),
            _ => request,
        })
        .await
    }

    /// A body with which a member would be let in.
    fn body(&self, place: &Place) -> Value {
        match self.name.as_str() {
            "send_message" | "edit_message" => json!({"body": "Hello"}),
            "change_conversation" => json!({"name": "Ours"}),
            "change_preferences" => json!({"pinned": true}),
            "add_participants" => json!({"user_ids": [place.user]}),
            "change_participant" => json!({"role": "admin"}),
            "mark_read" | "mark_delivered" => json!({"seq": 1}),
            "check_policy" => json!({"action": "open_direct", "user_id": place.user}),
            "report" => json!({"user_id": place.user, "reason": "spam"}),
            "forward_message" => json!({"conversation_ids": [place.conversation]}),
            "presign_upload" => json!({"filename": "a.txt", "size": 5}),
            "add_reaction" | "pin_message" | "complete_upload" => json!({}),
            name if self.is_of_a_conversation() => panic!("say in this test with which body `{name}` is let in"),
            _ => json!({}),
        }
    }
}

async fn doors(server: &TestServer) -> Vec<Door> {
    let served = perform(server.client.ask_outside(Method::GET, "/openapi.yaml")).await.expect(200);
    let contract: Value = yaml_serde::from_str(served.as_str().expect("it is text")).expect("it is YAML");
    let mut doors = Vec::new();
    for (path, item) in contract["paths"].as_object().expect("there are paths") {
        for (method, operation) in item.as_object().expect("a path has operations") {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let name = operation["operationId"].as_str().expect("operations are named").to_owned();
            let is_open_to_all = operation["security"].as_array().is_some_and(|ways| ways.contains(&json!({})));
            doors.push(Door { name, method, path: path.clone(), is_open_to_all });
        }
    }
    assert!(doors.len() > 30, "the contract has more doors than {}", doors.len());
    doors
}

/// A group of two with a message, a third who was in it, and a fourth who never was.
async fn scene(server: &TestServer) -> (String, Value, [Person; 4]) {
    let [ada, bob, joe, eve] = server.people(["ada", "bob", "joe", "eve"]).await;
    let group = ada.opens_group_with([&bob, &joe]).await;
    let message = ada.says(&group, "Hello").await;
    joe.removes(&group, &joe).await.expect(204);
    (group, message, [ada, bob, joe, eve])
}

#[tokio::test]
async fn nothing_of_a_conversation_is_there_for_who_is_not_in_it() {
    let server = TestServer::start().await;
    let (group, message, [ada, bob, joe, eve]) = scene(&server).await;
    let before = ada.sees(&group).await;
    let real = Place { conversation: &group, message: id(&message), user: &bob.id };
    let (nowhere, nothing) = (new_id(), new_id());
    let unreal = Place { conversation: &nowhere, message: &nothing, user: &bob.id };

    for door in doors(&server).await.iter().filter(|door| door.is_of_a_conversation()) {
        for outsider in [&eve, &joe] {
            let mut real = door.tried(outsider, &real).await.refused(404, "not_found");
            let mut unreal = door.tried(outsider, &unreal).await.refused(404, "not_found");

            real["request_id"].take();
            unreal["request_id"].take();
            assert_eq!(real, unreal, "{} tells what exists from what does not", door.name);
        }
    }
    assert_eq!(ada.sees(&group).await, before);
}

#[tokio::test]
async fn nobody_unknown_gets_through_a_door_that_is_not_open_to_all() {
    let server = TestServer::start().await;
    let (group, message, [_, bob, ..]) = scene(&server).await;
    let place = Place { conversation: &group, message: id(&message), user: &bob.id };
    // The metrics are open to this machine without a token, to others with one of their own; files and avatars to who holds a link.
    let open = [
        "register",
        "login",
        "refresh",
        "live",
        "ready",
        "read_metrics",
        "read_file",
        "read_avatar",
        "discover_uploads",
        "serve_openapi",
        "serve_asyncapi",
    ];

    for door in doors(&server).await {
        assert_eq!(door.is_open_to_all, open.contains(&door.name.as_str()), "who may call {}?", door.name);
        if !door.is_open_to_all && door.method == Method::HEAD {
            assert_eq!(door.tried(&server.client, &place).await.status, 401, "{}", door.name);
        } else if !door.is_open_to_all {
            door.tried(&server.client, &place).await.refused(401, "unauthenticated");
            door.tried(&server.client.with_token("nonsense"), &place).await.refused(401, "invalid_token");
        }
    }
}

#[tokio::test]
async fn a_message_of_another_conversation_is_not_found_in_mine() {
    let server = TestServer::start().await;
    let (_, message, [_, bob, _, eve]) = scene(&server).await;
    let own = eve.opens_group_with([&bob]).await;
    let place = Place { conversation: &own, message: id(&message), user: &bob.id };

    for door in
        doors(&server).await.iter().filter(|door| door.is_of_a_conversation() && door.path.contains("{message_id}"))
    {
        door.tried(&eve, &place).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn every_door_answers_members_as_the_contract_says_it_may() {
    let server = TestServer::start().await;
    let (group, message, [ada, bob, ..]) = scene(&server).await;
    let served = perform(server.client.ask_outside(Method::GET, "/openapi.yaml")).await.expect(200);
    let contract: Value = yaml_serde::from_str(served.as_str().expect("it is text")).expect("it is YAML");
    let place = Place { conversation: &group, message: id(&message), user: &bob.id };
    let ends_something =
        ["logout", "delete_me", "delete_conversation", "delete_message", "remove_participant", "revoke_session"];

    // A store that clients can go to, and something there.
    let needs_more = ["presign_upload", "complete_upload"];

    for door in doors(&server).await.iter().filter(|door| !ends_something.contains(&door.name.as_str())) {
        let reply = door.tried(&ada, &place).await;

        let documented = &contract["paths"][&door.path][door.method.as_str().to_lowercase()]["responses"];
        assert!(
            documented.get(reply.status.to_string()).is_some(),
            "{} is not documented to answer so:\n{reply}",
            door.name
        );
        if door.is_of_a_conversation() && !needs_more.contains(&door.name.as_str()) {
            assert!(reply.status < 300, "{} should let a member in:\n{reply}", door.name);
        }
    }
}
