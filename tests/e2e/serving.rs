//! `dragoman serve` under load, at its end, beside another, and with a changing model.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dragoman_e2e::{
    Options, TestApp,
    app::answer,
    model::{self, SENTENCES},
};
use serde_json::{Value, json};
use tokio::time::sleep;

fn ask(q: impl Into<Value>) -> Value {
    json!({ "q": q.into(), "source": "en", "target": "de" })
}

/// Waits until the server counts so many requests for `/translate` among those in flight.
async fn until_queued(app: &TestApp) -> Result<()> {
    for _ in 0..500 {
        let metrics = app.get("/metrics").send().await?.text().await?;
        if metrics.contains("dragoman_queue_length 1\n") {
            return Ok(());
        }
        sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("the request never reached the queue")
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_says_when_to_come_back() -> Result<()> {
    let options =
        Options::default().env("DRAGOMAN_QUEUE_SIZE", "1").env("DRAGOMAN_BATCH_WAIT_MS", "3000"); // the first one waits for others, in vain
    let app = TestApp::start(options).await?;
    let first = tokio::spawn(answer(app.post("/translate").json(&ask("The cat sleeps."))));
    until_queued(&app).await?;

    let reply = app.post("/translate").json(&ask("We bake bread.")).send().await?;
    assert_eq!(reply.status(), 503);
    assert!(reply.headers()["retry-after"].to_str()?.parse::<u32>()? > 0);
    let error: Value = reply.json().await?;
    assert!(error["error"].as_str().is_some_and(|error| error.contains("busy")), "{error}");

    let expected = json!({ "translatedText": "Die Katze schläft." });
    assert_eq!(first.await??, (200, expected));
    assert_eq!(app.translate("We bake bread.", "en", "de").await?, "Wir backen Brot.");
    Ok(())
}

#[tokio::test]
async fn many_clients_at_once_get_each_their_own() -> Result<()> {
    let app = TestApp::spawn().await?;
    let asked = (0..64).map(|i| {
        let [english, german, _] = SENTENCES[i % SENTENCES.len()];
        let request = app.post("/translate").json(&ask(english));
        (german, tokio::spawn(answer(request)))
    });
    let asked: Vec<_> = asked.collect();
    for (german, reply) in asked {
        assert_eq!(reply.await??, (200, json!({ "translatedText": german })));
    }
    Ok(())
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight() -> Result<()> {
    for signal in ["TERM", "INT"] {
        let options = Options::default().env("DRAGOMAN_BATCH_WAIT_MS", "1500");
        let mut app = TestApp::start(options).await?;
        let request = app.post("/translate").json(&ask("The door is closed."));
        let in_flight = tokio::spawn(answer(request));
        until_queued(&app).await?;
        app.signal(signal)?;
        let expected = json!({ "translatedText": "Die Tür ist geschlossen." });
        assert_eq!(in_flight.await??, (200, expected), "{signal}");
        let status = app.wait()?;
        ensure!(status.success(), "after {signal} the server ended with {status}");
        assert!(app.get("/health").send().await.is_err());
    }
    Ok(())
}

#[tokio::test]
async fn a_second_server_on_the_same_store_or_port_is_told_why_not() -> Result<()> {
    let app = TestApp::spawn().await?;
    let folder = tempfile::tempdir()?;
    let same_store = Options { store: Some(app.store.clone()), ..Options::default() };
    let error = same_store.command(folder.path())?.failure()?;
    assert!(error.contains("in use by another process"), "{error}");
    assert!(error.contains(&*app.store.to_string_lossy()), "{error}");

    let port = app.url.rsplit(':').next().context("a port")?;
    // The last of two equal flags would be an error: this one goes through the environment.
    let settings = folder.path().join("settings.toml");
    fs_err::write(&settings, format!("port = {port}\n"))?;
    let model = model::dir()?;
    let error = dragoman_e2e::Dragoman::new(["serve", "--config"])?
        .args([&settings])
        .args(["--model".as_ref(), model.as_os_str()])
        .args(["--store".as_ref(), folder.path().join("store").as_os_str()])
        .failure()?;
    assert!(error.contains(port) && error.contains("--port"), "{error}");

    assert_eq!(app.translate("Good morning.", "en", "de").await?, "Guten Morgen.");
    Ok(())
}

#[tokio::test]
async fn settings_that_make_no_sense_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (name, value) in [
        ("LT_PORT", "http"),
        ("DRAGOMAN_QUEUE_SIZE", "0"),
        ("LT_CHAR_LIMIT", "x"),
        ("DRAGOMAN_API_KEYS_REMOTE", "notaurl"),
    ] {
        let error = Options::default().env(name, value).command(folder.path())?.failure()?;
        let field = name.split_once('_').map(|(_, field)| field.to_lowercase());
        let named = error.contains(name) || field.is_some_and(|field| error.contains(&field));
        assert!(named, "{name}={value}: {error}");
    }
    let settings = folder.path().join("settings.toml");
    fs_err::write(&settings, "prot = 5000\n")?;
    let options = Options::default().arg("--config").arg(settings.to_string_lossy());
    let error = options.command(folder.path())?.failure()?;
    assert!(error.contains("settings.toml") && error.contains("prot"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_variable_with_a_slip_in_its_name_is_a_warning_that_names_the_right_one() -> Result<()> {
    let options = Options::default().env("DRAGOMAN_CHAR_LIMT", "3").env("DRAGOMAN_LOG", "info");
    let app = TestApp::start(options).await?;
    app.until_logged("`DRAGOMAN_CHAR_LIMT`").await?;
    app.until_logged("`DRAGOMAN_CHAR_LIMIT`").await?;
    let log = app.log();
    assert!(!log.contains("DRAGOMAN_LOG") && !log.contains("DRAGOMAN_STORE"), "{log}");
    Ok(())
}

#[tokio::test]
async fn the_settings_can_be_printed_and_read_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let options = Options::default()
        .arg("--print-config")
        .env("DRAGOMAN_ADMIN_KEY", "open sesame")
        .env("LT_CHAR_LIMIT", "500");
    let printed = options.command(folder.path())?.stdout()?;
    for line in ["[http]", "port = 0", "char_limit = 500", "DRAGOMAN_QUEUE_SIZE"] {
        assert!(printed.contains(line), "no `{line}` in {printed}");
    }
    assert!(!printed.contains("sesame"), "{printed}");
    let file = folder.path().join("settings.toml");
    fs_err::write(&file, &printed)?;
    let options = Options::default().arg("--config").arg(file.to_string_lossy());
    let app = TestApp::start(options).await?;
    let (_, settings) = answer(app.get("/frontend/settings")).await?;
    assert_eq!(settings["charLimit"], 500, "{settings}");
    Ok(())
}

#[tokio::test]
async fn languages_that_the_model_lacks_keep_the_server_from_starting_when_none_is_left()
-> Result<()> {
    let folder = tempfile::tempdir()?;
    let error = Options::default().env("LT_LOAD_ONLY", "xx").command(folder.path())?.failure()?;
    assert!(error.contains("`load_only`") && error.contains("`xx`"), "{error}");
    Ok(())
}

#[tokio::test]
async fn an_address_that_is_none_is_told_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let model = model::dir()?;
    let error = dragoman_e2e::Dragoman::new(["serve", "--host", "999.1.1.1", "--port", "0"])?
        .args(["--model".as_ref(), model.as_os_str()])
        .args(["--store".as_ref(), folder.path().join("store").as_os_str()])
        .failure()?;
    assert!(error.contains("999.1.1.1") && error.contains("`--host`"), "{error}");
    assert!(!error.contains("another server"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_compose_file_of_libretranslate_carries_over() -> Result<()> {
    let options = Options::default()
        .env("LT_URL_PREFIX", "/tools")
        .env("LT_LOAD_ONLY", "en,de")
        .env("LT_UPDATE_MODELS", "true")
        .env("LT_DISABLE_WEB_UI", "true")
        .env("LT_METRICS_AUTH_TOKEN", "token")
        .arg("--char-limit")
        .arg("-1");
    let app = TestApp::start(options).await?;
    assert!(app.url.ends_with("/tools"), "{}", app.url);
    assert_eq!(app.translate("Good morning.", "en", "de").await?, "Guten Morgen.");
    let (_, languages) = answer(app.get("/languages")).await?;
    assert_eq!(languages.as_array().map(Vec::len), Some(2), "{languages}");
    assert_eq!(app.get("/").send().await?.status(), 404, "the page is switched off");
    assert_eq!(app.get("/metrics").send().await?.status(), 401);
    assert_eq!(app.get("/metrics").bearer_auth("token").send().await?.status(), 200);
    app.until_logged("LT_UPDATE_MODELS").await?; // what means nothing here is said to be ignored
    let log = app.log();
    assert!(!log.contains('\u{1b}'), "no colours where nobody sees them:\n{log}");
    Ok(())
}

#[tokio::test]
async fn a_variable_that_is_not_text_does_no_harm() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let not_text: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(vec![0xff]);
    for (name, named) in [("SOMEBODY_ELSES", "/no/such/folder"), ("LT_PORT", "LT_PORT")] {
        let options = Options { model: Some("/no/such/folder".into()), ..Options::default() };
        let command = options.command(folder.path())?.env(name, &not_text);
        let error = command.failure()?; // without a panic
        assert!(error.contains(named), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_changed_model_serves_the_next_request_and_a_broken_one_never() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("model");
    model::copy(&dir)?;
    let app = TestApp::start(Options { model: Some(dir.clone()), ..Options::default() }).await?;
    let register = dir.join("experts.json");
    let whole = fs_err::read_to_string(&register)?;

    fs_err::write(&register, &whole[..whole.len() / 2])?;
    app.until_logged("refused").await.context("the broken register is refused")?;
    assert_eq!(app.translate("Good morning.", "en", "fr").await?, "Bonjour.");

    let mut without_french: Value = serde_json::from_str(&whole)?;
    let routes = without_french["routes"].as_array_mut().context("routes")?;
    routes.retain(|route| route["name"].as_str().is_some_and(|name| !name.contains("fr")));
    fs_err::write(&register, without_french.to_string())?;
    app.until_logged("took up").await.context("the changed register is taken up")?;
    let (_, languages) = answer(app.get("/languages")).await?;
    let codes: Vec<&Value> =
        languages.as_array().into_iter().flatten().map(|l| &l["code"]).collect();
    assert_eq!(codes, ["en", "de"]);
    assert_eq!(app.translate("Good morning.", "en", "de").await?, "Guten Morgen.");
    Ok(())
}
