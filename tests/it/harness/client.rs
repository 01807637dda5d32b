//! One who calls the server over HTTP, with a token or without.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::{PATIENCE, reply::Reply};

/// Calls a server.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    origin: String,
    token: Option<String>,
}

impl Client {
    /// One without a token.
    pub fn new(origin: String) -> Self {
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().expect("the client needs nothing");
        Self { http, origin, token: None }
    }

    /// The same with a token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same on another node.
    pub fn on(&self, origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..self.clone() }
    }

    /// The token that it shows.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Where the server is: `http://127.0.0.1:…`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Gets something; paths are below `/api/v1`.
    pub async fn get(&self, path: &str) -> Reply {
        perform(self.ask(Method::GET, path)).await
    }

    /// Posts something.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        perform(self.ask(Method::POST, path).json(&body)).await
    }

    /// Patches something.
    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        perform(self.ask(Method::PATCH, path).json(&body)).await
    }

    /// Puts something.
    pub async fn put(&self, path: &str, body: Value) -> Reply {
        perform(self.ask(Method::PUT, path).json(&body)).await
    }

    /// Deletes something.
    pub async fn delete(&self, path: &str) -> Reply {
        perform(self.ask(Method::DELETE, path)).await
    }

    /// A call below `/api/v1` that is not made yet, for headers or a body of one's own.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.ask_outside(method, &format!("/api/v1{path}"))
    }

    /// A call to any path.
    pub fn ask_outside(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.origin));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A call to wherever a URL leads, without the token where that is elsewhere.
    pub fn ask_anywhere(&self, method: Method, url: &str) -> RequestBuilder {
        if url.starts_with('/') { self.ask_outside(method, url) } else { self.http.request(method, url) }
    }
}

impl AsRef<Client> for Client {
    fn as_ref(&self) -> &Client {
        self
    }
}

/// Makes a call.
pub async fn perform(request: RequestBuilder) -> Reply {
    let (client, request) = request.build_split();
    let request = request.expect("the call is well formed");
    let asked = format!("{} {}", request.method(), request.url());
    let response = client.execute(request).await.unwrap_or_else(|error| panic!("{asked} is not answered: {error:?}"));
    Reply::read(asked, response).await
}

/// Any text as a part of a path or query.
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02X}"))
}
