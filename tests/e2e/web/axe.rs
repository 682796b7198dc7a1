//! Accessibility, as axe-core measures it.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::page::Page;

/// Where `tests/run` puts axe-core.
const SCRIPT: &str = "../.venv/node/node_modules/axe-core/axe.min.js";

/// The script of axe-core, if it is installed.
pub(super) fn script() -> Result<Option<String>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(SCRIPT);
    Ok(path.exists().then(|| fs_err::read_to_string(path)).transpose()?)
}

/// Checks the page as it is now: no rule of axe-core is violated.
pub(super) async fn check(page: &Page, script: &str, what: &str) -> Result<()> {
    page.eval(&format!("if (!window.axe) {{ {script} }}")).await?;
    let run = "const done = arguments[0];
        axe.run(document).then(({ violations }) => done(violations.map(({ id, nodes }) =>
            `${id}: ${nodes.slice(0, 3).map(({ target }) => target.join(' ')).join(', ')}`)))";
    let found = page.client.execute_async(run, vec![]).await.context("running axe-core")?;
    let found = found.as_array().context("axe-core lists violations")?;
    ensure!(found.is_empty(), "{what}: {}", Value::from(found.clone()));
    Ok(())
}
