//! Pages and the register of experts.

use anyhow::Result;
use serde_json::json;

use crate::harness::{TestApp, answer, settings};

#[actix_web::test]
async fn experts_are_json_for_programs() -> Result<()> {
    let app = TestApp::start()?;
    let expected = json!([{ "name": "free.0", "kind": "free" }]);
    assert_eq!(answer(app.get("/experts")).await?, (200, expected));
    Ok(())
}

#[actix_web::test]
async fn pages_load_only_our_own_files() -> Result<()> {
    let app = TestApp::start()?;
    let reply = app.get("/").send().await?;
    if reply.status() == 404 {
        println!("skipped: the folder `web` was empty when this was built");
        return Ok(());
    }
    assert_eq!(reply.status(), 200);
    let header = |name| reply.headers().get(name).and_then(|value| value.to_str().ok());
    assert!(header("Content-Type").is_some_and(|kind| kind.starts_with("text/html")));
    assert!(
        header("Content-Security-Policy").is_some_and(|csp| csp.contains("default-src 'none'"))
    );
    let tag = header("ETag").expect("files are tagged").to_owned();
    let again = app.get("/").header("If-None-Match", tag).send().await?;
    assert_eq!(again.status(), 304);
    Ok(())
}

#[actix_web::test]
async fn pages_can_be_switched_off() -> Result<()> {
    let app = TestApp::configured(settings("web_ui = false")?)?;
    assert_eq!(app.get("/").send().await?.status(), 404);
    assert_eq!(app.get("/health").send().await?.status(), 200);
    Ok(())
}
