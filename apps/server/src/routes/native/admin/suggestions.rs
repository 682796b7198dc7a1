//! `/admin/suggestions`: what users suggested, for the keeper of the server to decide about.

use actix_web::{HttpResponse, web};
use dragoman_store::{MemoryOf, Status, Store, Suggestion};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use crate::{
    error::ServiceError,
    routes::native::reply::Answer,
    service::{is_auto, remember},
    telemetry::block,
};

/// Rows of an answer where none are asked for, and the most that can be.
const DEFAULT_ROWS: usize = 50;
const MAX_ROWS: usize = 1000;

/// Which suggestions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Which {
    /// Those with this status alone.
    status: Option<Status>,
    /// Those that came before this one.
    before: Option<u64>,
    /// So many at most.
    limit: Option<usize>,
}

/// What was decided.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    status: Status,
}

/// Lists suggestions, the newest first, and counts all by status.
pub(in super::super) async fn list(admin: Admin, which: web::Query<Which>) -> Answer {
    let store = admin.tools.store.clone();
    let Which { status, before, limit } = which.into_inner();
    let limit = limit.unwrap_or(DEFAULT_ROWS).min(MAX_ROWS);
    let listed = move || -> Result<Value, dragoman_store::Error> {
        let mut counts = [0usize; 3];
        let mut rows: std::collections::VecDeque<Suggestion> = Default::default();
        for row in store.suggestions() {
            let row = row?;
            counts[row.status as usize] += 1;
            let is_asked = status.is_none_or(|status| status == row.status)
                && before.is_none_or(|before| row.at < before);
            if is_asked {
                rows.push_back(row);
            }
            if rows.len() > limit {
                rows.pop_front();
            }
        }
        let rows: Vec<Value> = rows.into_iter().rev().map(written).collect();
        let [pending, approved, rejected] = counts;
        let counts = json!({ "pending": pending, "approved": approved, "rejected": rejected });
        Ok(json!({ "suggestions": rows, "counts": counts }))
    };
    Ok(HttpResponse::Ok().json(block(listed).await??))
}

/// Approves or rejects a suggestion, or leaves it open again.
pub(in super::super) async fn judge(
    admin: Admin,
    id: web::Path<String>,
    payload: web::Payload,
) -> Answer {
    let Decision { status } = admin.json(payload).await?;
    let (store, id) = (admin.tools.store.clone(), number(&id)?);
    let judged = block(move || judged(&store, id, status)).await??;
    let judged = judged.ok_or_else(|| unknown(id))?;
    Ok(HttpResponse::Ok().json(written(judged)))
}

/// Notes the decision; what is approved is in the memory that all share, and what is not is not.
fn judged(
    store: &Store,
    id: u64,
    status: Status,
) -> Result<Option<Suggestion>, dragoman_store::Error> {
    let Some(suggestion) = store.judge_suggestion(id, status)? else { return Ok(None) };
    let Suggestion { q, s, source, target, .. } = &suggestion;
    let of = MemoryOf { owner: "", source, target };
    if suggestion.domain.is_none() && !is_auto(source) {
        match status {
            Status::Approved => remember(store, "", &suggestion)?,
            _ if store.recall_exact(of, q)?.as_deref() == Some(s.trim()) => {
                store.forget_unit(of, q)?;
            }
            _ => {}
        }
    }
    Ok(Some(suggestion))
}

/// Forgets a suggestion.
pub(in super::super) async fn remove(admin: Admin, id: web::Path<String>) -> Answer {
    let (store, id) = (admin.tools.store.clone(), number(&id)?);
    let was_there = block(move || store.remove_suggestion(id)).await??;
    Ok(HttpResponse::Ok().json(json!({ "removed": was_there })))
}

fn number(id: &str) -> Result<u64, ServiceError> {
    id.parse().map_err(|_| ServiceError::invalid(format!("`{id}` is no id of a suggestion")))
}

fn unknown(id: u64) -> ServiceError {
    let reason = format!("there is no suggestion {id}: GET /admin/suggestions lists them");
    ServiceError::Unknown(reason)
}

/// A suggestion with the time it came, which is its id.
fn written(suggestion: Suggestion) -> Value {
    let (id, status) = (suggestion.at, suggestion.status);
    let mut row = serde_json::to_value(suggestion).expect("strings and numbers are JSON");
    if let Some(row) = row.as_object_mut() {
        row.shift_remove("at");
        row.insert("id".into(), id.into());
        row.insert("status".into(), json!(status));
    }
    row
}
