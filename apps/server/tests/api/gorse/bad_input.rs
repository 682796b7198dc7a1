//! Calls that make no sense.

use anyhow::Result;
use serde_json::{Value, json};

use crate::harness::{TestApp, settings, text};

#[actix_web::test]
async fn a_call_that_makes_no_sense_is_told_why_in_plain_text() -> Result<()> {
    let app = TestApp::start()?;
    for (path, reason) in [
        ("/api/recommend/u?n=many", "`n` must be a number"),
        ("/api/recommend/u?n=-1", "`n` must be a number"),
        ("/api/latest?offset=1.5", "`offset` must be a number"),
        ("/api/recommend/u?write-back-delay=10", "invalid duration `10`"),
        ("/api/recommend/u?diversity=2", "`diversity` must be a number from 0 to 1"),
        ("/api/recommend/u?boost=books", "`boost` does not understand `books`"),
        ("/api/recommend/u?recommender=magic", "no recommender `magic`"),
        ("/api/user/u/feedback/read%3E=x", "invalid feedback type expression"),
        ("/api/latest?category=%FF", "not valid UTF-8"),
    ] {
        let reply = app.get(path).send().await?;
        let kind = reply.headers().get("Content-Type").and_then(|kind| kind.to_str().ok());
        assert_eq!(
            (reply.status().as_u16(), kind),
            (400, Some("text/plain; charset=utf-8")),
            "{path}"
        );
        let error = reply.text().await?;
        assert!(error.contains(reason) && !error.starts_with('{'), "{path}: {error}");
    }
    assert_eq!(text(app.get("/api/users?cursor=%25")).await?.0, 500, "as upstream");
    assert_eq!(text(app.get("/api/nothing/here")).await?.0, 404);
    assert_eq!(text(app.post("/api/latest")).await?.0, 405);
    Ok(())
}

#[actix_web::test]
async fn a_body_that_makes_no_sense_writes_nothing() -> Result<()> {
    let app = TestApp::start()?;
    let row = |fields: Value| {
        let mut row = json!({ "FeedbackType": "r", "UserId": "u", "ItemId": "i" });
        fields
            .as_object()
            .into_iter()
            .flatten()
            .for_each(|(name, value)| row[name] = value.clone());
        json!([json!({ "FeedbackType": "r", "UserId": "good", "ItemId": "i" }), row]).to_string()
    };
    for (body, reason) in [
        ("[".to_owned(), "invalid JSON"),
        ("{}".to_owned(), "must be a list"),
        ("\"x\"".to_owned(), "must be a list"),
        (r#"[{"Value":NaN}]"#.to_owned(), "invalid JSON"),
        (r#"[{"Value":1e400}]"#.to_owned(), "invalid JSON"),
        (row(json!({ "Timestamp": "yesterday" })), "`yesterday` is no time"),
        (row(json!({ "Labels": { "a": [true] } })), "unsupported labels"),
        (row(json!({ "UserId": "" })), "`UserId` is empty"),
        (row(json!({ "ItemId": "x".repeat(5000) })), "`ItemId` has 5000 bytes"),
        (row(json!({ "Labels": "x".repeat(100_000) })), "too large"),
        (row(json!({ "Value": "3" })), "`Value` must be a number"),
        ("[".repeat(100_000), "invalid JSON"),
    ] {
        let shown: String = body.chars().take(80).collect();
        let (status, error) = text(app.post("/api/feedback").body(body)).await?;
        assert!(status == 400 && error.contains(reason), "{shown}: {status} {error}");
    }
    assert_eq!(app.fetch("/api/users").await?["Users"], json!([]));
    Ok(())
}

#[actix_web::test]
async fn huge_lists_and_duplicates_are_taken() -> Result<()> {
    let app = TestApp::start()?;
    let row = |i: usize| json!({ "FeedbackType": "r", "UserId": format!("u{}", i % 50), "ItemId": format!("i{}", i % 300) });
    let rows: Vec<Value> = (0..100_000).map(row).collect();
    let reply = app.send("POST", "/api/feedback", &json!(rows)).await?;
    assert_eq!(reply, json!({ "RowAffected": 100_000 }));
    let stats = app.fetch("/api/dashboard/stats").await?;
    assert_eq!((&stats["NumUsers"], &stats["NumItems"]), (&json!(50), &json!(300)));
    assert_eq!(stats["NumFeedback"], 300, "each pair once");
    assert_eq!(app.fetch("/api/recommend/u0?n=100000").await?.as_array().map(Vec::len), Some(294));
    Ok(())
}

#[actix_web::test]
async fn a_body_over_the_limit_is_refused() -> Result<()> {
    let app = TestApp::configured(settings("recommend_body_limit = 1000")?)?;
    let (status, error) = text(app.post("/api/items").body("x".repeat(2000))).await?;
    assert!(status == 413 && error.contains("1000 bytes"), "{error}");
    Ok(())
}
