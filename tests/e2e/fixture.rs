//! The tests' own model.

use anyhow::Result;
use dragoman_e2e::model;

#[test]
fn the_tests_model_is_there() -> Result<()> {
    let dir = model::dir()?;
    assert!(dir.join("experts.json").exists(), "{}", dir.display());
    Ok(())
}
