//! A server under the coaching rules, and people of its roles.

use std::path::Path;

use colloquy::config::settings::Settings;
use serde_json::json;

use super::{command::colloquy, person::Person, server::TestServer};

/// The coaching rules, as they ship.
pub const COACHING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/coaching.toml");

/// A server with an operator, who says who is what.
pub struct School {
    /// The server.
    pub server: TestServer,
    /// The operator.
    pub olga: Person,
}

impl School {
    /// Opens one.
    pub async fn open() -> Self {
        Self::with(|_| ()).await
    }

    /// Opens one that is set up otherwise.
    pub async fn with(adjust: impl FnOnce(&mut Settings)) -> Self {
        let coaching = |settings: &mut Settings| {
            settings.policy_file = Some(Path::new(COACHING).to_owned());
            adjust(settings);
        };
        let server = TestServer::with(coaching).await;
        let olga = operator(&server).await;
        Self { server, olga }
    }

    /// Somebody new of this role, or of none.
    pub async fn person(&self, username: &str, role: &str) -> Person {
        let person = self.server.person(username).await;
        self.makes(&person, role).await;
        person
    }

    /// An admin, a coach and a parent.
    pub async fn staff(&self) -> [Person; 3] {
        [self.person("ann", "admin").await, self.person("carl", "coach").await, self.person("pat", "parent").await]
    }

    /// Gives somebody another role, or none.
    pub async fn makes(&self, person: &Person, role: &str) {
        let roles: Vec<_> = [role].into_iter().filter(|role| !role.is_empty()).collect();
        let wish = json!({"roles": roles, "reason": "School begins."});
        self.olga.put(&format!("/admin/users/{}/roles", person.id), wish).await.expect(200);
    }
}

/// Somebody who may do more than others.
pub async fn operator(server: &TestServer) -> Person {
    let olga = server.person("olga").await;
    let database = [("DATABASE_URL", server.database.url())];
    colloquy(&["user", "role", "olga", "operator"], &database).await.expect();
    olga
}
