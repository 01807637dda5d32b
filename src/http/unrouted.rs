//! What no route takes: 405 where other methods know the path, else 404.

use actix_web::{
    HttpRequest, HttpResponse,
    dev::ResourceDef,
    http::{StatusCode, header},
    web,
};
use utoipa::openapi::{OpenApi, PathItem};

use super::problem::Problem;

/// The paths of all routes, and the methods that each knows.
pub struct KnownPaths(Vec<(ResourceDef, Vec<&'static str>)>);

impl KnownPaths {
    /// Those that the contract describes.
    pub fn of(document: &OpenApi) -> Self {
        let paths = document.paths.paths.iter();
        Self(paths.map(|(path, item)| (ResourceDef::new(path.as_str()), methods(item))).collect())
    }

    /// One more, that the contract of REST leaves to another.
    #[must_use]
    pub fn and_get(mut self, path: &str) -> Self {
        self.0.push((ResourceDef::new(path), vec!["GET", "HEAD"]));
        self
    }

    /// Those of the path that is so in all letters, else those of all paths that look like it.
    fn methods(&self, path: &str) -> Vec<&'static str> {
        if let Some((_, methods)) = self.0.iter().find(|(known, _)| known.pattern() == Some(path)) {
            return methods.clone();
        }
        self.0.iter().filter(|(known, _)| known.is_match(path)).flat_map(|(_, methods)| methods).copied().collect()
    }
}

/// Refuses what no route took.
pub async fn refuse(request: HttpRequest, known: web::Data<KnownPaths>) -> Result<HttpResponse, Problem> {
    let methods = known.methods(request.path());
    if methods.is_empty() {
        return Err(Problem::plain(StatusCode::NOT_FOUND, "not_found", "There is no such route."));
    }
    // The middleware puts it into the envelope of all refusals.
    Ok(HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, methods.join(", "))).finish())
}

fn methods(item: &PathItem) -> Vec<&'static str> {
    let operations = [
        ("GET", &item.get),
        // Whatever can be got can be asked after.
        ("HEAD", if item.head.is_some() { &item.head } else { &item.get }),
        ("OPTIONS", &item.options),
        ("PUT", &item.put),
        ("POST", &item.post),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    operations.into_iter().filter(|(_, operation)| operation.is_some()).map(|(method, _)| method).collect()
}
