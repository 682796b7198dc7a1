//! `/v2/usage`

use actix_web::web;
use serde_json::json;

use super::{
    call::Call,
    reply::{Answer, ok},
};
use crate::telemetry::block;

/// The limit that clients are told: they take a count that reaches it for the end.
const NO_LIMIT: u64 = 1_000_000_000_000;

/// How many characters were translated with the caller's key.
pub(super) async fn usage(call: Call, payload: web::Payload) -> Answer {
    let (_, caller) = call.open(payload).await?;
    let store = call.store.clone();
    let count = block(move || store.usage(&caller.owner)).await??;
    ok(json!({
        "character_count": count,
        "character_limit": NO_LIMIT.max(2 * count),
    }))
}
