//! What a stop, a kill or a second command at the same time leaves behind.

use std::{
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use dragoman_e2e::{Dragoman, binary, model};

use super::corpora::add;

/// Lines about steps in the log of a run.
fn steps(work: &Path) -> usize {
    let log = fs_err::read_to_string(work.join("run/log.jsonl")).unwrap_or_default();
    log.matches("\"event\":\"step\"").count()
}

/// Waits until a run has made more steps than `before`, of a run that ended.
fn wait_for_steps(work: &Path, before: usize) -> Result<()> {
    let started = Instant::now();
    while steps(work) <= before {
        ensure!(started.elapsed() < Duration::from_secs(120), "no step was made");
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Kills, then stops, what `command` starts in `work` after some steps.
pub(super) fn kills(work: &Path, command: &impl Fn() -> Result<Dragoman>) -> Result<()> {
    for name in ["KILL", "INT"] {
        let before = steps(work);
        let child = command()?.spawn()?;
        wait_for_steps(work, before)?;
        binary::signal(&child, name)?;
        let finished = binary::finish(child)?;
        let said = String::from_utf8_lossy(&finished.stdout).into_owned();
        let is_told = said.contains("the model is as it was");
        ensure!(is_told || name == "KILL", "{said}\n{}", finished.stderr);
    }
    Ok(())
}

fn check(model: &Path) -> Result<String> {
    Dragoman::new(["model", "check", "--model"])?.args([model]).stdout()
}

#[test]
fn a_stopped_or_killed_add_leaves_the_model_as_it_was_and_goes_on() -> Result<()> {
    let work = tempfile::tempdir()?;
    let model = work.path().join("model");
    model::copy(&model)?;
    let register = fs_err::read(model.join("experts.json"))?;
    let same = || anyhow::Ok(fs_err::read(model.join("experts.json"))? == register);
    let command = || add(&model, work.path(), &["--steps", "200", "--max-drop", "100"]);

    for name in ["KILL", "INT"] {
        let before = steps(work.path());
        let child = command()?.spawn()?;
        wait_for_steps(work.path(), before)?;
        // Whoever comes second is told so.
        let error = command()?.failure()?;
        assert!(error.contains("another command changes this model"), "{error}");
        binary::signal(&child, name)?;
        let finished = binary::finish(child)?;
        assert!(same()?, "after {name}");
        assert!(check(&model)?.contains("every file is whole"), "after {name}");
        if name == "INT" {
            let said = String::from_utf8_lossy(&finished.stdout).into_owned();
            assert!(said.contains("the model is as it was"), "{said}\n{}", finished.stderr);
        }
    }
    let finished = command()?.run()?;
    let said = String::from_utf8_lossy(&finished.stdout).into_owned();
    assert!(said.contains("added `domain.house`"), "{said}\n{}", finished.stderr);
    assert!(!same()? && check(&model)?.contains("every file is whole"));
    Ok(())
}
