//! The texts of the interface, without a browser.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};
use dragoman_e2e::skip::skip_unless_ci;

/// `strings.mjs` beside this file says what is checked.
#[test]
fn every_language_of_the_interface_has_the_same_texts() -> Result<()> {
    if Command::new("node").arg("--version").output().is_err() {
        return skip_unless_ci("strings", "there is no Node.js; `tests/run` installs it");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/web/strings.mjs");
    let output = Command::new("node").arg(script).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
