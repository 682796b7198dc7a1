//! What an operator meets: health, metrics, prefixes, the specification, a stop.

use std::time::Duration;

use actix_web::rt::{self, time::sleep};
use anyhow::Result;
use dragoman_server::ServerConfig;
use serde_json::json;

use crate::{
    harness::{TestApp, answer, settings},
    model::Tagger,
};

#[actix_web::test]
async fn every_reply_may_be_read_by_other_pages() -> Result<()> {
    let app = TestApp::start()?;
    let bad = app.post("/translate").header("Content-Type", "application/json").body("{");
    let options = app.client.request(reqwest::Method::OPTIONS, format!("{}/translate", app.url));
    for (request, status) in
        [(app.get("/health"), 200), (app.get("/nothing"), 404), (bad, 400), (options, 200)]
    {
        let reply = request.send().await?;
        assert_eq!(reply.status(), status);
        for (name, value) in [
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Domain"),
            ("Access-Control-Expose-Headers", "Authorization"),
            ("Access-Control-Allow-Methods", "GET, POST"),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Max-Age", "1728000"),
        ] {
            assert_eq!(reply.headers().get(name).and_then(|v| v.to_str().ok()), Some(value));
        }
    }
    Ok(())
}

#[actix_web::test]
async fn health_is_ok() -> Result<()> {
    let app = TestApp::start()?;
    assert_eq!(answer(app.get("/health")).await?, (200, json!({ "status": "ok" })));
    assert_eq!(answer(app.get("/health/live")).await?, (200, json!({ "status": "ok" })));
    app.handle.refuse("experts/domain.it: is not the file");
    let (status, health) = answer(app.get("/health")).await?;
    assert_eq!((status, &health["status"]), (200, &json!("ok")), "the old model serves");
    assert_eq!(health["refusedModel"], "experts/domain.it: is not the file");
    app.handle.swap(std::sync::Arc::new(Tagger::default()));
    assert_eq!(answer(app.get("/health")).await?, (200, json!({ "status": "ok" })));
    Ok(())
}

#[actix_web::test]
async fn a_prefix_goes_before_everything() -> Result<()> {
    let app = TestApp::configured(settings("url_prefix = 'tools/translate/'")?)?;
    assert_eq!(app.get("/tools/translate/health").send().await?.status(), 200);
    assert_eq!(app.get("/health").send().await?.status(), 404);
    let body = json!({ "q": "A Word", "source": "en", "target": "de" });
    assert_eq!(app.json("/tools/translate/translate", &body).await?.0, 200);
    let (_, spec) = answer(app.get("/tools/translate/spec")).await?;
    assert_eq!(spec["servers"][0]["url"], "/tools/translate");
    Ok(())
}

#[actix_web::test]
async fn metrics_count_without_naming_anyone() -> Result<()> {
    let app = TestApp::start()?;
    let body = json!({ "q": "One. Two.", "source": "en", "target": "de", "api_key": "my secret" });
    app.json("/translate", &body).await?;
    app.get("/nothing").send().await?;
    let text = app.get("/metrics").send().await?.text().await?;
    for line in [
        "libretranslate_http_request_duration_seconds_count{endpoint=\"/translate\",method=\"POST\",status=\"200\"} 1",
        "libretranslate_http_request_duration_seconds_count{endpoint=\"other\",method=\"GET\",status=\"404\"} 1",
        "libretranslate_http_requests_in_flight 1",
        "dragoman_sentences_total 2",
        "dragoman_characters_total 8",
        "dragoman_batch_sentences_count 1",
        "dragoman_queue_length 0",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(line), "no `{line}` in {text}");
    }
    assert!(!text.contains("secret") && !text.contains("127.0.0.1"), "{text}");
    Ok(())
}

#[actix_web::test]
async fn metrics_may_need_a_token_or_be_off() -> Result<()> {
    let app = TestApp::configured(settings("metrics_auth_token = 'token'")?)?;
    assert_eq!(app.get("/metrics").send().await?.status(), 401);
    assert_eq!(app.get("/metrics").bearer_auth("tokem").send().await?.status(), 401);
    assert_eq!(app.get("/metrics").bearer_auth("token").send().await?.status(), 200);
    let app = TestApp::configured(settings("metrics = false")?)?;
    assert_eq!(app.get("/metrics").send().await?.status(), 404);
    Ok(())
}

#[actix_web::test]
async fn the_specification_describes_every_endpoint() -> Result<()> {
    let app = TestApp::configured(settings("admin_key = 'key'")?)?;
    let (status, spec) = answer(app.get("/spec")).await?;
    assert_eq!(status, 200);
    assert!(spec["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
    for (path, method) in [
        ("/translate", "post"),
        ("/translate_file", "post"),
        ("/download_file/{name}", "get"),
        ("/documents/{id}", "get"),
        ("/documents/{id}/result", "get"),
        ("/detect", "post"),
        ("/suggest", "post"),
        ("/languages", "get"),
        ("/frontend/settings", "get"),
        ("/health", "get"),
        ("/health/live", "get"),
        ("/spec", "get"),
        ("/experts", "get"),
        ("/metrics", "get"),
        ("/admin/store", "get"),
        ("/admin/store", "post"),
        ("/admin/tenants", "post"),
        ("/api/recommend/{user}", "get"),
        ("/api/session/recommend", "post"),
        ("/api/feedback", "put"),
        ("/api/item/{item}", "patch"),
        ("/api/bulk/{rows}", "post"),
    ] {
        let operation = &spec["paths"][path][method];
        assert!(operation["summary"].is_string(), "{method} {path}");
        assert!(operation["responses"]["200"].is_object());
    }
    // Every reference leads somewhere.
    let text = spec.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap_or_default();
        assert!(spec.pointer(pointer).is_some(), "{pointer}");
    }
    Ok(())
}

#[actix_web::test]
async fn a_stop_finishes_what_is_in_flight() -> Result<()> {
    let app = TestApp::with(ServerConfig::default(), Tagger::slow(400))?;
    let request =
        app.post("/translate").json(&json!({ "q": "A Word", "source": "en", "target": "de" }));
    let in_flight = rt::spawn(answer(request));
    sleep(Duration::from_millis(150)).await;
    let stop = app.server.stop(true);
    sleep(Duration::from_millis(50)).await;
    assert!(reqwest::get(format!("{}/health", app.url)).await.is_err(), "new ones are refused");
    assert_eq!(in_flight.await??.0, 200);
    stop.await;
    Ok(())
}
