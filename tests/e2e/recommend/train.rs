//! From events to a model and back: `dragoman train recommendation --from-store`.

use std::path::Path;

use anyhow::{Result, ensure};
use dragoman_e2e::{Dragoman, Options, TestApp, model};
use serde_json::Value;

/// A model that learns in seconds, and little.
const CONFIG: &str = r#"
name = "tiny"
batch_users = 16

[model]
d_model = 16
num_heads = 2
num_layers = 1
d_ff = 16
max_history = 30

[segments]
d_ff = 4

[run.budget]
steps = STEPS

[run.evaluate]
steps = STEPS

[run.optimizer]
learning_rate = RATE
"#;

/// A command that trains on `place` with a budget of `steps`.
fn train(dir: &Path, place: &str, (steps, rate): (usize, &str)) -> Result<Dragoman> {
    let config = dir.join(format!("{steps}.toml"));
    fs_err::write(&config, CONFIG.replace("STEPS", &steps.to_string()).replace("RATE", rate))?;
    let out = dir.join(format!("run-{steps}"));
    let train = ["train", "recommendation", "--protocol", "time", "--quiet", "--from-store", place];
    Ok(Dragoman::new(train)?
        .args(["--config".as_ref(), config.as_os_str()])
        .args(["--out".as_ref(), out.as_os_str()])
        .args(["--replace".as_ref(), dir.join("model").as_os_str()]))
}

#[tokio::test]
async fn what_a_server_gathered_becomes_the_model_that_it_serves() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let store = dir.path().join("store");
    let demo = ["demo", "recommend", "--users", "60", "--items", "60", "--store"];
    Dragoman::new(demo)?.args([&store]).stdout()?;
    let folder = store.to_string_lossy().into_owned();
    train(dir.path(), &folder, (20, "3e-3"))?.stdout()?;

    let options = Options { store: Some(store), ..Options::default() };
    let recommender = dir.path().join("model").to_string_lossy().into_owned();
    let options = options.arg("--model").arg(&recommender).env("DRAGOMAN_ADMIN_KEY", "let me in");
    let app = TestApp::start(options).await?;
    let path = "/api/recommend/u0000?n=3&explain=true";
    let list: Value = app.get(path).send().await?.json().await?;
    let segments = list["Segments"].as_array().cloned().unwrap_or_default();
    let sum: f64 = segments.iter().filter_map(|one| one["Weight"].as_f64()).sum();
    assert_eq!(segments.len(), 4, "{list}");
    assert!((sum - 1.0).abs() < 1e-3, "the gate's weights sum to {sum}");
    assert_eq!(list["Items"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        app.translate("Good morning.", "en", "de").await?,
        "Guten Morgen.",
        "both are served"
    );

    // A server's store is read over its admin API, and only with the key.
    let refused = train(dir.path(), &app.url, (21, "3e-3"))?.failure()?;
    assert!(refused.contains("admin key"), "{refused}");
    let wild = train(dir.path(), &app.url, (22, "10.0"))?.args(["--admin-key", "let me in"]);
    let finished = wild.run()?; // a rate that spoils everything, but perhaps not enough
    let before = fs_err::read(dir.path().join("model/experts.json"))?;
    if finished.code != Some(0) {
        ensure!(
            finished.stderr.contains("worse") && finished.stderr.contains("--force"),
            "{}",
            finished.stderr
        );
        let forced = train(dir.path(), &app.url, (22, "10.0"))?.args([
            "--admin-key",
            "let me in",
            "--force",
        ]);
        forced.stdout()?;
    }
    let after = fs_err::read(dir.path().join("model/experts.json"))?;
    ensure!(before != after || finished.code == Some(0), "the forced model took the place");
    app.until_logged("took up the changed model").await?;
    let list: Value = app.get(path).send().await?.json().await?;
    assert_eq!(list["Items"].as_array().map(Vec::len), Some(3));
    Ok(())
}

#[tokio::test]
async fn a_server_trains_its_model_again_by_itself() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let store = dir.path().join("store");
    let demo = ["demo", "recommend", "--users", "60", "--items", "60", "--store"];
    Dragoman::new(demo)?.args([&store]).stdout()?;
    train(dir.path(), &store.to_string_lossy(), (5, "3e-3"))?.stdout()?;

    let model = dir.path().join("model").to_string_lossy().into_owned();
    let config = dir.path().join("5.toml").to_string_lossy().into_owned();
    let options = || {
        Options { store: Some(store.clone()), ..Options::default() }
            .arg("--model")
            .arg(&model)
            .arg("--retrain-every")
            .arg("2s")
            .arg("--retrain-config")
            .arg(&config)
    };
    let section = dir.path().join("settings.toml");
    fs_err::write(&section, "[training]\nevery = '1d'")?;
    let half = Options { store: Some(store.clone()), ..Options::default() };
    let half = half.arg("--model").arg(&model).arg("--config").arg(section.to_string_lossy());
    let refused = half.env("DRAGOMAN_ADMIN_KEY", "let me in").command(dir.path())?.failure()?;
    ensure!(refused.contains("retrain_config"), "{refused}");
    let refused = options().command(dir.path())?.failure()?;
    ensure!(refused.contains("DRAGOMAN_ADMIN_KEY"), "{refused}");
    let app = TestApp::start(options().env("DRAGOMAN_ADMIN_KEY", "let me in")).await?;
    app.until_logged("trained again").await?;
    app.until_logged("NDCG@10").await?; // of a model that took the place, and of one that is worse
    let tasks: Value = app.get("/api/dashboard/tasks").send().await?.json().await?;
    let ended = tasks.as_array().into_iter().flatten().find(|task| task["Status"] != "Running");
    ensure!(ended.is_some_and(|task| task["Name"] == "train recommendation"), "{tasks}");
    let list: Value = app.get("/api/recommend/u0000?n=3").send().await?.json().await?;
    assert_eq!(list.as_array().map(Vec::len), Some(3));
    Ok(())
}

#[tokio::test]
async fn two_models_that_translate_are_served_together() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let copy = dir.path().join("copy");
    model::copy(&copy)?;
    let options = Options::default().arg("--model").arg(copy.to_string_lossy());
    let app = TestApp::start(options).await?;
    let languages: Value = app.get("/languages").send().await?.json().await?;
    assert!(languages.as_array().is_some_and(|languages| languages.len() > 1), "{languages}");
    Ok(())
}

#[test]
fn a_store_in_which_nothing_happened_is_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let store = dir.path().join("store");
    Dragoman::new(["store", "tenants", "--store"])?.args([&store]).stdout()?;
    let error = train(dir.path(), &store.to_string_lossy(), (1, "1e-3"))?.failure()?;
    assert!(error.contains("nothing happened yet"), "{error}");
    let error = train(dir.path(), "/no/such/store", (1, "1e-3"))?.failure()?;
    assert!(error.contains("/no/such/store") && error.contains("no such folder"), "{error}");
    Ok(())
}
