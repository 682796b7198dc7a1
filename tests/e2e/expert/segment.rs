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
async fn a_group_of_users_gets_an_expert_and_a_server_recommends_by_it() -> Result<()> {
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

#[tokio::test]
async fn a_tenant_is_served_by_the_catalogue_of_its_name() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (model, store) = trained(dir.path())?;
    let demo = ["demo", "recommend", "--users", "80", "--items", "40", "--seed", "2"];
    Dragoman::new(["store", "add-tenant", "books", "--store", &store])?.stdout()?;
    Dragoman::new(demo)?.args(["--tenant", "books", "--store", &store]).stdout()?;
    let work = dir.path().join("run").display().to_string();
    let add =
        ["--tenant", "books", "--steps", "10", "--max-drop", "100", "--quiet", "--work", &work];
    let add = [&["catalogue.books", "--from-store", &store][..], &add].concat();
    let said = expert("add", &add, &model)?.stdout()?;
    assert!(said.contains("added `catalogue.books`: 40 items"), "{said}");
    assert!(expert("list", &[], &model)?.stdout()?.contains("catalogue.books"));
    let whole = Dragoman::new(["model", "check", "--model"])?.args([&model]).stdout()?;
    assert!(whole.contains("5 experts, 2 routes"), "{whole}");

    // What the model is asked about is a log of the catalogue.
    let shop = Dragoman::new(demo)?.args(["--print"]).stdout()?;
    let data = dir.path().join("events.jsonl");
    let events = shop.lines().filter(|line| line.contains("FeedbackType"));
    fs_err::write(&data, events.map(|line| format!("{line}\n")).collect::<String>())?;
    let evaluate = ["evaluate", "recommendation", "--no-baselines", "--resamples", "1"];
    let evaluate =
        || Ok::<_, anyhow::Error>(Dragoman::new(evaluate)?.args(["--data"]).args([&data]));
    let with = |name: &str| {
        let command = evaluate()?.args(["--catalogue", name]);
        Ok::<_, anyhow::Error>(command.args(["--model".as_ref(), model.as_os_str()]))
    };
    assert!(with("books")?.stdout()?.contains("NDCG@10"));
    let error = with("films")?.failure()?;
    assert!(error.contains("`films`") && error.contains("books"), "{error}");

    // A tenant of a name answers whoever has its key.
    let key = ["store", "add-key", "--tenant", "books", "--store", &store];
    let key = Dragoman::new(key)?.stdout()?.trim().to_owned();
    let options = Options { store: Some(dir.path().join("store")), ..Options::default() };
    let app = TestApp::start(options.arg("--model").arg(model.to_string_lossy())).await?;
    for (api, segments) in [("/api", 4), ("/t/books/api", 5)] {
        let path = format!("{api}/recommend/u0010?n=3&explain=true");
        let mut list = Value::Null;
        for _ in 0..100 {
            let request = app.get(&path);
            let request = match api {
                "/api" => request,
                _ => request.header("X-API-Key", &key),
            };
            list = request.send().await?.json().await?;
            if list["Segments"].as_array().is_some_and(|segments| !segments.is_empty()) {
                break; // the first request of a tenant joins its items to the model
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(list["Segments"].as_array().map(Vec::len), Some(segments), "{api}: {list}");
        assert_eq!(list["Items"].as_array().map(Vec::len), Some(3), "{api}: {list}");
    }
    let experts: Value = app.get("/experts").send().await?.json().await?;
    let own = |one: &&Value| one["model"] == "recommendation";
    assert_eq!(experts.as_array().into_iter().flatten().filter(own).count(), 5, "{experts}");
    Ok(())
}
