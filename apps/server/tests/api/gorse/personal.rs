//! Recommendation without a model, and what lists can be asked.

use anyhow::Result;
use serde_json::{Value, json};

use super::ids;
use crate::harness::{TestApp, answer, settings, text};

async fn shop() -> Result<TestApp> {
    let app = TestApp::start()?;
    let items: [(&str, &[&str]); 6] = [
        ("lamp", &["home"]),
        ("chair", &["home"]),
        ("novel", &["books"]),
        ("atlas", &["books"]),
        ("poems", &["books"]),
        ("pen", &["office"]),
    ];
    app.stock(&items).await?;
    app.read("anna", &["novel", "atlas"]).await?;
    app.read("ben", &["lamp", "chair", "pen"]).await?;
    Ok(app)
}

#[actix_web::test]
async fn the_next_response_knows_of_the_last_event() -> Result<()> {
    let app = shop().await?;
    app.read("carl", &["novel"]).await?;
    let before = app.fetch("/api/recommend/carl").await?;
    assert_eq!(before[0], "atlas", "anna read both");
    app.read("carl", &["lamp"]).await?;
    let after = app.fetch("/api/recommend/carl").await?;
    let first_two = [&after[0], &after[1]];
    assert!(first_two.contains(&&json!("chair")) || first_two.contains(&&json!("pen")), "{after}");
    assert!(!after.to_string().contains("lamp"), "{after}");
    Ok(())
}

#[actix_web::test]
async fn pages_are_stable_and_reach_the_end() -> Result<()> {
    let app = TestApp::start()?;
    let rows: Vec<Value> = (0..250).map(|i| json!({ "ItemId": format!("{i:03}") })).collect();
    app.send("POST", "/api/items", &json!(rows)).await?;
    app.read("u", &["007"]).await?;
    for options in ["", "&explore=1", "&diversity=0.5"] {
        let mut found = Vec::new();
        for offset in (0..300).step_by(60) {
            let page =
                app.fetch(&format!("/api/recommend/u?n=60&offset={offset}{options}")).await?;
            found.extend(page.as_array().cloned().unwrap_or_default());
        }
        let whole = app.fetch(&format!("/api/recommend/u?n=1000{options}")).await?;
        assert_eq!((json!(found), found.len()), (whole, 249), "with {options:?}");
    }
    Ok(())
}

#[actix_web::test]
async fn versions_differ_in_what_a_list_holds() -> Result<()> {
    let app = shop().await?;
    let list = app.fetch("/api/recommend/anna?n=2").await?;
    let scored = app.get("/api/recommend/anna?n=2").header("X-API-Version", "2");
    let scored = answer(scored).await?.1;
    assert_eq!(json!(ids(&scored)), list);
    assert!(scored[0]["Score"].as_f64() >= scored[1]["Score"].as_f64(), "{scored}");
    assert_eq!(app.fetch("/api/intermediate/recommend/anna/?n=2").await?, list);
    assert_eq!(json!(ids(&app.fetch("/api/collaborative-filtering/anna?n=2").await?)), list);
    Ok(())
}

#[actix_web::test]
async fn lists_are_filtered_boosted_and_mixed() -> Result<()> {
    let app = shop().await?;
    let list = async |query: &str| app.fetch(&format!("/api/recommend/anna?n=9&{query}")).await;
    assert_eq!(list("category=books").await?, json!(["poems"]));
    assert_eq!(list("category=books&category=home").await?, json!([]));
    assert_eq!(list("label=letter:pen").await?, json!(["pen"]));
    let without = list("label=!letter:pen&exclude=lamp&exclude=chair&exclude=none").await?;
    assert_eq!(without, json!(["poems"]));
    assert_eq!(list("").await?[0], "poems", "anna reads books");
    assert_eq!(list("recommender=latest").await?[0], "pen");
    let boosted = list("boost=category:home*1000").await?;
    assert_ne!(boosted, list("").await?);
    assert!(list("explore=3&seed=1").await?.as_array().is_some_and(|list| list.len() == 4));
    Ok(())
}

#[actix_web::test]
async fn a_list_says_why() -> Result<()> {
    let app = shop().await?;
    app.read("carl", &["novel"]).await?;
    let why = app.fetch("/api/recommend/carl?explain=true&n=2").await?;
    assert_eq!(why["Group"], "all");
    assert_eq!(why["Items"][0]["Id"], "atlas");
    let about = (&why["Items"][0]["Title"], &why["Items"][0]["Categories"]);
    assert_eq!(about, (&json!("Item atlas"), &json!(["books"])));
    let because = &why["Items"][0]["Because"][0];
    assert_eq!((&because["ItemId"], &because["Title"]), (&json!("novel"), &json!("Item novel")));
    assert!(because["Share"].as_f64().is_some_and(|share| share > 0.0), "{because}");
    let blend = why["Blend"].as_array().cloned().unwrap_or_default();
    let sum: f64 = blend.iter().filter_map(|one| one["Weight"].as_f64()).sum();
    assert!((sum - 1.0).abs() < 1e-3, "{blend:?}");
    Ok(())
}

#[actix_web::test]
async fn what_was_shown_can_be_written_back() -> Result<()> {
    let app = shop().await?;
    let list = app.fetch("/api/recommend/dora?n=2&write-back-type=seen").await?;
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    let seen = app.fetch("/api/user/dora/feedback/seen").await?;
    assert_eq!(seen.as_array().map(Vec::len), Some(2));
    assert!(
        !app.fetch("/api/recommend/dora?n=9").await?.to_string().contains(&list[0].to_string())
    );
    let later = "/api/recommend/emil?n=2&write-back-type=seen&write-back-delay=10m";
    app.fetch(later).await?;
    assert_eq!(app.fetch("/api/user/emil/feedback").await?, json!([]), "in ten minutes");
    let (status, reason) = text(app.get("/api/recommend/emil?write-back-delay=soon")).await?;
    assert!(status == 400 && reason.contains("`soon`"), "{reason}");
    Ok(())
}

#[actix_web::test]
async fn a_session_needs_no_user() -> Result<()> {
    let app = shop().await?;
    let body = json!([{ "FeedbackType": "read", "UserId": "", "ItemId": "novel",
        "Timestamp": "2024-05-01T00:00:00Z" }, { "FeedbackType": "read", "ItemId": "unknown" }]);
    let list = app.send("POST", "/api/session/recommend/?n=2", &body).await?;
    assert_eq!(ids(&list)[0], "atlas");
    let list = app.send("POST", "/api/session/recommend/home?n=9", &body).await?;
    assert_eq!(ids(&list).len(), 2);
    assert_eq!(ids(&app.send("POST", "/api/session/recommend", &json!([])).await?).len(), 6);
    Ok(())
}

#[actix_web::test]
async fn groups_are_compared_in_the_metrics() -> Result<()> {
    let app = TestApp::configured(settings("recommend_groups = 'old=latest:1'")?)?;
    app.stock(&[("a", &[]), ("b", &[])]).await?;
    let reply = app.get("/api/recommend/u").send().await?;
    let group = reply.headers().get("X-Recommend-Group").and_then(|group| group.to_str().ok());
    assert_eq!(group, Some("old"));
    assert_eq!(reply.json::<Value>().await?, json!(["b", "a"]));
    // A list that another recommender was asked for is none of the group's.
    assert_eq!(app.fetch("/api/recommend/u?recommender=popular&n=1").await?, json!(["b"]));
    app.fetch("/api/recommend/stranger?recommender=popular").await?;
    app.read("u", &["b"]).await?;
    app.read("stranger", &["b"]).await?;
    let metrics = text(app.get("/metrics")).await?.1;
    for line in [
        r#"dragoman_recommend_lists_total{group="old"} 1"#,
        r#"dragoman_recommend_items_total{group="old"} 2"#,
        r#"dragoman_recommend_liked_total{group="old"} 1"#,
        r#"api="GET /api/recommend/{user-id}""#,
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    Ok(())
}

#[actix_web::test]
async fn with_replacement_only_what_was_disliked_is_out() -> Result<()> {
    let app =
        TestApp::configured(settings("recommend_replacement = true\nnegative_feedback = 'skip'")?)?;
    app.stock(&[("a", &[]), ("b", &[]), ("c", &[])]).await?;
    app.read("u", &["a"]).await?;
    let skip = json!([{ "FeedbackType": "skip", "UserId": "u", "ItemId": "b" }]);
    app.send("POST", "/api/feedback", &skip).await?;
    let list = app.fetch("/api/recommend/u").await?.to_string();
    assert!(list.contains("\"a\"") && !list.contains("\"b\""), "{list}");
    Ok(())
}
