//! `dragoman expert add segment.NAME`: a group of users gets an expert of its own.

use std::path::{Path, PathBuf};

use anyhow::Result;
use dragoman_e2e::{Dragoman, Options, TestApp};
use serde_json::Value;

use super::{expert, stopped};

/// A model that learns in seconds, and little.
const CONFIG: &str = r#"
batch_users = 16
choose_scorers = false
[model]
d_model = 16
d_ff = 16
max_history = 20
[segments]
d_ff = 4
[run.budget]
steps = 20
[run.evaluate]
steps = 20
"#;

/// A model of a generated shop in `dir`, and the store of the shop.
fn trained(dir: &Path) -> Result<(PathBuf, String)> {
    let store = dir.join("store");
    let demo = ["demo", "recommend", "--users", "120", "--items", "60", "--store"];
    Dragoman::new(demo)?.args([&store]).stdout()?;
    let config = dir.join("config.toml");
    fs_err::write(&config, CONFIG)?;
    let train = ["train", "recommendation", "--protocol", "time", "--quiet"];
    Dragoman::new(train)?
        .args(["--config".as_ref(), config.as_os_str()])
        .args(["--from-store".as_ref(), store.as_os_str()])
        .args(["--out".as_ref(), dir.join("shop").as_os_str()])
        .stdout()?;
    Ok((dir.join("shop/model"), store.display().to_string()))
}

#[tokio::test]
async fn a_group_of_users_gets_an_expert_and_a_server_takes_it_up() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (model, store) = trained(dir.path())?;
    let work = dir.path().join("run").display().to_string();
    let add = |args: &[&str]| {
        let rest = ["--from-store", &store, "--max-drop", "100", "--quiet", "--work", &work];
        expert("add", &[&["segment.lead"][..], args, &rest].concat(), &model)
    };
    let said = add(&["--rule", "events >= 30", "--steps", "8"])?.stdout()?;
    assert!(said.contains("added `segment.lead`") && said.contains("served NDCG@10"), "{said}");
    let listed = expert("list", &[], &model)?.stdout()?;
    assert!(listed.contains("; events >= 30"), "{listed}");

    let options = Options { store: Some(dir.path().join("store")), ..Options::default() };
    let app = TestApp::start(options.arg("--model").arg(model.to_string_lossy())).await?;
    let experts: Value = app.get("/experts").send().await?.json().await?;
    let own = |one: &&Value| one["name"] == "segment.lead" && one["model"] == "recommendation";
    let found = experts.as_array().into_iter().flatten().find(own).cloned().unwrap_or_default();
    assert_eq!(found["rule"], "events >= 30", "{experts}");
    let mut groups = [0, 0];
    for user in 0..120 {
        let path = format!("/api/recommend/u{user:04}?n=1&explain=true");
        let list: Value = app.get(&path).send().await?.json().await?;
        let segments = list["Segments"].as_array().cloned().unwrap_or_default();
        assert_eq!(segments.len(), 4, "{list}");
        groups[usize::from(segments.iter().any(|one| one["Name"] == "segment.lead"))] += 1;
    }
    assert!(groups[0] > 20 && groups[1] > 20, "without and with the expert: {groups:?}");
    drop(app);

    expert("rename", &["segment.lead", "segment.many"], &model)?.stdout()?;
    assert!(expert("show", &["segment.many"], &model)?.stdout()?.contains("\"parent\""));
    expert("remove", &["segment.many"], &model)?.stdout()?;
    assert!(!expert("list", &[], &model)?.stdout()?.contains("events >= 30"));
    Ok(())
}

#[test]
fn mistakes_are_named_and_a_kill_leaves_the_model_as_it_was() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (model, store) = trained(dir.path())?;
    let register = fs_err::read(model.join("experts.json"))?;
    let work = dir.path().join("run").display().to_string();
    for (name, args, part) in [
        ("segment.x", &["--from-store", &store][..], "--rule"),
        ("segment.x", &["--rule", "events >= 5"], "--data"),
        ("segment.x", &["--rule", "evnts >= 5", "--from-store", &store], "`evnts`"),
        ("segment.x", &["--rule", "events > 9999", "--from-store", &store], "matches 0 of 120"),
        ("segment.x", &["--rule", "events > 5", "--from-store", &store, "--lora", "2"], "--lora"),
        ("domain.x", &["--rule", "events > 5", "--data", "x.tsv"], "groups of users"),
        ("domain.x", &["--data", "x.tsv"], "not of a model that translates"),
    ] {
        let args = [&[name][..], args, &["--steps", "2", "--quiet", "--work", &work]].concat();
        let error = expert("add", &args, &model)?.failure()?;
        assert!(error.contains(part), "{args:?}: {error}");
        assert_eq!(fs_err::read(model.join("experts.json"))?, register, "{args:?}");
    }
    let add = || {
        let rule = ["segment.x", "--rule", "events >= 30", "--from-store", &store, "--quiet"];
        let bounds = ["--steps", "100000", "--max-drop", "100", "--work", &work];
        expert("add", &[&rule[..], &bounds].concat(), &model)
    };
    stopped::kills(dir.path(), &add)?;
    assert_eq!(fs_err::read(model.join("experts.json"))?, register);
    let whole = Dragoman::new(["model", "check", "--model"])?.args([&model]).stdout()?;
    assert!(whole.contains("every file is whole"), "{whole}");
    Ok(())
}
