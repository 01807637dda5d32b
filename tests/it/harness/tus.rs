//! A client of the tus protocol that does as it is told, right or wrong. A stock one is tried elsewhere.

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{Method, RequestBuilder};

use super::{
    client::{Client, perform},
    reply::Reply,
};

/// Speaks tus for somebody.
#[derive(Clone, Debug)]
pub struct Tus(Client);

impl Tus {
    /// One for this person, or for nobody.
    pub fn of(client: &Client) -> Self {
        Self(client.clone())
    }

    /// Asks what there is.
    pub async fn options(&self, path: &str) -> Reply {
        perform(self.0.ask(Method::OPTIONS, path)).await
    }

    /// Announces a file.
    pub async fn post(&self, path: &str, size: usize, metadata: &str) -> Reply {
        let request = self.ask(Method::POST, path).header("upload-length", size);
        perform(request.header("upload-metadata", metadata)).await
    }

    /// Asks how far an upload is.
    pub async fn head(&self, path: &str) -> Reply {
        perform(self.ask(Method::HEAD, path)).await
    }

    /// Sends bytes.
    pub async fn patch(&self, path: &str, offset: usize, bytes: &[u8]) -> Reply {
        perform(self.bytes(Method::PATCH, path, offset, bytes)).await
    }

    /// Ends an upload.
    pub async fn delete(&self, path: &str) -> Reply {
        perform(self.ask(Method::DELETE, path)).await
    }

    /// A call that is not made yet.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.0.ask(method, path).header("tus-resumable", "1.0.0")
    }

    /// A call with bytes that is not made yet.
    pub fn bytes(&self, method: Method, path: &str, offset: usize, bytes: &[u8]) -> RequestBuilder {
        let request = self.ask(method, path).header("upload-offset", offset).body(bytes.to_vec());
        request.header("content-type", "application/offset+octet-stream")
    }

    /// Announces a file for a conversation, and answers with the upload's id.
    pub async fn announces(&self, conversation: &str, name: &str, size: usize) -> String {
        let reply =
            self.post("/uploads", size, &metadata(&[("conversation_id", conversation), ("filename", name)])).await;
        let location = reply.header("location").to_owned();
        reply.expect(201);
        location.strip_prefix("/api/v1/uploads/").expect("an upload has its place").to_owned()
    }

    /// How many bytes of an upload are in.
    pub async fn offset(&self, id: &str) -> usize {
        let reply = self.head(&format!("/uploads/{id}")).await;
        assert_eq!(reply.status, 200, "{reply}");
        reply.header("upload-offset").parse().expect("it is a number")
    }
}

/// What an upload says of itself, as a header has it.
pub fn metadata(words: &[(&str, &str)]) -> String {
    let pairs = words.iter().map(|(name, value)| format!("{name} {}", BASE64_STANDARD.encode(value)));
    pairs.collect::<Vec<_>>().join(",")
}
