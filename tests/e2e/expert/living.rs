//! A running server and an expert that comes and goes.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use dragoman_e2e::{Options, TestApp, app::answer, model};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::corpora::{self, add, house};

/// Waits until `path` says something that `is_so`.
async fn until(app: &TestApp, path: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    for _ in 0..1200 {
        let (_, reply) = answer(app.get(path)).await?;
        if is_so(&reply) {
            return Ok(reply);
        }
        sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("{path} did not change in a minute: {}", app.log())
}

/// Writes `text` where `path` is, at once: the server may look at any moment.
fn replace(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    let part = path.with_extension("part");
    fs_err::write(&part, text)?;
    Ok(fs_err::rename(&part, path)?)
}

#[tokio::test]
async fn a_server_takes_up_an_expert_and_drops_no_request() -> Result<()> {
    let work = tempfile::tempdir()?;
    let model = work.path().join("model");
    model::copy(&model)?;
    let app = TestApp::start(Options { model: Some(model.clone()), ..Options::default() }).await?;
    let general = corpora::general(work.path())?.display().to_string();
    let mut learning =
        add(&model, work.path(), &["--steps", "20", "--max-drop", "100", "--general", &general])?
            .spawn()?;
    // Whoever asks meanwhile is answered, and as before.
    while learning.try_wait()?.is_none() {
        assert_eq!(app.translate("Good morning.", "en", "de").await?, "Guten Morgen.");
    }
    let learned = learning.wait_with_output()?;
    assert!(learned.status.success(), "{}", String::from_utf8_lossy(&learned.stderr));
    let languages = until(&app, "/languages", |reply| reply[0]["domains"].is_array()).await?;
    assert_eq!(languages[0]["domainTargets"], json!({ "house": ["de"] }), "{languages}");
    let (_, experts) = answer(app.get("/experts").header("Accept", "application/json")).await?;
    let names: Vec<&Value> = experts.as_array().into_iter().flatten().map(|e| &e["name"]).collect();
    assert!(names.contains(&&json!("domain.house")), "{names:?}");

    // Nobody computes it without asking.
    assert_eq!(app.translate("Good morning.", "en", "de").await?, "Guten Morgen.");
    let rows = |text: &str| -> Option<f64> {
        let line = text.lines().find(|line| line.starts_with("dragoman_added_expert_rows{"))?;
        line.rsplit(' ').next()?.parse().ok()
    };
    let metrics = || async { anyhow::Ok(app.get("/metrics").send().await?.text().await?) };
    assert_eq!(rows(&metrics().await?), Some(0.0));
    let ask =
        |domain: &str, q: &str| json!({ "q": q, "source": "en", "target": "de", "domain": domain });
    let (status, with) = app.json("/translate", &ask("house", "Good morning.")).await?;
    assert_eq!(status, 200, "{with}");
    assert!(rows(&metrics().await?) > Some(0.0));

    let (_, guessed) = app.json("/translate", &ask("auto", &house()[3].0)).await?;
    assert_eq!(guessed["domain"]["name"], "house", "{guessed}");
    assert!(guessed["domain"]["confidence"].as_f64() > Some(50.0), "{guessed}");
    for (domain, target, known) in [("law", "de", "house"), ("house", "fr", "no domains")] {
        let body =
            json!({ "q": "Good morning.", "source": "en", "target": target, "domain": domain });
        let (status, reply) = app.json("/translate", &body).await?;
        let error = reply["error"].as_str().unwrap_or_default();
        assert!(status == 400 && error.contains(domain) && error.contains(known), "{reply}");
    }

    // A file that somebody altered is refused and named; what is served stays.
    let register = model.join("experts.json");
    let text = fs_err::read_to_string(&register)?;
    let parsed: Value = serde_json::from_str(&text)?;
    let entry = parsed["experts"].as_array().and_then(|all| all.last()).context("experts")?;
    let file = entry["file"].as_str().context("the file of the expert")?.to_string();
    let path = model.join(&file);
    let whole = fs_err::read(&path)?;
    let mut altered = whole.clone();
    *altered.last_mut().context("a file with something in it")? ^= 1;
    replace(&path, altered)?;
    replace(&register, format!("{text}\n"))?;
    let health = until(&app, "/health", |reply| reply["refusedModel"].is_string()).await?;
    assert!(
        health["refusedModel"].as_str().is_some_and(|reason| reason.contains(&file)),
        "{health}"
    );
    app.until_logged(&file).await?;
    assert_eq!(app.translate("Good morning.", "en", "de").await?, "Guten Morgen.");
    replace(&path, whole)?;
    replace(&register, format!("{text} \n"))?;
    until(&app, "/health", |reply| reply["refusedModel"].is_null()).await?;

    super::expert("remove", &["domain.house"], &model)?.stdout()?;
    until(&app, "/languages", |reply| reply[0]["domains"].is_null()).await?;
    Ok(())
}

#[tokio::test]
async fn a_domain_learns_from_what_users_suggested() -> Result<()> {
    let work = tempfile::tempdir()?;
    let model = work.path().join("model");
    model::copy(&model)?;
    let options = Options { model: Some(model.clone()), ..Options::default() };
    let options = options.env("LT_SUGGESTIONS", "true").env("DRAGOMAN_ADMIN_KEY", "key");
    // One client makes all suggestions here.
    let options = options.env("DRAGOMAN_SUGGEST_LIMIT", "-1");
    let app = TestApp::start(options).await?;
    for (q, s) in &house() {
        let body = json!({ "q": q, "s": s, "source": "en", "target": "de" });
        let (status, reply) = app.json("/suggest", &body).await?;
        assert_eq!(status, 200, "{reply}");
    }
    let run = work.path().join("run").display().to_string();
    let url = app.url.clone();
    let rest = [
        "--from-store",
        &url,
        "--pairs",
        "en-de",
        "--work",
        &run,
        "--steps",
        "20",
        "--max-drop",
        "100",
        "--quiet",
    ];
    let args = [&["domain.house"][..], &rest].concat();
    let error = super::expert("add", &args, &model)?.failure()?;
    assert!(error.contains("--admin-key"), "{error}");
    let args = [&args[..], &["--admin-key", "key"]].concat();
    let said = super::expert("add", &args, &model)?.stdout()?;
    assert!(said.contains("added `domain.house`"), "{said}");
    until(&app, "/languages", |reply| reply[0]["domains"].is_array()).await?;
    Ok(())
}
