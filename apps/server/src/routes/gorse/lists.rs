//! Lists that are not made for one user.

use std::sync::Arc;

use super::{
    context::RequestContext,
    reply::{Answer, Refused, scores},
};
use crate::recommend::{Named, Recommendations, Scored, TenantIndex};

/// The latest items.
pub(super) async fn latest(context: RequestContext) -> Answer {
    of_everybody(context, "latest").await
}

/// The most popular items.
pub(super) async fn popular(context: RequestContext) -> Answer {
    of_everybody(context, "popular").await
}

/// A list by its name.
pub(super) async fn everybody(context: RequestContext) -> Answer {
    let name = context.path("name")?;
    of_everybody(context, &name).await
}

async fn of_everybody(context: RequestContext, name: &str) -> Answer {
    scores(list_of_everybody(&context, name).await?)
}

/// The list for everybody that is called `name`.
pub(super) async fn list_of_everybody(
    context: &RequestContext,
    name: &str,
) -> Result<Vec<Scored>, Refused> {
    let settings = &context.service.settings;
    let known = Named::of_everybody(name, settings);
    let name = known.ok_or_else(|| {
        let boards = settings.leaderboards.iter().map(|board| format!(", `{}`", board.name));
        unknown(name, &format!("`popular`, `latest`{}", boards.collect::<String>()))
    })?;
    let filter = context.filter()?;
    let (place, user) = (context.place()?, context.params.get("user-id").map(str::to_owned));
    let list = move |service: &Recommendations, index: &Arc<TenantIndex>| {
        Ok(service.everybody(index, &name, &filter, user.as_deref(), place)?)
    };
    context.block(list).await
}

/// Items near an item.
pub(super) async fn near_item(context: RequestContext) -> Answer {
    scores(list_near_item(&context).await?)
}

/// The items near that of the path.
pub(super) async fn list_near_item(context: &RequestContext) -> Result<Vec<Scored>, Refused> {
    let item = context.path("item")?;
    let name = context.optional("name")?.unwrap_or_else(|| "neighbors".into());
    let list = Named::of_item(context.service.settings.resolve(&name));
    let known = "`neighbors`, `users`, `content`, `embedding` and `cosine`";
    let known = list.ok_or_else(|| unknown(&name, known))?;
    let filter = context.filter()?;
    let (place, user) = (context.place()?, context.params.get("user-id").map(str::to_owned));
    let list = move |service: &Recommendations, index: &Arc<TenantIndex>| {
        Ok(service.near_item(index, &known, &item, &filter, user.as_deref(), place)?)
    };
    context.block(list).await
}

/// Users near a user.
pub(super) async fn near_user(context: RequestContext) -> Answer {
    scores(list_near_user(&context).await?)
}

/// The users near that of the path.
pub(super) async fn list_near_user(context: &RequestContext) -> Result<Vec<Scored>, Refused> {
    let user = context.path("user")?;
    let name = context.optional("name")?.unwrap_or_else(|| "neighbors".into());
    let known = Named::of_user(context.service.settings.resolve(&name));
    known.ok_or_else(|| unknown(&name, "`neighbors`"))?;
    let place = context.place()?;
    context.block(move |service, index| Ok(service.near_user(index, &user, place)?)).await
}

fn unknown(name: &str, known: &str) -> Refused {
    Refused::not_found(format!(
        "there is no recommender `{name}`; there are {known}, and what `recommender_aliases` names"
    ))
}
