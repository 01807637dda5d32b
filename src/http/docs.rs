//! The contract, generated from the handlers and wire types themselves: served, and browsable without any outside host.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, get};
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::{
        self, Content, ContentBuilder, KnownFormat, ObjectBuilder, RefOr, Required, Response, ResponseBuilder, Schema,
        SchemaFormat,
        path::{Operation, ParameterBuilder, ParameterIn},
        schema::Type,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::routes;
use crate::{
    domain::search::Trait,
    wire::{
        asyncapi,
        problem::{FieldProblem, ProblemView},
    },
};

/// What is refused, and with which status, on any call.
const REFUSALS: [(&str, &str); 8] = [
    ("400", "The request is malformed."),
    ("401", "The caller did not prove who they are."),
    ("403", "The caller may not do this, but may know that the thing exists."),
    ("404", "There is no such thing, or the caller may not know of it."),
    ("409", "It clashes with how things are."),
    ("422", "The request is well formed, but not acceptable."),
    ("429", "Too much at once; `Retry-After` says how long to wait."),
    ("503", "The server cannot take it now; nothing was done."),
];

/// What is refused besides on calls with a body.
const BODY_REFUSALS: [(&str, &str); 3] = [
    ("408", "The body did not come in time."),
    ("413", "The body is too large."),
    ("415", "The body is of a type that is not understood."),
];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Colloquy",
        description = "A chat backend: people, conversations and messages over REST and WebSockets. \
                       The WebSocket's commands and events are described in `/asyncapi.yaml`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "This server.")),
    components(schemas(ProblemView, FieldProblem, Trait)),
    security(("bearer" = [])),
    modifiers(&Everywhere),
    tags(
        (name = "auth", description = "Signing up, in and out."),
        (name = "users", description = "People."),
        (name = "presence", description = "Who is there."),
        (name = "conversations", description = "Direct conversations and groups."),
        (name = "members", description = "Who is in a group, and as what."),
        (name = "messages", description = "What is said."),
        (name = "attachments", description = "Files."),
        (name = "scheduled", description = "What is to be said later."),
        (name = "read state", description = "How far everybody has come."),
        (name = "search", description = "What was said, found again."),
        (name = "sync", description = "What was missed."),
        (name = "rules", description = "Who may talk to whom, and what to do about those who do not hold to it."),
        (name = "limits", description = "How much of anything there may be."),
        (name = "admin", description = "For operators."),
        (name = "operations", description = "For those who run the server.")
    )
)]
struct Base;

/// What every operation has in common.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// The OpenAPI document of the routes as they are registered.
pub fn openapi() -> openapi::OpenApi {
    let (_, mut document) = utoipa_actix_web::AppExt::into_utoipa_app(actix_web::App::new())
        .openapi(Base::openapi())
        .configure(routes)
        .split_for_parts();
    let schemas = &document.components.get_or_insert_default().schemas;
    for (path, item) in &mut document.paths.paths {
        let writing = [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        let reading = [&mut item.get, &mut item.head, &mut item.options];
        for operation in writing.into_iter().chain(reading).flatten() {
            add_path_parameters(path, operation);
            describe_successes(operation);
            release_bodies(operation, schemas);
            add_refusals(operation);
        }
    }
    document
}

/// `openapi.yaml`, as it is served and committed.
pub fn openapi_yaml() -> String {
    openapi().to_yaml().expect("the document is made of strings, numbers and lists")
}

/// `asyncapi.yaml`, as it is served and committed.
pub fn asyncapi_yaml() -> String {
    asyncapi::yaml()
}

/// Registers the handlers.
pub fn document_routes(config: &mut ServiceConfig) {
    config.service(serve_openapi).service(serve_asyncapi);
}

/// Get this document.
#[utoipa::path(tag = "operations", security(()),
    responses((status = 200, body = Object, content_type = "application/yaml")))]
#[get("/openapi.yaml")]
async fn serve_openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/yaml").body(openapi_yaml())
}

/// Get the WebSocket's commands and events.
#[utoipa::path(tag = "operations", security(()),
    responses((status = 200, body = Object, content_type = "application/yaml")))]
#[get("/asyncapi.yaml")]
async fn serve_asyncapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/yaml").body(asyncapi_yaml())
}

/// Every variable part of a path is the id of something, or an emoji.
fn add_path_parameters(path: &str, operation: &mut Operation) {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters = operation.parameters.get_or_insert_default();
    for (place, name) in names.enumerate() {
        parameters.retain(|known| !matches!(known, RefOr::T(known) if known.name == name));
        let format = name.ends_with("id").then_some(SchemaFormat::KnownFormat(KnownFormat::Uuid));
        let part = ObjectBuilder::new().schema_type(Type::String).format(format);
        let thing = name.trim_end_matches("_id").replace("id", "thing");
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(format!("Which {thing}.")))
            .schema(Some(part));
        parameters.insert(place, parameter.build().into());
    }
    if parameters.is_empty() {
        operation.parameters = None;
    }
}

/// OpenAPI wants a description of every response; where the status says it all, that is the description.
fn describe_successes(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let says = match status.as_str() {
                "201" => "It was made.",
                "204" => "It is done.",
                _ => "Here it is.",
            };
            says.clone_into(&mut response.description);
        }
    }
}

/// No body says the same as one without fields: where no field is required, neither is a body.
fn release_bodies(operation: &mut Operation, schemas: &BTreeMap<String, RefOr<Schema>>) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    let is_released = |content: &RefOr<Content>| match content {
        RefOr::T(Content { schema: Some(RefOr::Ref(reference)), .. }) => {
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            matches!(schemas.get(name), Some(RefOr::T(Schema::Object(object))) if object.required.is_empty())
        }
        _ => false,
    };
    if body.content.values().all(is_released) {
        body.required = Some(Required::False);
    }
}

fn add_refusals(operation: &mut Operation) {
    let responses: &mut BTreeMap<String, RefOr<Response>> = &mut operation.responses.responses;
    let on_body = operation.request_body.as_ref().map_or([].as_slice(), |_| &BODY_REFUSALS);
    for (status, response) in &mut *responses {
        if let RefOr::T(own) = response
            && status.starts_with(['4', '5'])
            && own.content.is_empty()
        {
            *response = refusal(&own.description);
        }
    }
    for (status, says) in REFUSALS.iter().chain(on_body) {
        responses.entry((*status).to_owned()).or_insert_with(|| refusal(says));
    }
}

fn refusal(says: &str) -> RefOr<Response> {
    let problem = openapi::Ref::from_schema_name(ProblemView::name());
    let content = ContentBuilder::new().schema(Some(problem)).build();
    ResponseBuilder::new().description(says).content("application/problem+json", content).build().into()
}

/// The browsable document at `/docs`, all of it from this binary.
pub fn browser() -> SwaggerUi {
    SwaggerUi::new("/docs/{_:.*}").config(Config::new(["/openapi.yaml"]))
}
