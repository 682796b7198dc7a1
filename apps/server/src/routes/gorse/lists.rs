//! Lists that are not made for one user.

use std::time::SystemTime;

use actix_web::http::header;

use super::{
    reply::{Answer, Refused, scores},
    visitor::Visitor,
};
use crate::recommend::Named;

/// The latest items.
pub(super) async fn latest(visitor: Visitor) -> Answer {
    of_everybody(visitor, Named::Latest).await
}

/// The most popular items.
pub(super) async fn popular(visitor: Visitor) -> Answer {
    of_everybody(visitor, Named::Popular).await
}

/// A list by its name.
pub(super) async fn everybody(visitor: Visitor) -> Answer {
    let name = visitor.path("name")?;
    let known = Named::of_everybody(visitor.service.settings.resolve(&name));
    let known = known.ok_or_else(|| unknown(&name, "`popular` and `latest`"))?;
    of_everybody(visitor, known).await
}

async fn of_everybody(visitor: Visitor, name: Named) -> Answer {
    let filter = visitor.params.filter(visitor.optional("category")?);
    let (place, user) = (visitor.place()?, visitor.params.get("user-id").map(str::to_owned));
    let list = visitor.block(move |service, shop| {
        Ok(service.everybody(shop, (name, &filter), user.as_deref(), place)?)
    });
    let mut reply = scores(list.await?)?;
    let now = header::HttpDate::from(SystemTime::now()).to_string();
    if let Ok(now) = header::HeaderValue::from_str(&now) {
        reply.headers_mut().insert(header::LAST_MODIFIED, now);
    }
    Ok(reply)
}

/// Items near an item.
pub(super) async fn near_item(visitor: Visitor) -> Answer {
    let item = visitor.path("item")?;
    let name = visitor.optional("name")?.unwrap_or_else(|| "neighbors".into());
    let known = Named::of_item(visitor.service.settings.resolve(&name));
    let known = known.ok_or_else(|| unknown(&name, "`neighbors`, `users` and `content`"))?;
    let filter = visitor.params.filter(visitor.optional("category")?);
    let (place, user) = (visitor.place()?, visitor.params.get("user-id").map(str::to_owned));
    let list = visitor.block(move |service, shop| {
        Ok(service.near_item(shop, (known, &item), (&filter, user.as_deref()), place)?)
    });
    scores(list.await?)
}

/// Users near a user.
pub(super) async fn near_user(visitor: Visitor) -> Answer {
    let user = visitor.path("user")?;
    let name = visitor.optional("name")?.unwrap_or_else(|| "neighbors".into());
    let known = Named::of_user(visitor.service.settings.resolve(&name));
    known.ok_or_else(|| unknown(&name, "`neighbors`"))?;
    let place = visitor.place()?;
    let list = visitor.block(move |service, shop| Ok(service.near_user(shop, &user, place)?));
    scores(list.await?)
}

fn unknown(name: &str, known: &str) -> Refused {
    Refused::not_found(format!(
        "there is no recommender `{name}`; there are {known}, and what `recommender_aliases` names"
    ))
}
