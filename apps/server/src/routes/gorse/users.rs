//! `/user` and `/users`

use actix_web::{HttpResponse, web};
use dragoman_store::User;
use serde::Serialize;

use super::{
    cursor,
    record::Record,
    reply::{Answer, Refused, success},
    visitor::Visitor,
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
pub(super) async fn post(visitor: Visitor, payload: web::Payload) -> Answer {
    let user = Record::parse(&visitor.body(payload).await?)?.user()?;
    visitor.block(move |_, shop| Ok(shop.tenant.put_users(&[user])?)).await?;
    success(1)
}

/// Adds or replaces users.
pub(super) async fn post_all(visitor: Visitor, payload: web::Payload) -> Answer {
    let users = visitor.rows(payload, Record::user).await?;
    let count = users.len();
    visitor.block(move |_, shop| Ok(shop.tenant.put_users(&users)?)).await?;
    success(count)
}

/// Shows a user.
pub(super) async fn get(visitor: Visitor) -> Answer {
    let id = visitor.path("user")?;
    let name = id.clone();
    let user = visitor.block(move |_, shop| Ok(shop.tenant.user(&id)?)).await?;
    let user = user.ok_or_else(|| Refused::not_found(format!("{name}: user not found")))?;
    Ok(HttpResponse::Ok().json(user))
}

/// Changes a user; one that is not there stays so.
pub(super) async fn patch(visitor: Visitor, payload: web::Payload) -> Answer {
    let id = visitor.path("user")?;
    let patch = Record::parse(&visitor.body(payload).await?)?.user_patch()?;
    visitor.block(move |_, shop| Ok(shop.tenant.patch_user(&id, patch)?)).await?;
    success(1)
}

/// Removes a user and all it did.
pub(super) async fn delete(visitor: Visitor) -> Answer {
    let id = visitor.path("user")?;
    visitor.block(move |service, shop| Ok(shop.delete_user(&service.settings, &id)?)).await?;
    success(1)
}

/// Lists users, or with `q` those whose identifier or comment has it in it.
pub(super) async fn list(visitor: Visitor) -> Answer {
    let (_, n) = visitor.place()?;
    if let Some(text) = visitor.params.get("q").map(str::to_lowercase) {
        let users = visitor.block(move |_, shop| {
            let is_found = |user: &User| {
                user.user_id.to_lowercase().contains(&text)
                    || user.comment.to_lowercase().contains(&text)
            };
            let users = shop.tenant.users("").take(MAX_SEARCHED);
            let users = users.filter(|user| user.as_ref().map_or(true, is_found)).take(n);
            Ok(users.collect::<Result<Vec<User>, _>>()?)
        });
        return Ok(HttpResponse::Ok().json(Page { cursor: String::new(), users: users.await? }));
    }
    let start = visitor.params.cursor().map(cursor::decode).transpose()?.unwrap_or_default();
    let mut users = visitor
        .block(move |_, shop| {
            let users = shop.tenant.users(&start).take(n.saturating_add(1));
            Ok(users.collect::<Result<Vec<User>, _>>()?)
        })
        .await?;
    let next = users.drain(n.min(users.len())..).next();
    let cursor = next.map(|user| cursor::encode(&user.user_id)).unwrap_or_default();
    Ok(HttpResponse::Ok().json(Page { cursor, users }))
}
