//! Requests as clients write them: paths, codes, methods and bodies that differ from ours in form alone.

use anyhow::Result;
use serde_json::{Value, json};

use crate::harness::{TestApp, answer, settings};

fn ask(source: &str, target: &str) -> Value {
    json!({ "q": "A Word", "source": source, "target": target })
}

#[actix_web::test]
async fn confidence_is_a_whole_number() -> Result<()> {
    let app = TestApp::start()?;
    let text = "Guten Morgen, wie geht es Ihnen heute?";
    let (_, guesses) = app.json("/detect", &json!({ "q": text })).await?;
    assert!(guesses[0]["confidence"].is_u64(), "{guesses}");
    let body = json!({ "q": text, "source": "auto", "target": "en" });
    let (_, reply) = app.json("/translate", &body).await?;
    assert!(reply["detectedLanguage"]["confidence"].is_u64(), "{reply}");
    Ok(())
}

#[actix_web::test]
async fn doubled_and_trailing_slashes_are_answered() -> Result<()> {
    let app = TestApp::start()?;
    for path in ["//translate", "/translate/", "//translate//"] {
        let (status, reply) = app.json(path, &ask("en", "de")).await?;
        assert_eq!((status, &reply["translatedText"]), (200, &json!("A-de Word-de")), "{path}");
    }
    for path in ["//languages", "/languages/", "/health/", "//api/latest/", "/frontend//settings"] {
        assert_eq!(app.get(path).send().await?.status(), 200, "{path}");
    }
    let app = TestApp::configured(settings("url_prefix = 'tools'")?)?;
    for path in ["/tools//translate", "//tools/translate/"] {
        assert_eq!(app.json(path, &ask("en", "de")).await?.0, 200, "{path}");
    }
    assert_eq!(app.get("/tools/docs/").send().await?.url().path(), "/tools/docs");
    Ok(())
}

#[actix_web::test]
async fn a_byte_order_mark_does_no_harm() -> Result<()> {
    let app = TestApp::start()?;
    let body = format!("\u{feff}{}", ask("en", "de"));
    let request = app.post("/translate").header("Content-Type", "application/json").body(body);
    assert_eq!(answer(request).await?.0, 200);
    Ok(())
}

#[actix_web::test]
async fn a_body_that_is_no_object_is_told_so() -> Result<()> {
    let app = TestApp::start()?;
    for (body, kind) in [(json!([1]), "a list"), (json!("q"), "a string"), (json!(null), "null")] {
        let (status, reply) = app.json("/translate", &body).await?;
        let message = format!("Invalid JSON format: the body must be an object, not {kind}");
        assert_eq!((status, reply), (400, json!({ "error": message })));
    }
    Ok(())
}

#[actix_web::test]
async fn a_code_with_a_region_falls_back_to_what_the_model_has() -> Result<()> {
    let app = TestApp::start()?;
    for (source, target, expected) in [
        ("en-US", "DE", "A-de Word-de"),
        ("EN", "de_AT", "A-de Word-de"),
        ("en", "pt", "A-pt-BR Word-pt-BR"),
        ("pt-PT", "en-GB", "A-en Word-en"),
    ] {
        let (status, reply) = app.json("/translate", &ask(source, target)).await?;
        assert_eq!((status, &reply["translatedText"]), (200, &json!(expected)), "{reply}");
    }
    let (status, reply) = app.json("/translate", &ask("en", "xx-US")).await?;
    assert_eq!((status, reply), (400, json!({ "error": "xx-US is not supported" })));
    Ok(())
}

#[actix_web::test]
async fn whatever_can_be_got_has_a_head() -> Result<()> {
    let app = TestApp::configured(settings("admin_key = 'key'")?)?;
    for path in [
        "/",
        "/docs",
        "/recommend",
        "/static/base.css",
        "/health",
        "/health/live",
        "/languages",
        "/spec",
        "/frontend/settings",
        "/metrics",
        "/experts",
        "/admin/store",
        "/admin/tenants",
        "/api/latest",
        "/api/users",
        "/api/recommend/u",
        "/api/bulk/items",
        "/api/health/live",
    ] {
        let reply = app.client.head(format!("{}{path}", app.url)).bearer_auth("key").send().await?;
        assert_eq!(reply.status(), 200, "{path}");
        assert!(reply.bytes().await?.is_empty(), "{path}");
    }
    assert_eq!(app.client.head(format!("{}/translate", app.url)).send().await?.status(), 405);
    let metrics = app.get("/metrics").send().await?.text().await?;
    let label = r#"endpoint="/health",method="HEAD",status="200"} 1"#;
    assert!(metrics.contains(label), "{metrics}");
    Ok(())
}

#[actix_web::test]
async fn what_is_not_there_is_json_for_programs_and_a_page_for_browsers() -> Result<()> {
    let app = TestApp::start()?;
    for path in ["/nothing", "/translate/nothing", "/static/nothing.js"] {
        let (status, reply) = answer(app.get(path)).await?;
        assert_eq!((status, reply), (404, json!({ "error": "Not Found" })), "{path}");
        let page = app.get(path).header("Accept", "text/html,*/*").send().await?;
        let kind = page.headers().get("Content-Type").and_then(|kind| kind.to_str().ok());
        assert_eq!((page.status().as_u16(), kind), (404, Some("text/html; charset=utf-8")));
    }
    let (status, reply) = answer(app.get("/translate")).await?;
    assert_eq!((status, reply), (405, json!({ "error": "Method Not Allowed" })));
    Ok(())
}

#[actix_web::test]
async fn languages_that_the_model_lacks_are_left_out_and_none_is_no_server() -> Result<()> {
    let app = TestApp::configured(settings("load_only = 'en,xx'")?)?;
    let (_, languages) = answer(app.get("/languages")).await?;
    assert_eq!(languages.as_array().map(Vec::len), Some(1), "{languages}");
    let refused = TestApp::configured(settings("load_only = 'xx,yy'")?);
    let error = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("`load_only`") && error.contains("de, en"), "{error}");
    Ok(())
}
