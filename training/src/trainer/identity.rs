//! What may not change when a run is resumed.

use serde_json::Value;

use super::Run;
use crate::{Error, Result};

/// Refuses to go on with settings that make it another run, and names what differs.
pub(super) fn same_run(before: &Value, run: &Run<'_>) -> Result<()> {
    let Some((key, before, now)) = difference("", before, &run.identity) else { return Ok(()) };
    let reason = format!(
        "this run was started with `{key}` = {before}, not {now}: put it back, or start a new run \
         in another folder"
    );
    Err(Error::Checkpoint { path: run.dir.into(), reason })
}

/// The first place where two objects differ, such as `model.d_model`, and what stands there.
fn difference<'v>(
    path: &str,
    a: &'v Value,
    b: &'v Value,
) -> Option<(String, &'v Value, &'v Value)> {
    match (a, b) {
        (Value::Object(left), Value::Object(right)) => {
            let keys = left.keys().chain(right.keys());
            let mut pairs = keys.map(|key| (key, &a[key.as_str()], &b[key.as_str()]));
            pairs.find_map(|(key, a, b)| {
                let dot = if path.is_empty() { "" } else { "." };
                difference(&format!("{path}{dot}{key}"), a, b)
            })
        }
        _ => (a != b).then(|| (path.to_string(), a, b)),
    }
}
