//! REST for people: oneself, others, and whom one does not want to hear from.

use actix_web::{delete, get, patch, put};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{Ctx, Json, Path, Query, Signed, limit},
    page::PageQuery,
};
use crate::{
    actions::{accounts, blocks, users},
    domain::{error::Error, ids::UserId},
    wire::{
        json::List,
        users::{BlockView, OwnUserView, SeenUserView, UpdateProfile, UserView},
    },
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config
        // Before the one with an id in its place.
        .service(me)
        .service(update_me)
        .service(delete_me)
        .service(see_user)
        .service(find_users)
        .service(list_contacts)
        .service(list_blocks)
        .service(block)
        .service(unblock);
}

/// Whom to look for: by `q` or by `external_id`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FindQuery {
    /// The beginning of a name or username, or something like it.
    #[param(example = "ada", min_length = 1, max_length = 64)]
    q: Option<String>,
    /// The host application's ids, comma-separated, at most 100.
    #[param(value_type = Option<Vec<String>>, style = Form, explode = false, max_items = 100, example = json!(["u-1", "u-2"]))]
    external_id: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// See myself.
#[utoipa::path(tag = "users", responses((status = 200, body = OwnUserView)))]
#[get("/users/me")]
async fn me(ctx: Ctx, Signed(caller): Signed) -> Outcome<OwnUserView> {
    Ok(Answer::Ok(users::me(&ctx, &caller).await?.into()))
}

/// Change my profile.
#[utoipa::path(tag = "users", request_body = UpdateProfile, responses((status = 200, body = OwnUserView)))]
#[patch("/users/me")]
async fn update_me(ctx: Ctx, Signed(caller): Signed, Json(body): Json<UpdateProfile>) -> Outcome<OwnUserView> {
    let user = users::update(&ctx, &caller, body.into_change()?).await?;
    Ok(Answer::Ok(user.into()))
}

/// Delete my account.
///
/// My messages stay, under the name "Deleted user". Nothing else of me does, and all my sessions end.
#[utoipa::path(tag = "users", responses((status = 204)))]
#[delete("/users/me")]
async fn delete_me(ctx: Ctx, Signed(caller): Signed) -> Outcome<()> {
    accounts::delete(&ctx, &caller).await?;
    Ok(Answer::NoContent)
}

/// See somebody.
///
/// Of myself I see my e-mail address, too.
#[utoipa::path(tag = "users", params(("id" = UserId, Path)), responses((status = 200, body = UserView)))]
#[get("/users/{id}")]
async fn see_user(ctx: Ctx, Signed(caller): Signed, Path(id): Path<UserId>) -> Outcome<SeenUserView> {
    Ok(Answer::Ok(if id == caller.user_id {
        SeenUserView::Oneself(users::me(&ctx, &caller).await?.into())
    } else {
        SeenUserView::Other(users::profile(&ctx, id).await?.into())
    }))
}

/// Find people.
///
/// By `q` those whom I may talk to directly, what begins like it first and what looks like it after; or by the host
/// application's ids.
#[utoipa::path(tag = "users", params(FindQuery), responses((status = 200, body = List<UserView>)))]
#[get("/users")]
async fn find_users(ctx: Ctx, Signed(caller): Signed, Query(find): Query<FindQuery>) -> Outcome<List<UserView>> {
    let limit = limit(find.limit)?;
    let found = match (find.q, find.external_id) {
        (Some(query), None) => users::search(&ctx, &caller, &query, find.cursor.as_deref(), limit).await?.into(),
        (None, Some(ids)) => {
            let ids: Vec<String> = ids.split(',').map(str::to_owned).collect();
            users::by_external_ids(&ctx, &ids, find.cursor.as_deref(), limit).await?.into()
        }
        _ => return Err(Error::field("q", "required", "Either `q` or `external_id`.").into()),
    };
    Ok(Answer::Ok(found))
}

/// List whom I may talk to.
///
/// All with whom the communication rules let me talk directly, by name, but for those whom I block.
#[utoipa::path(tag = "users", params(PageQuery), responses((status = 200, body = List<UserView>)))]
#[get("/contacts")]
async fn list_contacts(ctx: Ctx, Signed(caller): Signed, Query(page): Query<PageQuery>) -> Outcome<List<UserView>> {
    let people = users::contacts(&ctx, &caller, page.cursor.as_deref(), page.limit()?).await?;
    Ok(Answer::Ok(people.into()))
}

/// List whom I block.
///
/// Messages of theirs in groups are for your client to mark or fold by this list: a message itself does not depend on who looks.
#[utoipa::path(tag = "users", params(PageQuery), responses((status = 200, body = List<BlockView>)))]
#[get("/blocks")]
async fn list_blocks(ctx: Ctx, Signed(caller): Signed, Query(page): Query<PageQuery>) -> Outcome<List<BlockView>> {
    let blocks = blocks::list(&ctx, &caller, page.cursor.as_deref(), page.limit()?).await?;
    Ok(Answer::Ok(blocks.into()))
}

/// Block somebody.
///
/// Between the two of us no direct message goes either way. They are not told.
#[utoipa::path(tag = "users", params(("user_id" = UserId, Path)), responses((status = 200, body = BlockView)))]
#[put("/blocks/{user_id}")]
async fn block(ctx: Ctx, Signed(caller): Signed, Path(id): Path<UserId>) -> Outcome<BlockView> {
    Ok(Answer::Ok(blocks::add(&ctx, &caller, id).await?.into()))
}

/// Block somebody no more.
#[utoipa::path(tag = "users", params(("user_id" = UserId, Path)), responses((status = 204)))]
#[delete("/blocks/{user_id}")]
async fn unblock(ctx: Ctx, Signed(caller): Signed, Path(id): Path<UserId>) -> Outcome<()> {
    blocks::remove(&ctx, &caller, id).await?;
    Ok(Answer::NoContent)
}
