//! What users of such services have reported: each kind of fault once.

use anyhow::Result;
use serde_json::{Value, json};

use super::ids;
use crate::harness::{TestApp, settings, text};

/// `text` as a part of an address.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[actix_web::test]
async fn vectors_are_neighbours_by_distance_and_no_tags() -> Result<()> {
    let app = TestApp::start()?;
    for (id, vector) in [
        ("here", [1.0, 1.0, 0.5]),
        ("near", [1.0, 0.9, 0.5]),
        ("longer", [2.0, 2.0, 1.0]),
        ("far", [1.0, -9.0, 0.5]), // shares two numbers with `here`
    ] {
        let labels = json!({ "embedding": vector, "look": { "vector": [vector[1], vector[0]] } });
        app.send("POST", "/api/item", &json!({ "ItemId": id, "Labels": labels })).await?;
    }
    let plain = json!({ "ItemId": "plain", "Labels": { "embedding": [1, 1] } });
    app.send("POST", "/api/item", &plain).await?;
    for list in ["/api/item-to-item/embedding/here", "/api/item/here/neighbors"] {
        assert_eq!(ids(&app.fetch(list).await?), ["near", "longer", "far"], "{list}");
    }
    let cosine = app.fetch("/api/item-to-item/cosine/here").await?;
    assert_eq!(ids(&cosine), ["longer", "near", "far"]);
    assert!(cosine[0]["Score"].as_f64().is_some_and(|score| score.abs() < 1e-6), "{cosine}");
    let look = app.fetch("/api/item-to-item/embedding:look.vector/near").await?;
    assert_eq!(ids(&look), ["here", "longer", "far"]);
    assert_eq!(app.fetch("/api/item-to-item/embedding/nothing").await?, json!([]));
    Ok(())
}

#[actix_web::test]
async fn what_is_excluded_is_taken_as_it_is() -> Result<()> {
    let app = TestApp::start()?;
    let ids = ["Good, the Bad & the Ugly", "Rock + Roll", "50% wool", "Good", "rest"];
    let rows: Vec<Value> = ids.iter().map(|id| json!({ "ItemId": id })).collect();
    app.send("POST", "/api/items", &json!(rows)).await?;
    let exclude: Vec<String> =
        ids[..3].iter().map(|id| format!("exclude={}", encoded(id))).collect();
    let list = format!("/api/recommend/u?{}", exclude.join("&"));
    assert_eq!(app.fetch(&list).await?, json!(["Good", "rest"]));
    app.read("u", &["Good"]).await?;
    assert_eq!(app.fetch(&list).await?, json!(["rest"]));
    let deleted = app.send("DELETE", "/api/feedback/read/u/Good", &Value::Null).await?;
    assert_eq!(deleted, json!({ "RowAffected": 1 }));
    assert_eq!(app.fetch(&list).await?, json!(["Good", "rest"]));
    assert_eq!(app.fetch("/api/popular").await?, json!([]), "as popular as before");
    Ok(())
}

#[actix_web::test]
async fn feedback_counts_with_the_value_that_it_has_now() -> Result<()> {
    let meaning = "positive_feedback = 'seen>0'\nnegative_feedback = 'seen<0'";
    let app = TestApp::configured(settings(meaning)?)?;
    app.stock(&[("p", &[]), ("q", &[])]).await?;
    let row = |user: &str, value: f64| {
        json!([{ "FeedbackType": "seen", "UserId": user, "ItemId": "p", "Value": value,
            "Timestamp": "2024-05-01T00:00:00Z" }])
    };
    for (method, value, is_popular) in
        [("POST", 0.0, false), ("PUT", 2.0, true), ("PUT", -0.5, false), ("PUT", 1.0, true)]
    {
        app.send(method, "/api/feedback", &row("u", value)).await?;
        let popular = app.fetch("/api/popular").await?;
        assert_eq!(ids(&popular).contains(&"p"), is_popular, "{value}: {popular}");
        let liked = app.fetch("/api/user/u/feedback/seen%3E0").await?;
        assert_eq!(liked.as_array().map(Vec::len), Some(usize::from(is_popular)), "{liked}");
        assert_eq!(app.fetch("/api/recommend/u").await?, json!(["q"]), "{value}");
    }
    app.send("PUT", "/api/feedback", &row("u", 0.0)).await?;
    for (value, is_popular) in [(1.0, true), (-3.0, false)] {
        app.send("POST", "/api/feedback", &row("v", value)).await?;
        assert_eq!(ids(&app.fetch("/api/popular").await?).contains(&"p"), is_popular, "{value}");
    }
    assert_eq!(app.fetch("/api/feedback/seen/v/p").await?["Value"], -2.0);
    Ok(())
}

#[actix_web::test]
async fn a_hidden_item_is_in_no_list_and_comes_back_to_all() -> Result<()> {
    let app = TestApp::start()?;
    app.stock(&[("a", &["x"]), ("b", &["x"]), ("c", &["x"])]).await?;
    app.read("u", &["a", "b"]).await?;
    app.read("v", &["a", "b", "c"]).await?;
    let lists = async || -> Result<Vec<Value>> {
        let mut lists = Vec::new();
        for path in [
            "/api/recommend/w?category=x",
            "/api/latest/x",
            "/api/non-personalized/popular",
            "/api/item/a/neighbors?category=x",
            "/api/item-to-item/content/a",
        ] {
            lists.push(app.fetch(path).await?);
        }
        lists.push(app.fetch("/api/items?q=b").await?["Items"].clone());
        let session = json!([{ "FeedbackType": "read", "ItemId": "a" }]);
        lists.push(app.send("POST", "/api/session/recommend", &session).await?);
        Ok(lists)
    };
    let names_b = |list: &Value| list.to_string().contains("\"b\"");
    let before = lists().await?;
    assert!(before.iter().all(names_b), "{before:?}");
    app.send("PATCH", "/api/item/b", &json!({ "IsHidden": true })).await?;
    let hidden = lists().await?;
    assert!(!hidden.iter().any(names_b), "{hidden:?}");
    assert_eq!(app.fetch("/api/item/b").await?["Labels"], json!({ "letter": "b" }));
    app.send("PATCH", "/api/item/b", &json!({ "IsHidden": false })).await?;
    let ids_of =
        |lists: &[Value]| lists.iter().map(|l| format!("{:?}", ids(l))).collect::<Vec<_>>();
    assert_eq!(ids_of(&lists().await?), ids_of(&before));
    Ok(())
}

#[actix_web::test]
async fn a_feed_ends_when_everything_was_seen() -> Result<()> {
    let app = TestApp::start()?;
    let rows: Vec<Value> = (10..33).map(|i| json!({ "ItemId": format!("i{i}") })).collect();
    app.send("POST", "/api/items", &json!(rows)).await?;
    app.read("other", &["i12", "i13"]).await?;
    let mut sizes = Vec::new();
    let mut seen: Vec<Value> = Vec::new();
    loop {
        let list = app.fetch("/api/recommend/feed?n=10").await?;
        let list = list.as_array().cloned().unwrap_or_default();
        sizes.push(list.len());
        if list.is_empty() {
            break;
        }
        let row = |id: &Value| json!({ "FeedbackType": "seen", "UserId": "feed", "ItemId": id });
        let rows: Vec<Value> = list.iter().map(row).collect();
        app.send("POST", "/api/feedback", &json!(rows)).await?;
        seen.extend(list);
    }
    assert_eq!(sizes, [10, 10, 3, 0]);
    seen.sort_by_key(|id| id.to_string());
    seen.dedup();
    assert_eq!(seen.len(), 23, "none came twice");
    app.send("DELETE", "/api/feedback/seen/feed/i17", &Value::Null).await?;
    assert_eq!(app.fetch("/api/recommend/feed?n=10").await?, json!(["i17"]));
    Ok(())
}

#[actix_web::test]
async fn categories_are_what_people_write() -> Result<()> {
    let app = TestApp::start()?;
    let names =
        ["日本_二手", "C & C++", "20% off", "Home/Garden", "a=b;c", " two  blanks ", "it's \"so\""];
    for (number, name) in names.iter().enumerate() {
        let item = json!({ "ItemId": format!("i{number}"), "Categories": [name] });
        app.send("POST", "/api/item", &item).await?;
        app.read("reader", &[&format!("i{number}")]).await?;
    }
    app.send("POST", "/api/item", &json!({ "ItemId": "none", "Categories": null })).await?;
    for (number, name) in names.iter().enumerate() {
        let (own, name) = (format!("i{number}"), encoded(name));
        assert_eq!(app.fetch(&format!("/api/recommend/u?category={name}")).await?, json!([own]));
        for path in [
            format!("/api/latest?category={name}"),
            format!("/api/latest/{name}"),
            format!("/api/non-personalized/popular?category={name}"),
        ] {
            assert_eq!(ids(&app.fetch(&path).await?), [own.as_str()], "{path}");
        }
        let path = format!("/api/item/none/category/{name}");
        app.send("PUT", &path, &Value::Null).await?;
        assert_eq!(app.fetch("/api/item/none").await?["Categories"], json!([names[number]]));
        app.send("DELETE", &path, &Value::Null).await?;
        assert_eq!(app.fetch("/api/item/none").await?["Categories"], json!([]));
    }
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(app.fetch("/api/dashboard/categories").await?, json!(sorted));
    assert_eq!(app.fetch("/api/recommend/u?category=unknown").await?, json!([]));
    let all = app.fetch("/api/recommend/u?category=").await?;
    assert_eq!(all.as_array().map(Vec::len), Some(8));
    let latest = app.fetch("/api/latest").await?;
    assert!(latest[7]["Score"].is_number(), "an item without a time has a place: {latest}");
    Ok(())
}

#[actix_web::test]
async fn undated_items_are_the_last_of_the_latest_even_behind_those_before_1970() -> Result<()> {
    let app = TestApp::start()?;
    for (id, time) in [("undated", ""), ("old", "1901-05-01"), ("new", "2021-01-01")] {
        let item = json!({ "ItemId": id, "Timestamp": time, "Labels": null });
        app.send("POST", "/api/item", &item).await?;
    }
    assert_eq!(ids(&app.fetch("/api/latest").await?), ["new", "old", "undated"]);
    assert_eq!(app.fetch("/api/recommend/u").await?, json!(["new", "old", "undated"]));
    Ok(())
}

#[actix_web::test]
async fn a_call_gets_no_more_rows_than_a_page_holds() -> Result<()> {
    let app = TestApp::start()?;
    let rows: Vec<Value> = (0..12_000).map(|i| json!({ "ItemId": format!("i{i:05}") })).collect();
    app.send("POST", "/api/items", &json!(rows)).await?;
    let page = app.fetch("/api/items?n=1000000000").await?;
    assert_eq!(page["Items"].as_array().map(Vec::len), Some(10_000));
    let cursor = page["Cursor"].as_str().unwrap_or_default();
    let rest = app.fetch(&format!("/api/items?n=1000000000&cursor={}", encoded(cursor))).await?;
    assert_eq!(rest["Items"].as_array().map(Vec::len), Some(2_000));
    let list = app.fetch("/api/recommend/u?n=1000000000&write-back-type=seen").await?;
    assert_eq!(list.as_array().map(Vec::len), Some(1_000), "a GET writes no more");
    let stats = app.fetch("/api/dashboard/stats").await?;
    assert_eq!((&stats["NumFeedback"], &stats["NumItems"]), (&json!(1_000), &json!(12_000)));
    Ok(())
}

#[actix_web::test]
async fn errors_have_the_words_of_the_original() -> Result<()> {
    let app = TestApp::start()?;
    assert_eq!(text(app.get("/api/user/1000")).await?, (404, "user 1000 not found".into()));
    assert_eq!(text(app.get("/api/item/2000")).await?, (404, "item 2000 not found".into()));
    Ok(())
}

#[actix_web::test]
async fn a_byte_order_mark_and_windows_lines_do_no_harm() -> Result<()> {
    let app = TestApp::start()?;
    let lines = "\u{feff}{\"ItemId\":\"a\"}\r\n{\"ItemId\":\"b\"}\r\n";
    let (status, reply) = text(app.post("/api/bulk/items").body(lines)).await?;
    assert_eq!((status, reply.as_str()), (200, "{\"RowAffected\":2}"));
    Ok(())
}
