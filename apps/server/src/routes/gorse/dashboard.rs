//! What Gorse's dashboard and its old clients ask of a server.

use actix_web::HttpResponse;
use dragoman_store::{Event, Feedback, FeedbackKey, Item, Timestamp, User};
use serde::Serialize;
use serde_json::json;

use super::{
    context::{RequestContext, data},
    cursor, feedback, lists, recommend as personal,
    reply::{Answer, Refused, modified_now},
};
use crate::{
    config::ServerConfig,
    recommend::{Place, Scored, Settings, TenantIndex},
};

/// Counts of a tenant.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Stats {
    binary_version: &'static str,
    num_servers: usize,
    num_workers: usize,
    num_users: usize,
    num_items: usize,
    num_user_labels: usize,
    num_item_labels: usize,
    num_feedback: usize,
    num_total_pos_feedback: u64,
    num_valid_pos_feedback: u64,
    num_valid_neg_feedback: u64,
}

/// Counts users, items and feedback rows.
pub(super) async fn stats(context: RequestContext) -> Answer {
    let stats = context.block(|service, index| {
        let positive = index.items().popularity().events();
        Ok(Stats {
            binary_version: env!("CARGO_PKG_VERSION"),
            num_servers: 1,
            num_workers: 0,
            num_users: index.tenant.user_ids("").count(),
            num_items: index.items().entries().iter().filter(|entry| entry.is_shown).count(),
            num_user_labels: index.user_labels(),
            num_item_labels: index.items().labels(),
            num_feedback: index.tenant.count_feedback()?,
            num_total_pos_feedback: positive,
            num_valid_pos_feedback: positive,
            num_valid_neg_feedback: negative(&service.settings, index)?,
        })
    });
    Ok(HttpResponse::Ok().json(stats.await?))
}

/// Counts the rows that say a user wants no more of an item, reading those of types that may say so.
fn negative(settings: &Settings, index: &TenantIndex) -> Result<u64, Refused> {
    let mut count = 0;
    for kind in settings.negative_kinds() {
        let start = FeedbackKey { feedback_type: kind.clone(), ..FeedbackKey::default() };
        for row in index.tenant.all_feedback(Some(&start)) {
            let row = row?;
            if row.feedback_type != kind {
                break;
            }
            count += u64::from(settings.is_negative(&kind, row.value));
        }
    }
    Ok(count)
}

/// Lists the names of the categories of the items that are shown.
pub(super) async fn categories(context: RequestContext) -> Answer {
    let counts = context.block(|_, index| Ok(index.items().categories())).await?;
    Ok(HttpResponse::Ok().json(counts.into_keys().collect::<Vec<_>>()))
}

/// Lists the types of feedback that there are, which Gorse does not tell.
pub(super) async fn feedback_types(context: RequestContext) -> Answer {
    let types = context.block(|_, index| Ok(index.tenant.feedback_types()?));
    Ok(HttpResponse::Ok().json(types.await?))
}

/// Measurements of version 0.4, of which there are none: `/metrics` has ours.
pub(super) async fn measurements(_visitor: RequestContext) -> Answer {
    Ok(HttpResponse::Ok().json(Vec::<()>::new()))
}

/// A user with when it was last heard of.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ActiveUser {
    #[serde(flatten)]
    user: User,
    last_active_time: Option<Timestamp>,
    /// When its list was made last: lists are made when they are asked for, so it is now.
    last_update_time: Timestamp,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct UserPage {
    cursor: String,
    users: Vec<ActiveUser>,
}

/// An item or a user of a list, with its place in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Placed<T> {
    #[serde(flatten)]
    row: T,
    score: f64,
}

/// Feedback with the item it is about.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct FeedbackOnItem {
    feedback_type: String,
    user_id: String,
    item: Item,
    value: f64,
    timestamp: Timestamp,
    comment: String,
}

/// The settings that decide about lists, under Gorse's names.
pub(super) async fn config(context: RequestContext) -> Answer {
    let config = &data::<ServerConfig>(&context.request).recommendation;
    Ok(HttpResponse::Ok().json(json!({
        "server": {
            "default_n": config.default_n,
            "auto_insert_user": config.auto_insert_user,
            "auto_insert_item": config.auto_insert_item,
        },
        "recommend": {
            "data_source": {
                "positive_feedback_types": config.positive_feedback,
                "negative_feedback_types": config.negative_feedback,
            },
            "replacement": { "enable_replacement": config.recommend_replacement },
        },
    })))
}

/// Lists users with when they were last heard of.
pub(super) async fn users(context: RequestContext) -> Answer {
    let n = context.place()?.n;
    let start = context.params.cursor().map(cursor::decode).transpose()?.unwrap_or_default();
    let page = context.block(move |_, index| {
        let users = index.tenant.users(&start).take(n.saturating_add(1));
        let mut users = users.collect::<Result<Vec<User>, _>>()?;
        let next = users.drain(n.min(users.len())..).next();
        let cursor = next.map(|user| cursor::encode(&user.user_id)).unwrap_or_default();
        let users = users.into_iter().map(|user| active(index, user)).collect::<Result<_, _>>()?;
        Ok(UserPage { cursor, users })
    });
    Ok(HttpResponse::Ok().json(page.await?))
}

/// Shows a user with when it was last heard of.
pub(super) async fn user(context: RequestContext) -> Answer {
    let id = context.path("user")?;
    let user = context.block(move |_, index| {
        let user = index.tenant.user(&id)?;
        let user = user.ok_or_else(|| Refused::not_found(format!("user {id} not found")))?;
        active(index, user)
    });
    Ok(HttpResponse::Ok().json(user.await?))
}

fn active(index: &TenantIndex, user: User) -> Result<ActiveUser, Refused> {
    let now = Timestamp::now();
    // What is written back with a delay lies in the future.
    let last = index.tenant.history_before(&user.user_id, Some(now)).next().transpose()?;
    let last_active_time = last.map(|event: Event| event.time);
    Ok(ActiveUser { user, last_active_time, last_update_time: now })
}

/// What a user did, the newest first, with the items it is about.
pub(super) async fn feedback(context: RequestContext) -> Answer {
    let (user, wanted) = (context.path("user")?, feedback::expression(&context)?);
    let Place { offset, n } = context.place()?;
    let rows = context.block(move |_, index| {
        let mut rows = feedback::rows_of_user(index, &user, wanted.as_ref())?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.timestamp));
        let rows = rows.into_iter().skip(offset).take(n);
        rows.map(|row| on_item(index, row)).collect::<Result<Vec<_>, _>>()
    });
    Ok(HttpResponse::Ok().json(rows.await?))
}

fn on_item(index: &TenantIndex, row: Feedback) -> Result<FeedbackOnItem, Refused> {
    let Feedback { feedback_type, user_id, item_id, value, timestamp, comment, .. } = row;
    let unknown = || Item { item_id: item_id.clone(), ..Item::default() };
    let item = index.tenant.item(&item_id)?.unwrap_or_else(unknown);
    Ok(FeedbackOnItem { feedback_type, user_id, item, value, timestamp, comment })
}

/// The latest items, as they are.
pub(super) async fn latest(context: RequestContext) -> Answer {
    let list = lists::list_of_everybody(&context, "latest").await?;
    with_items(&context, list).await
}

/// A list for everybody, with the items as they are.
pub(super) async fn everybody(context: RequestContext) -> Answer {
    let list = lists::list_of_everybody(&context, &context.path("name")?).await?;
    with_items(&context, list).await
}

/// A list of a user, with the items as they are.
pub(super) async fn recommend(context: RequestContext) -> Answer {
    let (recommender, name) = (context.optional("recommender")?, context.optional("name")?);
    let recommender = recommender.map(|kind| match name {
        Some(name) => format!("{kind}/{name}"),
        None => kind,
    });
    let list = personal::list_of(&context, recommender).await?;
    with_items(&context, list).await
}

/// Items near an item, as they are.
pub(super) async fn near_item(context: RequestContext) -> Answer {
    let list = lists::list_near_item(&context).await?;
    with_items(&context, list).await
}

/// Users near a user, as they are.
pub(super) async fn near_user(context: RequestContext) -> Answer {
    let list = lists::list_near_user(&context).await?;
    let users = context.block(move |_, index| {
        let mut users = Vec::with_capacity(list.len());
        for Scored { id, score } in list {
            let unknown = || User { user_id: id.clone(), ..User::default() };
            let row = index.tenant.user(&id)?.unwrap_or_else(unknown);
            users.push(Placed { row, score });
        }
        Ok(users)
    });
    Ok(HttpResponse::Ok().json(users.await?))
}

async fn with_items(context: &RequestContext, list: Vec<Scored>) -> Answer {
    let items = context.block(move |_, index| {
        let mut items = Vec::with_capacity(list.len());
        for Scored { id, score } in list {
            let Some(row) = index.tenant.item(&id)? else { continue };
            items.push(Placed { row, score });
        }
        Ok(items)
    });
    let items = items.await?;
    Ok(HttpResponse::Ok().insert_header(modified_now()).json(items))
}
