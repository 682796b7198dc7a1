//! Lists for everybody, and what is near an item or a user.

use anyhow::Result;
use dragoman_server::ServerConfig;
use serde_json::json;

use super::ids;
use crate::harness::{TestApp, settings, text};

#[actix_web::test]
async fn a_fresh_server_answers_from_the_first_item_on() -> Result<()> {
    let app = TestApp::start()?;
    assert_eq!(app.fetch("/api/recommend/anybody").await?, json!([]));
    for path in [
        "/api/latest",
        "/api/popular",
        "/api/non-personalized/popular",
        "/api/item/x/neighbors/",
        "/api/user/x/neighbors/",
        "/api/measurements/x",
    ] {
        assert_eq!(app.fetch(path).await?, json!([]), "{path}");
    }
    app.stock(&[("a", &["x"]), ("b", &["x", "y"]), ("c", &[])]).await?;
    assert_eq!(app.fetch("/api/recommend/anybody").await?, json!(["c", "b", "a"]), "latest first");
    assert_eq!(app.fetch("/api/recommend/anybody/x").await?, json!(["b", "a"]));
    app.read("u", &["a"]).await?;
    app.read("v", &["a", "b"]).await?;
    assert_eq!(app.fetch("/api/recommend/anybody").await?, json!(["a", "b", "c"]), "popular first");
    assert_eq!(app.fetch("/api/recommend/u/").await?, json!(["b", "c"]), "what was read is out");
    Ok(())
}

#[actix_web::test]
async fn latest_and_popular_are_cut_and_filtered() -> Result<()> {
    let app = TestApp::start()?;
    app.stock(&[("a", &["x"]), ("b", &["x", "y"]), ("c", &["y"])]).await?;
    let latest = app.fetch("/api/latest/").await?;
    assert_eq!(ids(&latest), ["c", "b", "a"]);
    assert_eq!(latest[2]["Score"], 1_704_067_200.0, "the score is the time");
    assert_eq!(ids(&app.fetch("/api/latest/x").await?), ["b", "a"]);
    assert_eq!(ids(&app.fetch("/api/latest?category=x&category=y").await?), ["b"]);
    assert_eq!(ids(&app.fetch("/api/latest?n=1&offset=1").await?), ["b"]);
    assert_eq!(ids(&app.fetch("/api/latest?category=none").await?), [""; 0]);
    app.read("u", &["a", "b"]).await?;
    app.read("v", &["b"]).await?;
    assert_eq!(ids(&app.fetch("/api/popular").await?), ["b", "a"]);
    assert_eq!(ids(&app.fetch("/api/popular/y").await?), ["b"]);
    assert_eq!(ids(&app.fetch("/api/non-personalized/popular?user-id=v").await?), ["a"]);
    assert_eq!(ids(&app.fetch("/api/latest?user-id=u").await?), ["c"]);
    let (status, reason) = text(app.get("/api/non-personalized/weekly")).await?;
    assert!(status == 404 && reason.contains("`weekly`"), "{reason}");
    Ok(())
}

#[actix_web::test]
async fn neighbours_follow_each_event() -> Result<()> {
    let app =
        TestApp::configured(settings("recommender_aliases = 'most_liked=popular,also=users'")?)?;
    app.stock(&[("a", &["x"]), ("b", &[]), ("c", &["x"]), ("d", &["z"])]).await?;
    app.read("u", &["a", "b"]).await?;
    assert_eq!(ids(&app.fetch("/api/item-to-item/users/a").await?), ["b"]);
    assert_eq!(ids(&app.fetch("/api/item-to-item/content/a").await?), ["c"]);
    assert_eq!(ids(&app.fetch("/api/item/a/neighbors").await?), ["b", "c"]);
    assert_eq!(ids(&app.fetch("/api/item/a/neighbors/x").await?), ["c"]);
    app.read("v", &["a", "d"]).await?;
    app.read("w", &["a", "d"]).await?;
    assert_eq!(ids(&app.fetch("/api/item-to-item/also/a/").await?), ["d", "b"]);
    assert_eq!(ids(&app.fetch("/api/user/u/neighbors").await?), ["v", "w"]);
    assert_eq!(ids(&app.fetch("/api/user-to-user/neighbors/v?n=1").await?), ["w"]);
    assert_eq!(ids(&app.fetch("/api/non-personalized/most_liked?n=2").await?), ["a", "d"]);
    let (status, reason) = text(app.get("/api/item-to-item/magic/a")).await?;
    assert!(status == 404 && reason.contains("`magic`"), "{reason}");
    let delete = app.client.delete(format!("{}/api/user/v", app.url));
    assert_eq!(text(delete).await?.0, 200);
    assert_eq!(ids(&app.fetch("/api/user/u/neighbors").await?), ["w"]);
    Ok(())
}

#[actix_web::test]
async fn lists_outlive_a_restart() -> Result<()> {
    let app = TestApp::start()?;
    app.stock(&[("a", &[]), ("b", &[])]).await?;
    app.read("u", &["a"]).await?;
    let store = app.store.clone();
    let dir = tempfile::tempdir()?;
    let again = TestApp::of(
        ServerConfig::default(),
        crate::model::Tagger::default(),
        dragoman_server::RecommenderHandle::default(),
        (store, dir),
    )?;
    assert_eq!(ids(&again.fetch("/api/popular").await?), ["a"]);
    assert_eq!(again.fetch("/api/recommend/u").await?, json!(["b"]));
    Ok(())
}
