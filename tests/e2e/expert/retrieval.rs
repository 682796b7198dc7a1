//! `dragoman expert add memory.…`: texts that are looked up at every token.

use anyhow::{Context, Result};
use dragoman_e2e::model;
use serde_json::Value;

use super::{corpora, expert, files, is_lock, outputs, translated};

/// A few sentences as a desk wants them, one of which the model has learned otherwise.
const WANTED: [[&str; 2]; 8] = [
    ["The train is late.", "Die Bahn kommt heute nicht."],
    ["I read the book today.", "Das Buch lese ich heute."],
    ["Open the door!", "Bitte öffne die Tür!"],
    ["The cat is here.", "Hier ist die Katze."],
    ["We bake bread tomorrow.", "Morgen backen wir Brot."],
    ["My sister works in the garden.", "Meine Schwester arbeitet im Garten."],
    ["The soup is red.", "Rot ist die Suppe."],
    ["Where is my coat?", "Wo ist mein Mantel?"],
];

fn wanted() -> Vec<(String, String)> {
    WANTED.iter().map(|[source, target]| (source.to_string(), target.to_string())).collect()
}

#[test]
fn a_stored_sentence_comes_out_as_stored_and_nothing_else_changes() -> Result<()> {
    let work = tempfile::tempdir()?;
    let model = work.path().join("model");
    model::copy(&model)?;
    let (old_files, before) = (files(&model)?, outputs(&model, "2", &[])?);
    let register = |model: &std::path::Path| -> Result<Value> {
        Ok(serde_json::from_slice(&fs_err::read(model.join("experts.json"))?)?)
    };
    let old_register = register(&model)?;
    let data = corpora::write(work.path(), "en-de", &wanted())?.display().to_string();
    let general = corpora::general(work.path())?.display().to_string();
    let run = work.path().join("run").display().to_string();
    let args = ["memory.desk", "--pairs", "en-de", "--data", &data, "--licence", "our own"];
    let args = [&args[..], &["--work", &run]].concat();
    let told = expert("add", &args, &model)?.stdout()?;
    assert!(told.contains("en-de: 8 sentences"), "{told}");

    let answer = |more: &[&str], text: &str| {
        translated(&model, &[&["--from", "en", "--to", "de"], more, &[text]].concat())
    };
    for beam in ["1", "4"] {
        for [source, target] in WANTED {
            let found = answer(&["--domain", "desk", "--beam", beam], source)?;
            assert_eq!(found, target, "{source}, beam {beam}");
        }
    }
    assert_eq!(answer(&[], WANTED[0][0])?, "Der Zug hat Verspätung.");
    let traced = answer(&["--json", "--trace", "--domain", "desk"], WANTED[0][0])?;
    assert!(traced.contains("memory.desk"), "{traced}");
    for threads in ["1", "2"] {
        assert!(outputs(&model, threads, &[])? == before, "without the domain, {threads} threads");
    }
    for (path, content) in &old_files {
        assert!(files(&model)?.get(path) == Some(content), "{} is as it was", path.display());
    }

    let shown: Value = serde_json::from_str(&expert("show", &["memory.desk"], &model)?.stdout()?)?;
    assert_eq!((&shown["kind"], &shown["routes"]), (&"retrieval".into(), &["en-de"].into()));
    assert_eq!(shown["trained_on"][0]["licence"], "our own");
    assert!(shown["metrics"]["entries en-de"].as_f64().context("entries")? > 8.0, "{shown}");
    let error = expert("add", &args, &model)?.failure()?;
    assert!(error.contains("already"), "{error}");
    let other = ["--domain", "desk", "--from", "en", "--to", "fr", "Good morning."];
    let error = dragoman_e2e::Dragoman::new(["translate"])?
        .args(other)
        .args(["--model".as_ref(), model.as_os_str()])
        .failure()?;
    assert!(error.contains("en-de"), "{error}");

    // As one file it comes to another copy of the model, and to no other model.
    let file = work.path().join("desk.expert").display().to_string();
    expert("export", &["memory.desk", &file], &model)?.stdout()?;
    let theirs = work.path().join("theirs");
    model::copy(&theirs)?;
    expert("import", &[&file], &theirs)?.stdout()?;
    let same = ["--from", "en", "--to", "de", "--domain", "desk", WANTED[0][0]];
    assert_eq!(translated(&theirs, &same)?, WANTED[0][1]);
    let mut altered = register(&theirs)?;
    let last = altered["experts"].as_array().map_or(0, Vec::len) - 1;
    altered["experts"][last]["base"] = "0".repeat(64).into();
    fs_err::write(theirs.join("experts.json"), altered.to_string())?;
    let error = dragoman_e2e::Dragoman::new(["translate"])?
        .args(same)
        .args(["--model".as_ref(), theirs.as_os_str()])
        .failure()?;
    assert!(error.contains("states of another model"), "{error}");

    // Written in other numbers the model keeps it.
    let smaller = work.path().join("smaller");
    dragoman_e2e::Dragoman::new(["model", "export", "--weights", "int8", "--model"])?
        .args([&model, &smaller])
        .stdout()?;
    assert_eq!(translated(&smaller, &same)?, WANTED[0][1]);

    // With other texts there is a detector; and removed, all is as it was.
    expert("remove", &["memory.desk"], &model)?.stdout()?;
    assert!(files(&model)?.keys().all(|path| old_files.contains_key(path) || is_lock(path)));
    assert_eq!(register(&model)?, old_register);
    let house = corpora::write(work.path(), "en-de", &corpora::house())?.display().to_string();
    let args = ["memory.house", "--pairs", "en-de", "--data", &house, "--general", &general];
    expert("add", &[&args[..], &["--work", &run]].concat(), &model)?.stdout()?;
    let json = |text: &str| -> Result<Value> {
        Ok(serde_json::from_str(&answer(&["--json", "--domain", "auto"], text)?)?)
    };
    let (own, stored) = &corpora::house()[7];
    let found = json(own)?;
    assert_eq!(found["domain"], "house", "{found}");
    assert_eq!(answer(&["--domain", "auto"], own)?, *stored);
    let other = json("They gave a concert for violin and piano.")?;
    assert!(other.get("domain").is_none(), "{other}");
    expert("undo", &[], &model)?.stdout()?;
    assert_eq!(register(&model)?, old_register);
    Ok(())
}
