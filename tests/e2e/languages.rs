//! What a server tells about itself: languages, settings, health, the specification, metrics.

use anyhow::{Context, Result};
use dragoman_e2e::{Options, TestApp, app::answer};
use serde_json::{Value, json};

#[tokio::test]
async fn languages_are_the_models_with_what_they_translate_into() -> Result<()> {
    let app = TestApp::spawn().await?;
    let all = ["de", "en", "fr"];
    let expected = json!([
        { "code": "en", "name": "English", "targets": all },
        { "code": "fr", "name": "French", "targets": all },
        { "code": "de", "name": "German", "targets": all },
    ]);
    assert_eq!(answer(app.get("/languages")).await?, (200, expected));
    Ok(())
}

#[tokio::test]
async fn detection_guesses_among_the_models_languages() -> Result<()> {
    let app = TestApp::spawn().await?;
    for (text, language) in [
        ("Wir treffen uns morgen früh am Bahnhof.", "de"),
        ("Nous nous retrouvons demain matin à la gare.", "fr"),
        ("We will meet at the station tomorrow morning.", "en"),
    ] {
        let (status, guesses) = answer(app.post("/detect").form(&[("q", text)])).await?;
        assert_eq!((status, &guesses[0]["language"]), (200, &json!(language)), "{guesses}");
        let guesses = guesses.as_array().context("a list of guesses")?;
        assert!(guesses.len() <= 3 && guesses[0]["confidence"].as_f64() > Some(50.0));
    }
    let nothing = json!([{ "confidence": 0, "language": "en" }]);
    assert_eq!(app.json("/detect", &json!({ "q": "42 🙂" })).await?, (200, nothing));
    assert_eq!(app.json("/detect", &json!({})).await?.0, 400);
    assert_eq!(app.get("/detect").send().await?.status(), 405);
    Ok(())
}

#[tokio::test]
async fn the_page_learns_its_settings() -> Result<()> {
    let app = TestApp::start(Options::default().env("LT_CHAR_LIMIT", "500")).await?;
    let (status, settings) = answer(app.get("/frontend/settings")).await?;
    assert_eq!(status, 200);
    assert_eq!(settings["charLimit"], 500);
    assert_eq!(settings["suggestions"], true);
    assert_eq!(settings["filesTranslation"], true);
    assert_eq!(settings["language"]["source"]["code"], "auto");
    assert_eq!(settings["language"]["target"]["code"], "de");
    Ok(())
}

#[tokio::test]
async fn experts_are_those_of_the_register() -> Result<()> {
    let app = TestApp::spawn().await?;
    let (status, experts) = answer(app.get("/experts")).await?;
    assert_eq!(status, 200);
    let experts = experts.as_array().context("a list of experts")?;
    let mut names: Vec<&str> =
        experts.iter().filter_map(|expert| expert["name"].as_str()).collect();
    names.sort_unstable();
    let pairs = ["pair.de-en", "pair.en-de", "pair.en-fr", "pair.fr-en"];
    assert_eq!(names, [&["free.0", "free.1", "free.2", "free.3"][..], &pairs].concat());
    Ok(())
}

#[tokio::test]
async fn the_specification_describes_the_api() -> Result<()> {
    let app = TestApp::spawn().await?;
    let (status, spec) = answer(app.get("/spec")).await?;
    assert_eq!(status, 200);
    for (path, method) in [("/translate", "post"), ("/detect", "post"), ("/languages", "get")] {
        assert!(spec["paths"][path][method]["summary"].is_string(), "{method} {path}");
    }
    assert_eq!(answer(app.get("/health")).await?, (200, json!({ "status": "ok" })));
    Ok(())
}

#[tokio::test]
async fn metrics_count_and_name_nobody() -> Result<()> {
    let app = TestApp::spawn().await?;
    let body = json!({ "q": "Good morning.", "source": "en", "target": "de", "api_key": "secret" });
    assert_eq!(app.json("/translate", &body).await?.0, 200);
    let reply = app.get("/metrics").send().await?;
    let kind = reply.headers()["content-type"].to_str()?.to_owned();
    assert!(kind.starts_with("text/plain"), "{kind}");
    let text = reply.text().await?;
    assert!(text.contains("dragoman_sentences_total 1\n"), "{text}");
    let counted = "libretranslate_http_request_duration_seconds_count{endpoint=\"/translate\"";
    assert!(text.contains(counted), "{text}");
    assert!(!text.contains("secret") && !text.contains("127.0.0.1"), "{text}");
    Ok(())
}

#[tokio::test]
async fn any_page_may_use_the_api() -> Result<()> {
    let app = TestApp::spawn().await?;
    let reply = app.get("/languages").header("Origin", "https://blog.example").send().await?;
    assert_eq!(reply.headers()["access-control-allow-origin"], "*");
    let (_, languages): (_, Value) = answer(app.get("/languages")).await?;
    assert!(languages.is_array());
    Ok(())
}
