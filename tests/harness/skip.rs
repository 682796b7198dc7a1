//! Says which tests could not run here.

use std::io::Write;

/// Notes that `test` does not run, and why, where the summary of `tests/run` finds it.
///
/// Written past the test framework, which would swallow it: a test that did not run should not
/// look like one that passed.
pub fn skip(test: &str, reason: &str) {
    let line = format!("skipped: {test}: {reason}\n");
    let _ = std::io::stderr().lock().write_all(line.as_bytes()); // there is nobody else to tell
}

/// Notes that `test` does not run for want of a tool; under `CI` that is an error instead.
pub fn skip_unless_ci(test: &str, reason: &str) -> anyhow::Result<()> {
    let is_ci = std::env::var("CI").is_ok_and(|value| !matches!(&*value, "" | "0" | "false"));
    anyhow::ensure!(!is_ci, "{test} cannot run: {reason}");
    skip(test, reason);
    Ok(())
}
