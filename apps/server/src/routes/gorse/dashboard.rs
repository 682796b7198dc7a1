//! What Gorse's dashboard and its old clients ask of a server.

use actix_web::HttpResponse;
use serde::Serialize;

use super::{context::RequestContext, reply::Answer};

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

/// Counts users, items and feedback rows.
pub(super) async fn stats(context: RequestContext) -> Answer {
    let stats = context.block(|_, index| {
        Ok(Stats {
            binary_version: env!("CARGO_PKG_VERSION"),
            num_servers: 1,
            num_workers: 0,
            num_users: index.tenant.user_ids("").count(),
            num_items: index.items().entries().iter().filter(|entry| entry.is_shown).count(),
            num_feedback: index.tenant.count_feedback()?,
        })
    });
    Ok(HttpResponse::Ok().json(stats.await?))
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
