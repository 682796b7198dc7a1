//! What people and programs send that they should not.

use anyhow::Result;
use serde_json::{Value, json};

use crate::harness::{TestApp, answer, settings};

#[actix_web::test]
async fn errors_come_in_upstreams_order_and_words() -> Result<()> {
    let config = settings("char_limit = 10\nbatch_limit = 2\nalternatives_limit = 3")?;
    let app = TestApp::configured(config)?;
    let long = "x".repeat(11);
    for (body, message) in [
        (json!({}), "Invalid request: missing q parameter"),
        (json!({ "q": "" }), "Invalid request: missing q parameter"),
        (json!({ "q": [] }), "Invalid request: missing q parameter"),
        (json!({ "q": "a", "target": "de" }), "Invalid request: missing source parameter"),
        (json!({ "q": "a", "source": "en" }), "Invalid request: missing target parameter"),
        (
            json!({ "q": "a", "source": "x", "target": "y", "alternatives": "many" }),
            "Invalid request: alternatives parameter is not a number",
        ),
        (
            json!({ "q": long, "source": "x", "target": "y", "alternatives": 4 }),
            "Invalid request: alternatives parameter must be <= 3",
        ),
        (
            json!({ "q": [long, "b", "c"], "source": "x", "target": "y" }),
            "Invalid request: request (3) exceeds text limit (2)",
        ),
        (
            json!({ "q": ["a", long], "source": "x", "target": "y" }),
            "Invalid request: request (11) exceeds text limit (10)",
        ),
        (json!({ "q": "a", "source": "xx", "target": "yy" }), "xx is not supported"),
        (json!({ "q": "a", "source": "en", "target": "yy" }), "yy is not supported"),
        (
            json!({ "q": "a", "source": "de", "target": "fr", "format": "pdf" }),
            "pdf format is not supported",
        ),
        (
            json!({ "q": "a", "source": "de", "target": "fr" }),
            "French (fr) is not available as a target language from German (de)",
        ),
    ] {
        let (status, reply) = app.json("/translate", &body).await?;
        assert_eq!((status, reply), (400, json!({ "error": message })), "{body}");
    }
    let ten_wide = json!({ "q": "ü".repeat(10), "source": "en", "target": "en" });
    assert_eq!(app.json("/translate", &ten_wide).await?.0, 200, "characters count, not bytes");
    Ok(())
}

#[actix_web::test]
async fn wrong_types_are_named() -> Result<()> {
    let app = TestApp::start()?;
    for (body, name) in [
        (json!({ "q": 5, "source": "en", "target": "de" }), "q"),
        (json!({ "q": { "a": { "b": [1] } }, "source": "en", "target": "de" }), "q"),
        (json!({ "q": ["a", ["b"]], "source": "en", "target": "de" }), "q"),
        (json!({ "q": ["a", null], "source": "en", "target": "de" }), "q"),
        (json!({ "q": "a", "source": ["en"], "target": "de" }), "source"),
        (json!({ "q": "a", "source": "en", "target": 7 }), "target"),
        (json!({ "q": "a", "source": "en", "target": "de", "format": [1] }), "format"),
        (json!({ "q": "a", "source": "en", "target": "de", "alternatives": [1] }), "alternatives"),
        (json!({ "q": "a", "source": "en", "target": "de", "domains": [1] }), "domains"),
    ] {
        let (status, reply) = app.json("/translate", &body).await?;
        let error = reply["error"].as_str().unwrap_or_default();
        assert_eq!(status, 400, "{reply}");
        assert!(error.starts_with(&format!("Invalid request: {name} parameter")), "{error}");
    }
    Ok(())
}

#[actix_web::test]
async fn bodies_that_cannot_be_read_are_refused() -> Result<()> {
    let app = TestApp::start()?;
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"[]",
        b"\"q\"",
        b"{\"q\": \"\xff\"}",
        b"{\"q\": \"\\ud800\"}",
        b"\x00\x01\x02",
        &b"[".repeat(50_000),
    ];
    for body in bodies {
        let request = app.post("/translate").header("Content-Type", "application/json");
        let (status, reply) = answer(request.body(body.to_vec())).await?;
        let error = reply["error"].as_str().unwrap_or_default();
        assert!(status == 400 && error.starts_with("Invalid JSON format"), "{status} {reply}");
    }
    for kind in ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "?"] {
        let request = app.post("/translate").header("Content-Type", kind);
        let (status, reply) = answer(request.body(b"q=\xff&source=en".to_vec())).await?;
        assert!(status == 400 && reply["error"].is_string(), "{kind}: {status} {reply}");
    }
    Ok(())
}

#[actix_web::test]
async fn json_of_another_type_is_said_to_be_that() -> Result<()> {
    let app = TestApp::start()?;
    let json = r#"{"q": "Good morning.", "source": "en", "target": "de"}"#;
    for (kind, named) in [
        (
            "application/x-www-form-urlencoded",
            "is JSON, but its Content-Type is `application/x-www",
        ),
        ("text/plain; charset=utf-8", "the Content-Type `text/plain` is not read"),
    ] {
        let request = app.post("/translate").header("Content-Type", kind).body(json);
        let (status, reply) = answer(request).await?;
        let error = reply["error"].as_str().unwrap_or_default();
        assert!(status == 400 && error.contains(named), "{reply}");
        assert!(error.contains("`Content-Type: application/json`"), "{reply}");
    }
    let (_, reply) = answer(app.post("/translate").body(json)).await?;
    assert!(reply["error"].to_string().contains("without a Content-Type"), "{reply}");
    Ok(())
}

#[actix_web::test]
async fn a_body_above_the_limit_is_refused() -> Result<()> {
    let app = TestApp::configured(settings("body_limit = 1000")?)?;
    let body = json!({ "q": "x".repeat(1000), "source": "en", "target": "de" });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!(status, 413);
    assert!(reply["error"].as_str().is_some_and(|error| error.contains("1000")), "{reply}");
    Ok(())
}

#[actix_web::test]
async fn a_megabyte_in_one_line_is_translated() -> Result<()> {
    let app = TestApp::start()?;
    let q = "Word after word ".repeat((1 << 20) / 16);
    let body = json!({ "q": q, "source": "en", "target": "de" });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!(status, 200);
    let text = reply["translatedText"].as_str().unwrap_or_default();
    assert_eq!(text.matches("after-de").count(), (1 << 20) / 16);
    assert!(app.model.sentences().iter().all(|sentence| sentence.chars().count() <= 400));
    Ok(())
}

#[actix_web::test]
async fn what_would_fill_the_memory_is_refused() -> Result<()> {
    let app = TestApp::start()?;
    let lines = json!({ "q": "a\n".repeat(100_001), "source": "en", "target": "de" });
    let traced = json!({ "q": "a b ".repeat(2000), "source": "en", "target": "de", "trace": true });
    for (body, word) in [(lines, "sentences"), (traced, "trace")] {
        let (status, reply) = app.json("/translate", &body).await?;
        assert!(status == 400 && reply["error"].to_string().contains(word), "{status} {reply}");
    }
    Ok(())
}

#[actix_web::test]
async fn an_array_of_ten_thousand_is_translated_in_order() -> Result<()> {
    let app = TestApp::start()?;
    let q: Vec<String> = (0..10_000).map(|i| format!("Text number {i}")).collect();
    let body = json!({ "q": q, "source": "en", "target": "de" });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!(status, 200);
    for (i, text) in reply["translatedText"].as_array().expect("an array").iter().enumerate() {
        assert_eq!(*text, json!(format!("Text-de number-de {i}-de")));
    }
    Ok(())
}

#[actix_web::test]
async fn wrong_methods_and_paths_get_a_page() -> Result<()> {
    let app = TestApp::start()?;
    for path in ["/languages", "/frontend/settings", "/health", "/spec", "/metrics"] {
        assert_eq!(app.post(path).send().await?.status(), 405, "{path}");
    }
    for path in ["/translate", "/detect", "/suggest", "/translate_file"] {
        assert_eq!(app.get(path).send().await?.status(), 405, "{path}");
    }
    for path in ["/nothing", "/static/nothing.js", "/static/../Cargo.toml", "/admin/store"] {
        let reply = app.get(path).send().await?;
        assert_eq!(reply.status(), 404, "{path}");
        assert!(reply.text().await?.contains("Not Found"));
    }
    Ok(())
}

#[actix_web::test]
async fn nobody_is_told_of_a_panic() -> Result<()> {
    let app = TestApp::start()?;
    for (q, reason) in [("Please panic", "crashed"), ("A failing one", "asked to fail")] {
        let body = json!({ "q": q, "source": "en", "target": "de" });
        let (status, reply) = app.json("/translate", &body).await?;
        let error = reply["error"].as_str().unwrap_or_default();
        assert_eq!(status, 500, "{reply}");
        assert!(error.starts_with("Cannot translate text: ") && error.contains(reason), "{error}");
    }
    let body = json!({ "q": "Still here", "source": "en", "target": "de" });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!((status, &reply["translatedText"]), (200, &Value::from("Still-de here-de")));
    Ok(())
}
