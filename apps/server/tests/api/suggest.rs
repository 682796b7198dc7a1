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

#[actix_web::test]
async fn the_keeper_decides_about_suggestions() -> Result<()> {
    let app = TestApp::configured(settings("admin_key = 'open sesame'")?)?;
    for q in ["one", "two", "three", "two"] {
        let body = json!({ "q": q, "s": "drei", "source": "en", "target": "de" });
        assert_eq!(app.json("/suggest", &body).await?.0, 200);
    }
    let list = async |query: &str| {
        let request = app.get(&format!("/admin/suggestions{query}"));
        answer(request.bearer_auth("open sesame")).await
    };
    let texts = |reply: &serde_json::Value| -> Vec<String> {
        let rows = reply["suggestions"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| row["q"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let (status, all) = list("").await?;
    assert_eq!((status, texts(&all)), (200, ["three", "two", "one"].map(String::from).to_vec()));
    assert_eq!(all["suggestions"][0]["status"], "pending");
    let ids: Vec<u64> = (0..3).filter_map(|i| all["suggestions"][i]["id"].as_u64()).collect();

    let judge = async |id: &str, body: serde_json::Value| {
        let request = app
            .client
            .put(format!("{}/admin/suggestions/{id}", app.url))
            .bearer_auth("open sesame");
        answer(request.body(body.to_string())).await
    };
    let (status, judged) = judge(&ids[1].to_string(), json!({ "status": "approved" })).await?;
    assert_eq!((status, &judged["q"], &judged["status"]), (200, &json!("two"), &json!("approved")));
    judge(&ids[2].to_string(), json!({ "status": "rejected" })).await?;
    assert_eq!(texts(&list("?status=approved").await?.1), ["two"]);
    assert_eq!(texts(&list("?limit=1").await?.1), ["three"]);
    assert_eq!(texts(&list(&format!("?limit=1&before={}", ids[0])).await?.1), ["two"]);
    let counts = json!({ "pending": 1, "approved": 1, "rejected": 1 });
    assert_eq!(list("?limit=0").await?.1, json!({ "suggestions": [], "counts": counts }));

    let (status, reply) = judge("5", json!({ "status": "approved" })).await?;
    assert_eq!(status, 404);
    assert!(reply["error"].as_str().is_some_and(|e| e.contains("no suggestion 5")), "{reply}");
    for (id, body) in [
        ("x", json!({ "status": "approved" })),
        (&*ids[0].to_string(), json!({ "status": "perhaps" })),
        (&*ids[0].to_string(), json!({})),
    ] {
        let (status, reply) = judge(id, body).await?;
        assert!(status == 400 && reply["error"].is_string(), "{status} {reply}");
    }
    let remove = async |id: u64| {
        let request = app.client.delete(format!("{}/admin/suggestions/{id}", app.url));
        answer(request.bearer_auth("open sesame")).await
    };
    assert_eq!(remove(ids[0]).await?, (200, json!({ "removed": true })));
    assert_eq!(remove(ids[0]).await?, (200, json!({ "removed": false })));
    assert_eq!(app.get("/admin/suggestions").send().await?.status(), 401);
    assert_eq!(
        app.client.delete(format!("{}/admin/suggestions/1", app.url)).send().await?.status(),
        401
    );
    Ok(())
}

#[actix_web::test]
async fn a_suggestion_for_a_domain_that_is_not_there_is_refused() -> Result<()> {
    let app = TestApp::start()?;
    let body =
        json!({ "q": "Hello", "s": "Hallo", "source": "en", "target": "de", "domain": "law" });
    let (status, reply) = app.json("/suggest", &body).await?;
    assert!(status == 400 && reply["error"].to_string().contains("law"), "{reply}");
    assert_eq!(app.store.suggestions().count(), 0);
    Ok(())
}
