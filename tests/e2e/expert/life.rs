//! The life of an expert: looked at before it is trained, taught more, undone, carried to another copy.

use std::path::Path;

use anyhow::Result;
use dragoman_e2e::{Dragoman, model};
use serde_json::Value;

use super::{copy, corpora, expert, outputs, translated};

#[test]
fn a_dry_run_says_what_would_be_trained_and_changes_nothing() -> Result<()> {
    let work = tempfile::tempdir()?;
    let model = work.path().join("model");
    model::copy(&model)?;
    let register = fs_err::read(model.join("experts.json"))?;
    let said = corpora::add(&model, work.path(), &["--steps", "50", "--dry-run"])?.stdout()?;
    for part in ["would learn en-de", "s a step", "weights", "the model is as it was"] {
        assert!(said.contains(part), "`{part}` in {said}");
    }
    assert_eq!(fs_err::read(model.join("experts.json"))?, register);
    Ok(())
}

#[test]
fn a_domain_is_exported_imported_updated_and_all_of_it_undone() -> Result<()> {
    let learned = corpora::learned()?;
    let work = tempfile::tempdir()?;
    let path = |name: &str| work.path().join(name);
    let (teacher, other) = (path("teacher"), path("other"));
    copy(&learned.join("model"), &teacher)?;
    model::copy(&other)?;
    let fresh = outputs(&other, "2", &[])?;

    let file = path("house.expert").display().to_string();
    expert("export", &["domain.house", &file], &teacher)?.stdout()?;
    let said = expert("import", &[&file], &other)?.stdout()?;
    assert!(said.contains("domain.house") && said.contains("written for this test"), "{said}");
    let lines: String =
        corpora::house().iter().map(|(english, _)| format!("{english}\n")).collect();
    let house = |model: &Path| -> Result<String> {
        let args = ["translate", "--json", "--from", "en", "--to", "de", "--domain", "house"];
        let command = Dragoman::new(args)?.args(["--model".as_ref(), model.as_os_str()]);
        command.stdin(lines.clone()).stdout()
    };
    assert_eq!(house(&other)?, house(&teacher)?, "it says what it said");
    assert_eq!(outputs(&other, "2", &[])?, fresh, "old routes are as they were");
    let error = expert("import", &[&file], &other)?.failure()?;
    assert!(error.contains("already"), "{error}");

    // Another model has other shared weights.
    let stranger = path("stranger");
    model::copy(&stranger)?;
    let register = fs_err::read_to_string(stranger.join("experts.json"))?;
    let mut register: Value = serde_json::from_str(&register)?;
    register["shared_sha256"] = "0".repeat(64).into();
    fs_err::write(stranger.join("experts.json"), register.to_string())?;
    let error = expert("import", &[&file], &stranger)?.failure()?;
    assert!(error.contains("trained for another model"), "{error}");
    let mut bytes = fs_err::read(&file)?;
    let last = bytes.len() - 5;
    bytes[last] ^= 0x55;
    fs_err::write(path("bad.expert"), bytes)?;
    let bad = path("bad.expert").display().to_string();
    let empty = path("empty");
    model::copy(&empty)?;
    assert!(expert("import", &[&bad], &empty)?.failure()?.contains("damaged"));

    // More of the same: it goes on from its weights, and has learned from both.
    let before = house(&other)?;
    let data = corpora::write(work.path(), "en-de.more", &corpora::house()[20..])?;
    let (data, run) = (data.display().to_string(), path("run").display().to_string());
    let args = ["domain.house", "--data", &data, "--work", &run, "--steps", "20", "--quiet"];
    let args = [&args[..], &["--max-drop", "20", "--learning-rate", "1e-3"]].concat();
    let said = expert("update", &args, &other)?.stdout()?;
    assert!(said.contains("updated `domain.house`"), "{said}");
    let shown = expert("show", &["domain.house"], &other)?.stdout()?;
    let shown: Value = serde_json::from_str(&shown)?;
    assert_eq!(shown["trained_on"].as_array().map(Vec::len), Some(2), "{shown}");
    assert!(shown["detector"].is_number(), "its detector stays: {shown}");
    assert_ne!(house(&other)?, before, "the weights moved");
    assert_eq!(outputs(&other, "2", &[])?, fresh, "old routes are as they were");
    let missing = ["domain.garden", "--data", &data, "--work", &run];
    let error = expert("update", &missing, &other)?.failure()?;
    assert!(error.contains("no domain") && error.contains("domain.house"), "{error}");

    let said = expert("undo", &[], &other)?.stdout()?;
    assert!(said.contains("domain.house"), "{said}");
    assert_eq!(house(&other)?, before, "the update is undone");
    expert("undo", &[], &other)?.stdout()?;
    assert!(!expert("list", &[], &other)?.stdout()?.contains("domain.house"), "so is the import");
    assert!(expert("undo", &[], &other)?.failure()?.contains("no change to undo"));
    let error = expert("rename", &["pair.en-de", "pair.en-da"], &other)?.failure()?;
    assert!(error.contains("which languages"), "{error}");
    Ok(())
}

#[test]
fn merging_two_domains_is_judged_with_the_domains_on() -> Result<()> {
    let learned = corpora::learned()?;
    let work = tempfile::tempdir()?;
    let model = work.path().join("model");
    copy(&learned.join("model"), &model)?;
    // A second domain of the same shape that has learned nonsense: other sentences' translations.
    let house = corpora::house();
    let other = house.iter().cycle().skip(17);
    let wrong: Vec<_> = house.iter().zip(other).map(|(a, b)| (a.0.clone(), b.1.clone())).collect();
    let data = corpora::write(work.path(), "en-de.wrong", &wrong)?.display().to_string();
    let run = work.path().join("run").display().to_string();
    let args = ["domain.wrong", "--data", &data, "--work", &run, "--steps", "60", "--quiet"];
    let args = [&args[..], &["--pairs", "en-de", "--width", "128", "--max-drop", "100"]].concat();
    expert("add", &args, &model)?.stdout()?;
    let dev = corpora::write(work.path(), "en-de", &house)?.display().to_string();
    let args = ["domain.house", "domain.wrong", "--dev", &dev, "--max-drop=-100"];
    let error = expert("merge", &args, &model)?.failure()?;
    let number = |after: &str| -> Option<f64> {
        let rest = &error[error.find(after)? + after.len()..];
        rest.split([' ', ';']).next()?.parse().ok()
    };
    let (before, after) = (number("fall from "), number(" to "));
    assert!(before > Some(1.0) && before != after, "{error}");
    Ok(())
}

#[test]
fn both_directions_of_a_language_come_in_one_command() -> Result<()> {
    let work = tempfile::tempdir()?;
    let model = work.path().join("model");
    model::copy(&model)?;
    let before = outputs(&model, "2", &[])?;
    let data = corpora::write(work.path(), "en-it", &corpora::italian())?.display().to_string();
    let run = work.path().join("run").display().to_string();
    let args = ["language.it", "--data", &data, "--work", &run, "--steps", "60", "--quiet"];
    let said = expert("add", &[&args[..], &["--max-drop", "100"]].concat(), &model)?.stdout()?;
    assert!(said.contains("`pair.en-it`") && said.contains("`pair.it-en`"), "{said}");
    for (from, to, text) in [("en", "it", "Where is the key?"), ("it", "en", "Dov'è la chiave?")] {
        translated(&model, &["--from", from, "--to", to, text])?;
    }
    assert_eq!(outputs(&model, "1", &[])?, before, "old routes are as they were");
    let error = expert("add", &args, &model)?.failure()?;
    assert!(error.contains("nothing to add"), "{error}");
    Ok(())
}
