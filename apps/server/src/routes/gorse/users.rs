//! `/user` and `/users`

use actix_web::{HttpResponse, web};
use dragoman_store::User;
use serde::Serialize;

use super::{
    context::RequestContext,
    cursor,
    record::Record,
    reply::{Answer, Refused, success},
};

/// Users looked at for `q` at most, from the start of the list.
const MAX_SEARCHED: usize = 50_000;

/// A page of users.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    cursor: String,
    users: Vec<User>,
}

/// Adds or replaces a user.
pub(super) async fn post(context: RequestContext, payload: web::Payload) -> Answer {
    let user = Record::parse(&context.body(payload).await?)?.user()?;
    context.block(move |_, index| Ok(index.put_users(&[user])?)).await?;
    success(1)
}

/// Adds or replaces users.
pub(super) async fn post_all(context: RequestContext, payload: web::Payload) -> Answer {
    let users = context.rows(payload, Record::user).await?;
    let count = users.len();
    context.block(move |_, index| Ok(index.put_users(&users)?)).await?;
    success(count)
}

/// Shows a user.
pub(super) async fn get(context: RequestContext) -> Answer {
    let id = context.path("user")?;
    let name = id.clone();
    let user = context.block(move |_, index| Ok(index.tenant.user(&id)?)).await?;
    let user = user.ok_or_else(|| Refused::not_found(format!("user {name} not found")))?;
    Ok(HttpResponse::Ok().json(user))
}

/// Changes a user; one that is not there stays so.
pub(super) async fn patch(context: RequestContext, payload: web::Payload) -> Answer {
    let id = context.path("user")?;
    let patch = Record::parse(&context.body(payload).await?)?.user_patch()?;
    context.block(move |_, index| Ok(index.patch_user(&id, patch)?)).await?;
    success(1)
}

/// Removes a user and all it did.
pub(super) async fn delete(context: RequestContext) -> Answer {
    let id = context.path("user")?;
    context.block(move |_, index| Ok(index.delete_user(&id)?)).await?;
    success(1)
}

/// Lists users, or with `q` those whose identifier or comment has it in it.
pub(super) async fn list(context: RequestContext) -> Answer {
    let n = context.place()?.n;
    if let Some(text) = context.params.get("q").map(str::to_lowercase) {
        let users = context.block(move |_, index| {
            let is_found = |user: &User| {
                user.user_id.to_lowercase().contains(&text)
                    || user.comment.to_lowercase().contains(&text)
            };
            let users = index.tenant.users("").take(MAX_SEARCHED);
            let users = users.filter(|user| user.as_ref().map_or(true, is_found)).take(n);
            Ok(users.collect::<Result<Vec<User>, _>>()?)
        });
        return Ok(HttpResponse::Ok().json(Page { cursor: String::new(), users: users.await? }));
    }
    let start = context.params.cursor().map(cursor::decode).transpose()?.unwrap_or_default();
    let mut users = context
        .block(move |_, index| {
            let users = index.tenant.users(&start).take(n.saturating_add(1));
            Ok(users.collect::<Result<Vec<User>, _>>()?)
        })
        .await?;
    let next = users.drain(n.min(users.len())..).next();
    let cursor = next.map(|user| cursor::encode(&user.user_id)).unwrap_or_default();
    Ok(HttpResponse::Ok().json(Page { cursor, users }))
}
