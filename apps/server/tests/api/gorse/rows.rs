//! Users and items.

use anyhow::Result;
use serde_json::json;

use crate::harness::{TestApp, answer, settings, text};

#[actix_web::test]
async fn a_user_is_added_changed_and_removed() -> Result<()> {
    let app = TestApp::start()?;
    let user = json!({ "UserId": "bob", "Labels": { "age": 3, "likes": ["x"] }, "Comment": "c" });
    assert_eq!(app.send("POST", "/api/user", &user).await?, json!({ "RowAffected": 1 }));
    assert_eq!(app.fetch("/api/user/bob").await?, user);
    app.send("PATCH", "/api/user/bob", &json!({ "Labels": null, "comment": "d" })).await?;
    assert_eq!(app.fetch("/api/user/bob/").await?["Comment"], "d");
    assert_eq!(app.fetch("/api/user/bob").await?["Labels"], user["Labels"]);

    app.read("bob", &["i"]).await?;
    let gone = json!({ "RowAffected": 1 });
    assert_eq!(app.send("DELETE", "/api/user/bob", &json!(null)).await?, gone);
    let missing = (404, "user bob not found".to_owned());
    assert_eq!(text(app.get("/api/user/bob")).await?, missing);
    assert_eq!(app.fetch("/api/user/bob/feedback").await?, json!([]));
    assert_eq!(app.send("DELETE", "/api/user/bob", &json!(null)).await?, gone);
    assert_eq!(app.send("PATCH", "/api/user/bob", &json!({ "Comment": "e" })).await?, gone);
    assert_eq!(text(app.get("/api/user/bob")).await?, missing, "a patch makes nobody");
    Ok(())
}

#[actix_web::test]
async fn an_item_is_added_changed_and_removed() -> Result<()> {
    let app = TestApp::start()?;
    let item = json!({
        "ItemId": "i", "IsHidden": false, "Categories": ["a"], "Timestamp": "2020-01-02T00:00:00Z",
        "Labels": ["x", "y"], "Comment": "",
    });
    app.send("POST", "/api/item", &item).await?;
    assert_eq!(app.fetch("/api/item/i").await?, item);
    app.send("PUT", "/api/item/i/category/b%2Fc", &json!(null)).await?;
    assert_eq!(app.fetch("/api/item/i").await?["Categories"], json!(["a", "b/c"]));
    app.client.put(format!("{}/api/item/i/category/d", app.url)).send().await?; // without a body
    app.send("DELETE", "/api/item/i/category/a", &json!(null)).await?;
    assert_eq!(app.fetch("/api/item/i").await?["Categories"], json!(["b/c", "d"]));
    app.send("PATCH", "/api/item/i", &json!({ "IsHidden": true })).await?;
    assert_eq!(app.fetch("/api/item/i").await?["IsHidden"], true);
    assert_eq!(app.fetch("/api/latest").await?, json!([]), "hidden items are in no list");
    app.send("DELETE", "/api/item/i", &json!(null)).await?;
    assert_eq!(text(app.get("/api/item/i")).await?, (404, "item i not found".into()));
    let put = app.client.put(format!("{}/api/item/i/category/d", app.url));
    assert_eq!(text(put).await?, (500, "item i not found".into()));
    Ok(())
}

#[actix_web::test]
async fn rows_are_paged_in_the_order_of_bytes() -> Result<()> {
    let app = TestApp::start()?;
    let rows: Vec<_> = ["c", "a/b", "é", "a", "b"].map(|id| json!({ "userid": id })).into();
    assert_eq!(app.send("POST", "/api/users", &json!(rows)).await?, json!({ "RowAffected": 5 }));
    for spelling in ["cursor", "Cursor"] {
        let (mut cursor, mut found, mut pages) = (String::new(), Vec::new(), 0);
        loop {
            let query = [("n", "2"), (spelling, cursor.as_str())];
            let page = answer(app.get("/api/users").query(&query)).await?.1;
            let users = page["Users"].as_array().cloned().unwrap_or_default();
            found.extend(users.iter().filter_map(|user| user["UserId"].as_str()).map(String::from));
            pages += 1;
            cursor = page["Cursor"].as_str().unwrap_or_default().into();
            if cursor.is_empty() || pages > 9 {
                break;
            }
        }
        assert_eq!((found, pages), (["a", "a/b", "b", "c", "é"].map(String::from).to_vec(), 3));
    }
    let items = app.fetch("/api/items?n=0").await?;
    assert_eq!(items, json!({ "Cursor": "", "Items": [] }));
    Ok(())
}

#[actix_web::test]
async fn items_and_users_are_found_by_text() -> Result<()> {
    let app = TestApp::start()?;
    app.stock(&[("lamp", &[]), ("chair", &[])]).await?;
    app.send("POST", "/api/user", &json!({ "UserId": "u1", "Comment": "Anna" })).await?;
    assert_eq!(app.fetch("/api/items?q=ITEM%20L").await?["Items"][0]["ItemId"], "lamp");
    assert_eq!(app.fetch("/api/users?q=ann").await?["Users"][0]["UserId"], "u1");
    assert_eq!(app.fetch("/api/users?q=nobody").await?["Users"], json!([]));
    Ok(())
}

#[actix_web::test]
async fn identifiers_may_hold_anything() -> Result<()> {
    let app = TestApp::start()?;
    for id in ["a/b", "日本 語", "50%", "a+b", "%2F", "a\u{0}b", "...", "\"quoted\"", "x?y#z"] {
        app.send("POST", "/api/user", &json!({ "UserId": id })).await?;
        let mut url = reqwest::Url::parse(&app.url)?;
        let coded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        url.set_path(&format!("/api/user/{coded}"));
        let (status, user) = answer(app.client.get(url)).await?;
        assert_eq!((status, user["UserId"].as_str()), (200, Some(id)));
    }
    Ok(())
}

#[actix_web::test]
async fn every_reply_says_who_it_is_and_whom_it_allows() -> Result<()> {
    let app = TestApp::configured(settings("allowed_origins = '*'")?)?;
    for path in ["/api/health/live", "/api/health/ready", "/api/user/nobody", "/api/nothing"] {
        let reply = app.get(path).send().await?;
        let header = |name| reply.headers().get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("X-Request-ID").map(str::len), Some(36), "{path}");
        assert_eq!(header("Access-Control-Allow-Origin"), Some("*"));
        let allowed = header("Access-Control-Allow-Headers").unwrap_or_default();
        assert!(allowed.contains("X-API-Key"), "{allowed}");
    }
    let health = app.fetch("/api/health/ready").await?;
    assert_eq!((&health["Ready"], &health["DataStoreError"]), (&json!(true), &json!(null)));
    let reply = app.get("/api/latest").send().await?;
    assert!(reply.headers().contains_key("Last-Modified"));
    Ok(())
}
