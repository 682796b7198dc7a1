//! Tenants and their keys.

use anyhow::Result;
use dragoman_store::KeyLimits;
use serde_json::json;

use crate::harness::{TestApp, answer, settings, text};

#[actix_web::test]
async fn a_key_is_asked_for_once_there_is_one() -> Result<()> {
    let app = TestApp::start()?;
    assert_eq!(app.get("/api/latest").send().await?.status(), 200);
    let key = app.store.create_key(Some("default"), KeyLimits::default())?;
    assert_eq!(text(app.get("/api/latest")).await?, (401, "unauthorized".into()));
    let with = |key: &str| app.get("/api/latest").header("X-API-Key", key.to_owned());
    assert_eq!(text(with("guessed")).await?.0, 401);
    assert_eq!(text(with(&key)).await?.0, 200);
    assert_eq!(text(app.get("/api/health/live")).await?.0, 200, "health needs none");
    app.store.remove_key(&key)?;
    assert_eq!(text(app.get("/api/latest")).await?.0, 401, "losing the last key opens nothing");

    let app = TestApp::configured(settings("recommend_api_key = 'secret'")?)?;
    assert_eq!(text(app.get("/api/latest")).await?.0, 401);
    let with = app.get("/api/latest").header("X-API-Key", "secret");
    assert_eq!(text(with).await?.0, 200);
    Ok(())
}

#[actix_web::test]
async fn tenants_are_made_over_the_admin_api_and_see_their_own() -> Result<()> {
    let app = TestApp::configured(settings("admin_key = 'open sesame'")?)?;
    let unknown = (404, "no tenant `shop`".to_owned());
    assert_eq!(text(app.get("/t/shop/api/latest")).await?, unknown);
    let body = json!({ "name": "shop" });
    assert_eq!(text(app.post("/admin/tenants").json(&body)).await?.0, 401);
    let (status, made) =
        answer(app.post("/admin/tenants").bearer_auth("open sesame").json(&body)).await?;
    assert_eq!(status, 200, "{made}");
    let again = app.post("/admin/tenants").bearer_auth("open sesame").json(&body);
    let (status, reply) = answer(again).await?;
    assert!(status == 400 && reply["error"].to_string().contains("already"), "{reply}");

    let key = made["key"].as_str().unwrap_or_default();
    assert_eq!(text(app.get("/t/shop/api/latest")).await?, (401, "unauthorized".into()));
    let item =
        app.post("/t/shop/api/item").header("X-API-Key", key).json(&json!({ "ItemId": "i" }));
    assert_eq!(answer(item).await?, (200, json!({ "RowAffected": 1 })));
    let latest = app.get("/t/shop/api/latest").header("X-API-Key", key);
    assert_eq!(answer(latest).await?.1[0]["Id"], "i");
    assert_eq!(app.fetch("/api/latest").await?, json!([]));

    let list = app.get("/admin/tenants").bearer_auth("open sesame");
    let expected =
        json!([{ "has_keys": false, "name": "default" }, { "has_keys": true, "name": "shop" }]);
    assert_eq!(answer(list).await?.1, expected);
    let new = json!({ "tenant": "shop", "req_limit": 1 });
    let new = answer(app.post("/admin/keys").bearer_auth("open sesame").json(&new)).await?.1;
    let new = new["key"].as_str().unwrap_or_default().to_owned();
    let limited = || app.get("/t/shop/api/latest").header("X-API-Key", new.clone());
    assert_eq!(text(limited()).await?.0, 200);
    assert_eq!(text(limited()).await?.0, 429);
    let forget =
        app.client.delete(format!("{}/admin/keys/{new}", app.url)).bearer_auth("open sesame");
    assert_eq!(answer(forget).await?.1, json!({ "removed": true }));
    assert_eq!(text(limited()).await?.0, 401);
    let remove =
        app.client.delete(format!("{}/admin/tenants/shop", app.url)).bearer_auth("open sesame");
    assert_eq!(answer(remove).await?.1, json!({ "removed": true }));
    assert_eq!(text(app.get("/t/shop/api/latest")).await?, unknown);
    Ok(())
}

#[actix_web::test]
async fn recommendation_can_be_switched_off() -> Result<()> {
    let app = TestApp::configured(settings("recommend = false")?)?;
    assert_eq!(app.get("/api/latest").send().await?.status(), 404);
    assert_eq!(app.get("/health").send().await?.status(), 200);
    Ok(())
}
