//! What people and programs send that they should not, and what is merely unusual.

use anyhow::{Context, Result};
use dragoman_e2e::{Options, TestApp, app::answer, model::SENTENCES};
use serde_json::{Value, json};

#[tokio::test]
async fn mistakes_are_answered_in_upstreams_words() -> Result<()> {
    let limits = [("LT_CHAR_LIMIT", "30"), ("LT_BATCH_LIMIT", "3"), ("LT_ALTERNATIVES_LIMIT", "2")];
    let options =
        limits.iter().fold(Options::default(), |all, (name, value)| all.env(*name, *value));
    let app = TestApp::start(options).await?;
    let ask = |q: Value, source: &str, target: &str| json!({ "q": q, "source": source, "target": target });
    let with = |name: &str, value: Value| {
        let mut body = ask(json!("Good morning."), "en", "de");
        body[name] = value;
        body
    };
    for (body, message) in [
        (json!({}), "Invalid request: missing q parameter"),
        (ask(json!(""), "en", "de"), "Invalid request: missing q parameter"),
        (ask(json!([]), "en", "de"), "Invalid request: missing q parameter"),
        (ask(json!("a"), "", "de"), "Invalid request: missing source parameter"),
        (ask(json!("a"), "en", ""), "Invalid request: missing target parameter"),
        (ask(json!("a"), "tlh", "de"), "tlh is not supported"),
        (ask(json!("a"), "en", "tlh"), "tlh is not supported"),
        (
            ask(json!("x".repeat(31)), "en", "de"),
            "Invalid request: request (31) exceeds text limit (30)",
        ),
        (
            ask(json!(vec!["a"; 4]), "en", "de"),
            "Invalid request: request (4) exceeds text limit (3)",
        ),
        (with("alternatives", json!(3)), "Invalid request: alternatives parameter must be <= 2"),
        (
            with("alternatives", json!("many")),
            "Invalid request: alternatives parameter is not a number",
        ),
        (with("format", json!("pdf")), "pdf format is not supported"),
    ] {
        let found = app.json("/translate", &body).await?;
        assert_eq!(found, (400, json!({ "error": message })), "{body}");
    }
    for (body, named) in [
        (ask(json!({ "a": [{}] }), "en", "de"), "q parameter"),
        (ask(json!(["a", ["b"]]), "en", "de"), "q parameter"),
        (ask(json!(7), "en", "de"), "q parameter"),
        (with("source", json!(["en"])), "source parameter"),
        (with("domain", json!("law")), "`law`"),
    ] {
        let (status, reply) = app.json("/translate", &body).await?;
        let error = reply["error"].as_str().unwrap_or_default();
        assert!(status == 400 && error.contains(named), "{body}: {status} {error}");
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_the_server_lives() -> Result<()> {
    let app = TestApp::spawn().await?;
    let deep = b"[".repeat(100_000);
    for body in [&b""[..], b"{", b"[1]", b"{\"q\": \"\xff\"}", b"\0\0", &deep] {
        let request = app.post("/translate").header("Content-Type", "application/json");
        let (status, reply) = answer(request.body(body.to_vec())).await?;
        let error = reply["error"].as_str().unwrap_or_default();
        assert!(status == 400 && error.starts_with("Invalid JSON format"), "{status} {reply}");
    }
    let form = app.post("/translate").header("Content-Type", "application/x-www-form-urlencoded");
    let (status, reply) = answer(form.body(&b"q=%ff&source=en&target=de"[..])).await?;
    assert!(status == 400 && reply["error"].is_string(), "{status} {reply}");
    let huge = json!({ "q": "x".repeat(5 << 20), "source": "en", "target": "de" });
    assert_eq!(app.post("/translate").json(&huge).send().await?.status(), 413);
    for (method, path, status) in [
        ("GET", "/translate", 405),
        ("DELETE", "/translate", 405),
        ("POST", "/languages", 405),
        ("POST", "/health", 405),
        ("GET", "/nothing", 404),
        ("GET", "/static/../Cargo.toml", 404),
    ] {
        let request = app.client.request(method.parse()?, format!("{}{path}", app.url));
        assert_eq!(request.send().await?.status(), status, "{method} {path}");
    }
    assert_eq!(app.translate("Good morning.", "en", "de").await?, "Guten Morgen.");
    Ok(())
}

#[tokio::test]
async fn what_needs_no_translation_comes_back_as_it_was() -> Result<()> {
    let app = TestApp::spawn().await?;
    for text in [" ", "\n\t\n", "🙂🙂", "12:30 — 14:00", "\u{200b}"] {
        assert_eq!(app.translate(text, "en", "de").await?, text);
    }
    assert_eq!(app.translate("The same. Text", "en", "en").await?, "The same. Text");
    assert_eq!(
        app.translate(json!(["", "Good morning."]), "en", "de").await?,
        json!(["", "Guten Morgen."])
    );
    Ok(())
}

#[tokio::test]
async fn what_the_model_has_never_seen_is_answered_all_the_same() -> Result<()> {
    let app = TestApp::spawn().await?;
    let long = "a word and another word ".repeat(1000); // 24 kB without a full stop
    for text in [
        "早上好，世界。",
        "Привет, мир!",
        "</s> <2de> <pad>",
        "👩‍👩‍👧 and e\u{301}",
        "\u{0}x\u{1f}",
        &long,
    ] {
        let found = app.translate(text, "en", "de").await?;
        assert!(found.is_string(), "{text}: {found}");
    }
    Ok(())
}

#[tokio::test]
async fn an_array_of_ten_thousand_is_answered_in_order() -> Result<()> {
    let app = TestApp::spawn().await?;
    let row = |i: usize| SENTENCES[i * 7 % SENTENCES.len()];
    let q: Vec<&str> = (0..10_000).map(|i| row(i)[0]).collect();
    let found = app.translate(q, "en", "fr").await?;
    let found = found.as_array().context("an array")?;
    assert_eq!(found.len(), 10_000);
    assert!(found.iter().enumerate().all(|(i, text)| text == row(i)[2]));
    Ok(())
}
