//! Models that come from an object store.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use dragoman_e2e::{
    Dragoman, Finished, Options, TestApp,
    http::{HttpServer, Reply},
    model,
    objects::{Fault, ObjectServer},
};
use serde_json::Value;
use tempfile::TempDir;

const ADDRESS: &str = "s3://models/tests/three";
const OBJECT: &str = "models/tests/three";

/// A store with the tests' model, and an empty cache.
fn store() -> Result<(ObjectServer, TempDir)> {
    let store = ObjectServer::start()?;
    store.upload(&model::dir()?, OBJECT)?;
    Ok((store, tempfile::tempdir()?))
}

/// Translates a sentence with the model at `address`.
fn translate(address: &str, store: &ObjectServer, cache: &Path) -> Result<Finished> {
    let mut command =
        Dragoman::new(["translate", "--from", "en", "--to", "de", "--model", address])?
            .env("DRAGOMAN_MODEL_CACHE", cache)
            .stdin("The cat sleeps.\n");
    for (name, value) in store.env() {
        command = command.env(name, value);
    }
    command.run()
}

fn check(finished: &Finished) -> Result<()> {
    let said = String::from_utf8_lossy(&finished.stdout);
    ensure!(said.trim() == "Die Katze schläft.", "`{said}`: {}", finished.stderr);
    Ok(())
}

/// What a server is told to take its model from `store`.
fn serving(store: &ObjectServer, cache: &Path) -> Options {
    let options = Options { model: Some(ADDRESS.into()), env: store.env(), ..Options::default() };
    options
        .env("DRAGOMAN_MODEL_CACHE", cache.display().to_string())
        .env("DRAGOMAN_MODEL_POLL", "0.2")
}

/// Versions of models that are to be seen in `cache`.
fn versions(cache: &Path) -> Result<Vec<PathBuf>> {
    let mut versions = Vec::new();
    for home in fs_err::read_dir(cache.join("remote")).into_iter().flatten() {
        for version in fs_err::read_dir(home?.path())? {
            let path = version?.path();
            if path.is_dir() {
                versions.push(path);
            }
        }
    }
    Ok(versions)
}

/// The register of the tests' model without the routes of a language.
fn register_without(language: &str) -> Result<Vec<u8>> {
    let register = fs_err::read(model::dir()?.join("experts.json"))?;
    let mut register: Value = serde_json::from_slice(&register)?;
    let routes = register["routes"].as_array_mut().context("routes")?;
    routes.retain(|route| route["source"] != language && route["target"] != language);
    Ok(serde_json::to_vec(&register)?)
}

async fn languages(app: &TestApp) -> Result<Vec<String>> {
    let all: Value = app.get("/languages").send().await?.json().await?;
    let codes = all.as_array().into_iter().flatten().filter_map(|one| one["code"].as_str());
    Ok(codes.map(str::to_owned).collect())
}

/// Waits until `is_so`.
async fn until<F: Future<Output = Result<bool>>>(what: &str, is_so: impl Fn() -> F) -> Result<()> {
    let started = Instant::now();
    while !is_so().await? {
        ensure!(started.elapsed() < Duration::from_secs(20), "not so: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[test]
fn a_model_comes_once_and_is_complete() -> Result<()> {
    let (store, cache) = store()?;
    check(&translate(ADDRESS, &store, cache.path())?)?;
    let fetched = store.requests();
    assert!(fetched.contains(&format!("GET {OBJECT}/shared.safetensors")), "{fetched:?}");
    assert_eq!(versions(cache.path())?.len(), 1);
    check(&translate(&format!("{ADDRESS}/"), &store, cache.path())?)?;
    assert_eq!(store.requests(), [format!("GET {OBJECT}/experts.json")]);
    Ok(())
}

#[test]
fn what_the_store_refuses_is_named_with_what_helps() -> Result<()> {
    let (store, cache) = store()?;
    for (status, named) in [(403, "AWS_ACCESS_KEY_ID"), (404, "no such object")] {
        store.fail("experts.json", Fault::Status(status), 1);
        let finished = translate(ADDRESS, &store, cache.path())?;
        assert_eq!(finished.code, Some(1));
        let error = finished.stderr;
        assert!(error.contains(&format!("{ADDRESS}/experts.json")), "{error}");
        assert!(error.contains(named) && !error.contains("panicked"), "{error}");
    }
    let elsewhere = "s3://models/tests/four";
    let error = translate(elsewhere, &store, cache.path())?.stderr;
    assert!(error.contains(&format!("{elsewhere}/experts.json")), "{error}");
    let error = translate("ftp://host/model", &store, cache.path())?.stderr;
    assert!(error.contains("ftp://host/model") && error.contains("s3://"), "{error}");
    Ok(())
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_again_and_a_slow_one_is_awaited() -> Result<()> {
    let (store, cache) = store()?;
    store.fail("shared.safetensors", Fault::Cut(1000), 2);
    store.fail("tokenizer.json", Fault::Status(503), 2);
    store.fail("config.json", Fault::Slow(Duration::from_millis(300)), 1);
    check(&translate(ADDRESS, &store, cache.path())?)?;
    let asked = store.requests();
    let count =
        asked.iter().filter(|one| one.ends_with("GET models/tests/three/shared.safetensors"));
    assert_eq!(count.count(), 3, "{asked:?}");
    Ok(())
}

#[test]
fn a_file_that_is_not_the_one_named_never_becomes_visible() -> Result<()> {
    let (store, cache) = store()?;
    store.fail("shared.safetensors", Fault::Wrong, usize::MAX);
    let error = translate(ADDRESS, &store, cache.path())?.stderr;
    let named = format!("{ADDRESS}/shared.safetensors");
    assert!(error.contains(&named) && error.contains("sha256"), "{error}");
    assert_eq!(versions(cache.path())?, Vec::<PathBuf>::new());
    store.mend();
    check(&translate(ADDRESS, &store, cache.path())?)?;
    Ok(())
}

#[test]
fn a_configuration_is_checked_too_unless_the_register_is_of_an_older_program() -> Result<()> {
    let (store, cache) = store()?;
    let config = fs_err::read(model::dir()?.join("config.json"))?;
    let mut register: Value =
        serde_json::from_slice(&fs_err::read(model::dir()?.join("experts.json"))?)?;
    let sha256 = register["config_sha256"].as_str().context("a sha256")?.to_owned();
    // Of the same meaning, and another file.
    let other = [&config[..], b"\n"].concat();
    store.put(&format!("{OBJECT}/config.json"), other.clone());
    let error = translate(ADDRESS, &store, cache.path())?.stderr;
    let named = format!("{ADDRESS}/config.json");
    assert!(error.contains(&named) && error.contains("sha256"), "{error}");
    assert_eq!(versions(cache.path())?, Vec::<PathBuf>::new());
    store.put(&format!("{OBJECT}/sha256/{sha256}"), config);
    check(&translate(ADDRESS, &store, cache.path())?)?;

    let fields = register.as_object_mut().context("fields")?;
    fields.remove("config_sha256");
    store.put(&format!("{OBJECT}/experts.json"), serde_json::to_vec(&register)?);
    check(&translate(ADDRESS, &store, cache.path())?)?;
    let mut versions = versions(cache.path())?;
    assert_eq!(versions.len(), 2);
    versions
        .retain(|version| fs_err::read(version.join("config.json")).is_ok_and(|it| it == other));
    assert_eq!(versions.len(), 1, "the older register takes the file that is there");
    Ok(())
}

#[tokio::test]
async fn two_servers_share_a_cache_and_start_without_the_store() -> Result<()> {
    let (store, cache) = store()?;
    let (one, two) = (serving(&store, cache.path()), serving(&store, cache.path()));
    let (one, two) = tokio::try_join!(TestApp::start(one), TestApp::start(two))?;
    for app in [&one, &two] {
        assert_eq!(app.translate("The cat sleeps.", "en", "de").await?, "Die Katze schläft.");
    }
    let whole = format!("GET {OBJECT}/shared.safetensors");
    assert_eq!(store.requests().iter().filter(|one| **one == whole).count(), 1);
    drop((one, two));

    store.fail("experts.json", Fault::Status(503), usize::MAX);
    let app = TestApp::start(serving(&store, cache.path())).await?;
    assert_eq!(app.translate("The cat sleeps.", "en", "de").await?, "Die Katze schläft.");
    app.until_logged("WARN").await?;
    app.until_logged(ADDRESS).await?;
    Ok(())
}

#[tokio::test]
async fn a_new_register_is_taken_up_and_one_without_its_files_is_refused() -> Result<()> {
    let (store, cache) = store()?;
    let app = TestApp::start(serving(&store, cache.path())).await?;
    assert_eq!(languages(&app).await?.len(), 3);
    store.put(&format!("{OBJECT}/experts.json"), register_without("fr")?);
    let app = &app;
    let is_taken = || async { Ok(!languages(app).await?.contains(&"fr".to_owned())) };
    until("French is gone", is_taken).await?;
    assert_eq!(app.translate("The cat sleeps.", "en", "de").await?, "Die Katze schläft.");

    // Its tokenizer is not there: the model that serves goes on.
    let mut broken: Value = serde_json::from_slice(&register_without("en")?)?;
    broken["tokenizer_sha256"] = "ab".repeat(32).into();
    store.put(&format!("{OBJECT}/experts.json"), serde_json::to_vec(&broken)?);
    until("the register is refused", || async { Ok(app.log().contains("is refused")) }).await?;
    app.until_logged(&format!("{ADDRESS}/tokenizer.json")).await?;
    assert_eq!(app.translate("The cat sleeps.", "en", "de").await?, "Die Katze schläft.");

    // A file that replaces another lies beside the model by its hash, until nobody reads the old one.
    let tokenizer = fs_err::read(model::dir()?.join("tokenizer.json"))?;
    let register: Value =
        serde_json::from_slice(&fs_err::read(model::dir()?.join("experts.json"))?)?;
    let sha256 = register["tokenizer_sha256"].as_str().context("a sha256")?;
    store.put(&format!("{OBJECT}/sha256/{sha256}"), tokenizer);
    store.put(&format!("{OBJECT}/tokenizer.json"), "of an older model");
    fs_err::remove_dir_all(cache.path().join("sha256"))?;
    store.put(&format!("{OBJECT}/experts.json"), register_without("de")?);
    let is_taken = || async { Ok(languages(app).await?.contains(&"fr".to_owned())) };
    until("French is back", is_taken).await?;
    assert!(!languages(app).await?.contains(&"de".to_owned()));
    assert_eq!(app.translate("The cat sleeps.", "en", "fr").await?, "Le chat dort.");
    Ok(())
}

#[tokio::test]
async fn a_folder_of_models_is_listed_and_each_comes_when_it_is_asked_for() -> Result<()> {
    let (store, cache) = store()?;
    store.put("models/tests/readme/README.md", "no model");
    let options = Options { bundled: true, env: store.env(), ..Options::default() };
    let options = options
        .arg("--models")
        .arg("s3://models/tests")
        .env("DRAGOMAN_MODEL_CACHE", cache.path().display().to_string())
        .env("DRAGOMAN_MODEL_POLL", "0.2");
    let app = &TestApp::start(options).await?;
    assert_eq!(versions(cache.path())?, Vec::<PathBuf>::new());
    assert_eq!(app.translate("The cat sleeps.", "en", "de").await?, "Die Katze schläft.");
    assert_eq!(versions(cache.path())?.len(), 1);
    store.put(&format!("{OBJECT}/experts.json"), register_without("fr")?);
    let is_taken = || async { Ok(!languages(app).await?.contains(&"fr".to_owned())) };
    until("French is gone", is_taken).await?;
    store.upload(&model::dir()?, "models/tests/other")?;
    let is_taken = || async { Ok(languages(app).await?.contains(&"fr".to_owned())) };
    until("French is back", is_taken).await?;
    Ok(())
}

#[test]
fn models_come_from_folders_and_from_servers_that_send_no_parts() -> Result<()> {
    let (store, cache) = store()?;
    let folder = model::dir()?;
    check(&translate(&format!("file://{}", folder.display()), &store, cache.path())?)?;
    assert_eq!(versions(cache.path())?.len(), 1);
    let server = HttpServer::start(move |request| {
        let path = request.path.trim_start_matches("/x/").to_owned();
        match fs_err::read(folder.join(path)) {
            Ok(content) => Reply::new(200, content),
            Err(_) => Reply::new(404, "no such page"),
        }
    })?;
    let other = tempfile::tempdir()?;
    check(&translate(&format!("{}/x", server.url), &store, other.path())?)?;
    let error = translate(&format!("{}/y", server.url), &store, other.path())?.stderr;
    assert!(error.contains("/y/experts.json"), "{error}");
    Ok(())
}
