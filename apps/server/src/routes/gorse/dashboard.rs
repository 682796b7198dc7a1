//! What Gorse's dashboard and its old clients ask of a server.

use actix_web::HttpResponse;
use serde::Serialize;

use super::{reply::Answer, visitor::Visitor};

/// Counts of a tenant.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Stats {
    binary_version: &'static str,
    num_servers: usize,
    num_workers: usize,
    num_users: usize,
    num_items: usize,
    num_feedback: usize,
}

/// A category and how many items it has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Category {
    name: String,
    count: usize,
}

/// Counts users, items and events.
pub(super) async fn stats(visitor: Visitor) -> Answer {
    let stats = visitor.block(|_, shop| {
        Ok(Stats {
            binary_version: env!("CARGO_PKG_VERSION"),
            num_servers: 1,
            num_workers: 0,
            num_users: shop.tenant.user_ids("").count(),
            num_items: shop.catalogue().entries().iter().filter(|entry| entry.is_shown).count(),
            num_feedback: shop.tenant.events().count(),
        })
    });
    Ok(HttpResponse::Ok().json(stats.await?))
}

/// Lists the categories of the items that are shown.
pub(super) async fn categories(visitor: Visitor) -> Answer {
    let counts = visitor.block(|_, shop| Ok(shop.catalogue().categories())).await?;
    let category = |(name, count)| Category { name, count };
    Ok(HttpResponse::Ok().json(counts.into_iter().map(category).collect::<Vec<_>>()))
}

/// Lists the types of feedback that there are, which Gorse does not tell.
pub(super) async fn feedback_types(visitor: Visitor) -> Answer {
    let types = visitor.block(|_, shop| Ok(shop.tenant.feedback_types()?));
    Ok(HttpResponse::Ok().json(types.await?))
}

/// Measurements of version 0.4, of which there are none: `/metrics` has ours.
pub(super) async fn measurements(_visitor: Visitor) -> Answer {
    Ok(HttpResponse::Ok().json(Vec::<()>::new()))
}
