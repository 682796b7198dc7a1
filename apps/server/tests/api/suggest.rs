//! `POST /suggest`, and the store behind it.

use anyhow::Result;
use serde_json::json;

use crate::harness::{TestApp, answer, settings};

#[actix_web::test]
async fn a_suggestion_is_stored() -> Result<()> {
    let app = TestApp::start()?;
    let body = json!({ "q": "Hello", "s": "Servus", "source": "en", "target": "de" });
    let (status, reply) = app.json("/suggest", &body).await?;
    assert_eq!((status, reply), (200, json!({ "success": true })));
    let fields = [("q", "Bye"), ("s", "Pfiat di"), ("source", "auto"), ("target", "de")];
    assert_eq!(answer(app.post("/suggest").form(&fields)).await?.0, 200);

    let stored: Vec<_> = app.store.suggestions().collect::<Result<_, _>>()?;
    assert_eq!(stored.len(), 2);
    assert_eq!((stored[0].q.as_str(), stored[0].s.as_str()), ("Hello", "Servus"));
    assert_eq!(stored[1].source, "auto");
    Ok(())
}

#[actix_web::test]
async fn a_field_that_is_missing_is_named() -> Result<()> {
    let app = TestApp::start()?;
    for name in ["q", "s", "source", "target"] {
        let mut body = json!({ "q": "a", "s": "b", "source": "en", "target": "de" });
        body[name] = json!("");
        let (status, reply) = app.json("/suggest", &body).await?;
        let error = format!("Invalid request: missing {name} parameter");
        assert_eq!((status, reply), (400, json!({ "error": error })));
    }
    let huge = json!({ "q": "x".repeat(100_000), "s": "b", "source": "en", "target": "de" });
    assert_eq!(app.json("/suggest", &huge).await?.0, 400);
    assert_eq!(app.store.suggestions().count(), 0);
    Ok(())
}

#[actix_web::test]
async fn suggestions_can_be_switched_off() -> Result<()> {
    let app = TestApp::configured(settings("suggestions = false")?)?;
    let (status, reply) = app.json("/suggest", &json!({ "q": "a" })).await?;
    let expected = json!({ "error": "Suggestions are disabled on this server." });
    assert_eq!((status, reply), (403, expected));
    Ok(())
}

#[actix_web::test]
async fn the_store_moves_over_the_admin_api() -> Result<()> {
    let app = TestApp::configured(settings("admin_key = 'open sesame'")?)?;
    let body = json!({ "q": "Hello", "s": "Servus", "source": "en", "target": "de" });
    app.json("/suggest", &body).await?;
    for token in ["", "open", "open sesamy"] {
        let reply = app.get("/admin/store").bearer_auth(token).send().await?;
        assert_eq!(reply.status(), 401);
    }
    let export = app.get("/admin/store").bearer_auth("open sesame").send().await?;
    assert_eq!(export.status(), 200);
    let export = export.text().await?;
    assert!(export.lines().count() == 2 && export.contains("Servus"), "{export}");

    let counts = json!({ "suggestions": 1, "keys": 0, "users": 0, "items": 0, "feedback": 0 });
    let import = app.post("/admin/store").bearer_auth("open sesame").body(export);
    assert_eq!(answer(import).await?, (200, counts));
    let import = app.post("/admin/store").bearer_auth("open sesame").body("nonsense");
    let (status, reply) = answer(import).await?;
    assert!(status == 400 && reply["error"].to_string().contains("line 1"), "{reply}");
    Ok(())
}
