//! Feedback.

use anyhow::Result;
use serde_json::json;

use crate::harness::{TestApp, answer, settings, text};

#[actix_web::test]
async fn post_adds_and_put_replaces() -> Result<()> {
    let app = TestApp::start()?;
    let row = |value: f64, time: &str| json!([{ "FeedbackType": "read", "UserId": "u", "ItemId": "i", "Value": value, "Timestamp": time }]);
    app.send("POST", "/api/feedback", &row(1.0, "2020-01-02")).await?;
    app.send("POST", "/api/feedback", &row(2.0, "2020-01-01T00:00:00Z")).await?;
    let expected = json!({
        "FeedbackType": "read", "UserId": "u", "ItemId": "i", "Value": 3.0,
        "Timestamp": "2020-01-01T00:00:00Z", "Updated": "2020-01-02T00:00:00Z",
        "Labels": null, "Comment": "",
    });
    assert_eq!(app.fetch("/api/feedback/read/u/i").await?, expected);
    app.send("PUT", "/api/feedback", &row(9.0, "2020-01-03")).await?;
    let found = app.fetch("/api/feedback/read/u/i").await?;
    assert_eq!(
        (&found["Value"], &found["Timestamp"]),
        (&json!(9.0), &json!("2020-01-03T00:00:00Z"))
    );

    let both = json!([row(5.0, "2020-01-04")[0], row(7.0, "2020-01-05")[0]]);
    assert_eq!(app.send("PUT", "/api/feedback", &both).await?, json!({ "RowAffected": 2 }));
    let found = app.fetch("/api/feedback/read/u/i").await?;
    assert_eq!(found["Value"], 5.0, "of the same key only the first of a call counts");
    assert!(app.fetch("/api/user/u").await?["Labels"].is_null(), "the user was made");
    assert_eq!(app.fetch("/api/item/i").await?["Categories"], json!([]));
    Ok(())
}

#[actix_web::test]
async fn lists_know_types_users_items_and_expressions() -> Result<()> {
    let app = TestApp::start()?;
    let rows = [
        ("like", "u", "a", 1),
        ("read", "u", "a", 2),
        ("read", "u", "b", 4),
        ("read", "v", "a", 3),
    ];
    let rows: Vec<_> = rows
        .map(|(kind, user, item, value)| {
            json!({ "FeedbackType": kind, "UserId": user, "ItemId": item, "Value": value })
        })
        .into();
    app.send("POST", "/api/feedback", &json!(rows)).await?;
    let count = async |path: &str| {
        let reply = app.fetch(path).await?;
        let rows = if reply.is_array() { &reply } else { &reply["Feedback"] };
        anyhow::Ok(rows.as_array().map_or(0, Vec::len))
    };
    for (path, expected) in [
        ("/api/feedback", 4),
        ("/api/feedback/read/", 3),
        ("/api/feedback/none", 0),
        ("/api/feedback/u/a", 2),
        ("/api/user/u/feedback", 3),
        ("/api/user/u/feedback/read", 2),
        ("/api/user/u/feedback/read%3E=3", 1),
        ("/api/user/u/feedback/read%3C3", 1),
        ("/api/item/a/feedback", 3),
        ("/api/item/a/feedback/read%3E2.5", 1),
        ("/api/item/nothing/feedback/", 0),
    ] {
        assert_eq!(count(path).await?, expected, "{path}");
    }
    let first = app.fetch("/api/feedback/read?n=2").await?;
    let cursor = first["Cursor"].as_str().unwrap_or_default().to_owned();
    let rest = answer(app.get("/api/feedback/read").query(&[("Cursor", &cursor)])).await?.1;
    assert_eq!((rest["Feedback"][0]["UserId"].as_str(), &rest["Cursor"]), (Some("v"), &json!("")));

    assert_eq!(text(app.get("/api/feedback/like/v/a")).await?, (200, "{}".into()));
    let delete = |path: &str| app.client.delete(format!("{}{path}", app.url));
    assert_eq!(answer(delete("/api/feedback/like/u/a")).await?.1, json!({ "RowAffected": 1 }));
    assert_eq!(answer(delete("/api/feedback/u/a")).await?.1, json!({ "RowAffected": 1 }));
    assert_eq!(answer(delete("/api/feedback/u/a")).await?.1, json!({ "RowAffected": 0 }));
    assert_eq!(count("/api/user/u/feedback").await?, 1);
    Ok(())
}

#[actix_web::test]
async fn feedback_of_the_future_is_not_seen_yet() -> Result<()> {
    let app = TestApp::start()?;
    app.stock(&[("a", &[]), ("b", &[])]).await?;
    let row = |time: &str| json!([{ "FeedbackType": "read", "UserId": "u", "ItemId": "a", "Timestamp": time }]);
    app.send("POST", "/api/feedback", &row("2999-01-01")).await?;
    assert_eq!(app.fetch("/api/feedback").await?["Feedback"], json!([]));
    assert_eq!(app.fetch("/api/user/u/feedback").await?, json!([]));
    assert_eq!(app.fetch("/api/recommend/u").await?, json!(["b", "a"]), "it excludes nothing");
    assert_eq!(app.fetch("/api/popular").await?, json!([]));
    app.send("POST", "/api/feedback", &row("0042-01-01")).await?;
    assert_eq!(app.fetch("/api/recommend/u").await?, json!(["b"]), "the ancient past counts");
    Ok(())
}

#[actix_web::test]
async fn unknown_users_and_items_are_dropped_if_so_set() -> Result<()> {
    let app = TestApp::configured(settings("auto_insert_item = false")?)?;
    app.stock(&[("a", &[])]).await?;
    app.read("u", &["a", "unknown"]).await?;
    assert_eq!(app.fetch("/api/user/u/feedback").await?.as_array().map(Vec::len), Some(1));
    Ok(())
}
