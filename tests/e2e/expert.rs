//! `dragoman expert`: a model learns something new, and nothing else changes.

mod bad;
pub(crate) mod corpora;
mod language;
mod life;
mod living;
mod retrieval;
mod segment;
mod smaller;
mod stopped;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use dragoman_e2e::{
    Dragoman,
    model::{self, SENTENCES},
};
use serde_json::Value;

use corpora::{add, house};

/// Every file of a model but the register, by its place in the folder, with its content.
fn files(model: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for folder in [model.to_path_buf(), model.join("experts")] {
        for entry in fs_err::read_dir(folder)? {
            let path = entry?.path();
            let is_other = path.file_name().is_none_or(|name| name != "experts.json");
            if path.is_file() && is_other {
                files.insert(path.strip_prefix(model)?.to_path_buf(), fs_err::read(&path)?);
            }
        }
    }
    Ok(files)
}

/// All that a model says to sentences it knows, in each direction, with log-probabilities.
fn outputs(model: &Path, threads: &str, more: &[&str]) -> Result<Vec<String>> {
    let directions = [("en", "de", 0), ("en", "fr", 0), ("de", "en", 1), ("fr", "en", 2)];
    let mut found = Vec::new();
    for (from, to, column) in directions {
        let lines: String = SENTENCES.iter().map(|row| format!("{}\n", row[column])).collect();
        let args = ["translate", "--json", "--alternatives", "1", "--from", from, "--to", to];
        let command = Dragoman::new(args)?.args(["--model".as_ref(), model.as_os_str()]).args(more);
        found.push(command.env("RAYON_NUM_THREADS", threads).stdin(lines).stdout()?);
    }
    Ok(found)
}

fn translated(model: &Path, args: &[&str]) -> Result<String> {
    let command = Dragoman::new(["translate"])?.args(args);
    Ok(command.args(["--model".as_ref(), model.as_os_str()]).stdout()?.trim_end().to_string())
}

fn expert(verb: &str, args: &[&str], model: &Path) -> Result<Dragoman> {
    let command = Dragoman::new(["expert", verb])?.args(args);
    Ok(command.args(["--model".as_ref(), model.as_os_str()]))
}

#[test]
fn a_domain_is_added_and_nothing_else_changes() -> Result<()> {
    let (old, learned) = (model::dir()?, corpora::learned()?);
    let work = tempfile::tempdir()?;
    let model = work.path().join("model");
    copy(&learned.join("model"), &model)?;
    let (old_files, old_register) = (files(&old)?, fs_err::read(old.join("experts.json"))?);
    let new_files = files(&model)?;
    for (path, content) in &old_files {
        assert!(new_files.get(path) == Some(content), "{} is as it was", path.display());
    }
    let before = outputs(&old, "2", &[])?;
    for threads in ["1", "2"] {
        assert!(outputs(&model, threads, &[])? == before, "old routes, {threads} threads");
    }
    let english = "The train is late.";
    let answer =
        |more: &[&str]| translated(&model, &[&["--from", "en", "--to", "de"], more].concat());
    assert_eq!(answer(&[english])?, "Der Zug hat Verspätung.");
    assert_ne!(answer(&["--domain", "house", english])?, "Der Zug hat Verspätung.");
    assert!(answer(&["--json", "--trace", "--domain", "house", english])?.contains("domain.house"));

    let shown = expert("show", &["domain.house"], &model)?.stdout()?;
    let shown: Value = serde_json::from_str(&shown)?;
    assert_eq!(shown["trained_on"][0]["licence"], "written for this test");
    let score = |name: &str| shown["metrics"][name].as_f64().context(name.to_string());
    assert!(score("chrF++ en-de house")? > score("chrF++ en-de house before")? + 1.0, "{shown}");
    let report = fs_err::read_to_string(learned.join("run/report.html"))?;
    assert!(report.contains("chrF++ with and without the expert"), "the report has the scores");
    assert!(expert("list", &[], &model)?.stdout()?.contains("domains house"));

    // What one route needs is a model of its own.
    let (alone, dir) = (work.path().join("alone"), work.path().join("alone").display().to_string());
    expert("extract", &[&dir, "--route", "en-de+house"], &model)?.stdout()?;
    let lines: String = SENTENCES.iter().map(|row| format!("{}\n", row[0])).collect();
    let all = |model: &Path| -> Result<String> {
        let args = ["translate", "--json", "--from", "en", "--to", "de", "--domain", "house"];
        let command = Dragoman::new(args)?.args(["--model".as_ref(), model.as_os_str()]);
        command.stdin(lines.clone()).stdout()
    };
    assert_eq!(all(&alone)?, all(&model)?);
    let error = expert("extract", &[&dir, "--route", "en-de"], &model)?.failure()?;
    assert!(error.contains("already"), "{error}");

    // Another name for it, and away with it: all is as it was.
    expert("rename", &["domain.house", "domain.home"], &model)?.stdout()?;
    assert_ne!(answer(&["--domain", "home", english])?, "Der Zug hat Verspätung.");
    expert("remove", &["domain.home"], &model)?.stdout()?;
    assert!(files(&model)?.keys().all(|path| old_files.contains_key(path) || is_lock(path)));
    let register: Value = serde_json::from_slice(&fs_err::read(model.join("experts.json"))?)?;
    assert_eq!(register, serde_json::from_slice::<Value>(&old_register)?);
    assert_eq!(outputs(&model, "2", &[])?, before);
    Ok(())
}

/// Copies a model.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs_err::create_dir_all(to.join("experts"))?;
    for (path, content) in files(from)? {
        fs_err::write(to.join(path), content)?;
    }
    fs_err::copy(from.join("experts.json"), to.join("experts.json"))?;
    Ok(())
}

fn is_lock(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == ".lock")
}

#[test]
fn a_low_rank_expert_learns_too_and_a_detector_knows_its_texts() -> Result<()> {
    let work = tempfile::tempdir()?;
    let model = work.path().join("model");
    model::copy(&model)?;
    let general = corpora::general(work.path())?.display().to_string();
    let args = ["--steps", "40", "--lora", "8", "--max-drop", "100", "--general", &general];
    add(&model, work.path(), &args)?.stdout()?;
    let shown: Value = serde_json::from_str(&expert("show", &["domain.house"], &model)?.stdout()?)?;
    assert_eq!((&shown["lora"], &shown["parent"]), (&8.into(), &"shared".into()), "{shown}");
    let (own, _) = &house()[7];
    let json = |text: &str| -> Result<Value> {
        let args = ["--from", "en", "--to", "de", "--json", "--domain", "auto", text];
        Ok(serde_json::from_str(&translated(&model, &args)?)?)
    };
    assert_eq!(json(own)?["domain"], "house", "{own}");
    let other = json("They gave a concert for violin and piano.")?;
    assert!(other.get("domain").is_none(), "{other}");
    Ok(())
}
