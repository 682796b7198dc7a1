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

#[actix_web::test]
async fn lists_of_many_users_are_made_in_one_call() -> Result<()> {
    let app = TestApp::start()?;
    app.stock(&[("a", &["x"]), ("b", &["x"]), ("c", &["y"])]).await?;
    app.read("u", &["a"]).await?;
    let request = app.post("/api/recommend?n=2&category=x").json(&json!(["u", "nobody"]));
    let (status, lists) = crate::harness::answer(request).await?;
    assert_eq!(status, 200, "{lists}");
    assert_eq!((&lists[0]["UserId"], ids_of(&lists[0])), (&json!("u"), vec!["b".to_owned()]));
    assert_eq!((&lists[1]["UserId"], ids_of(&lists[1]).len()), (&json!("nobody"), 2));
    for parameter in ["explain=true", "write-back-type=seen", "write-back-delay=1m"] {
        let request = app.post(&format!("/api/recommend?{parameter}")).json(&json!(["u"]));
        let (status, reason) = text(request).await?;
        assert!(status == 400 && reason.contains("single lists"), "{parameter}: {status} {reason}");
    }
    for body in [json!({}), json!([1]), json!(vec!["u"; 1001])] {
        assert_eq!(text(app.post("/api/recommend").json(&body)).await?.0, 400);
    }
    Ok(())
}

fn ids_of(list: &serde_json::Value) -> Vec<String> {
    ids(&list["Items"]).into_iter().map(|id| id.to_string()).collect()
}

#[actix_web::test]
async fn a_list_is_capped_by_kind() -> Result<()> {
    let app = TestApp::start()?;
    app.stock(&[("a", &["x"]), ("b", &["x"]), ("c", &["y"]), ("d", &["x"])]).await?;
    let list = app.fetch("/api/recommend/u?cap=category*1").await?;
    assert_eq!(list, json!(["d", "c"]), "the latest of each");
    let rest = app.fetch("/api/recommend/u?cap=category*2&offset=1").await?;
    assert_eq!(rest, json!(["c", "b"]), "pages fit together");
    let (status, reason) = text(app.get("/api/recommend/u?cap=category")).await?;
    assert!(status == 400 && reason.contains("cap"), "{reason}");
    Ok(())
}

#[actix_web::test]
async fn the_dashboard_shows_rows_as_they_are() -> Result<()> {
    let app = TestApp::start()?;
    app.stock(&[("a", &["x"]), ("b", &["x"])]).await?;
    app.read("u", &["a"]).await?;
    app.read("v", &["a", "b"]).await?;
    let users = app.fetch("/api/dashboard/users?n=1").await?;
    assert_eq!(users["Users"][0]["UserId"], "u");
    assert!(users["Users"][0]["LastActiveTime"].is_string() && users["Cursor"] != "", "{users}");
    assert_eq!(app.fetch("/api/dashboard/user/v").await?["UserId"], "v");
    assert_eq!(text(app.get("/api/dashboard/user/w")).await?.0, 404);
    let feedback = app.fetch("/api/dashboard/user/u/feedback/read").await?;
    assert_eq!(feedback[0]["Item"]["ItemId"], "a", "{feedback}");
    assert_eq!(app.fetch("/api/dashboard/user/u/feedback/buy").await?, json!([]));
    for (path, id) in [
        ("latest", "b"),
        ("non-personalized/popular", "a"),
        ("recommend/u", "b"),
        ("recommend/u/latest", "b"),
        ("item-to-item/neighbors/a", "b"),
    ] {
        let list = app.fetch(&format!("/api/dashboard/{path}")).await?;
        assert_eq!(list[0]["ItemId"], *id, "{path}: {list}");
        assert!(list[0]["Categories"].is_array() && list[0]["Score"].is_number(), "{list}");
    }
    let near = app.fetch("/api/dashboard/user-to-user/neighbors/u").await?;
    assert_eq!(near[0]["UserId"], "v", "{near}");
    let config = app.fetch("/api/dashboard/config").await?;
    assert_eq!(config["server"]["default_n"], 10, "{config}");
    Ok(())
}

#[actix_web::test]
async fn a_tenant_is_dumped_purged_and_restored() -> Result<()> {
    let app = TestApp::start()?;
    app.stock(&[("a", &["x"]), ("b", &["x"])]).await?;
    app.read("u", &["a"]).await?;
    let (status, dump) = text(app.get("/api/dump")).await?;
    assert!(status == 200 && dump.lines().count() >= 4, "{dump}");
    let purge = async |list: &str| text(app.post("/api/purge").form(&[("check_list", list)])).await;
    assert_eq!(purge("").await?.0, 400);
    assert_eq!(purge("everything").await?.0, 400);
    assert_eq!(purge("delete_feedback").await?.0, 200);
    assert_eq!(app.fetch("/api/recommend/u").await?, json!(["b", "a"]), "nothing was read");
    assert_eq!(purge("delete_users,delete_items,delete_feedback,delete_cache").await?.0, 200);
    assert_eq!(app.fetch("/api/latest").await?, json!([]));
    let stats = app.fetch("/api/dashboard/stats").await?;
    assert_eq!((&stats["NumUsers"], &stats["NumFeedback"]), (&json!(0), &json!(0)), "{stats}");
    assert_eq!(text(app.post("/api/restore").body(dump.clone())).await?.0, 200);
    assert_eq!(app.fetch("/api/recommend/u").await?, json!(["b"]), "what was read is out");
    assert_eq!(text(app.get("/api/dump")).await?.1, dump);
    Ok(())
}

#[actix_web::test]
async fn a_dump_of_gorse_is_written_and_read() -> Result<()> {
    let app = TestApp::start()?;
    app.stock(&[("a", &["x"]), ("b", &["x"])]).await?;
    let row = json!({ "FeedbackType": "read", "UserId": "u", "ItemId": "a", "Value": 2, "Timestamp": "2024-05-01" });
    app.send("POST", "/api/feedback", &json!([row])).await?;
    let lines = text(app.get("/api/dump")).await?.1;
    let asked = app.get("/api/dump").header("Accept", "application/octet-stream").send().await?;
    assert_eq!(asked.headers()["content-type"], "application/octet-stream");
    let dump = asked.bytes().await?;
    assert_eq!(app.get("/api/dump?format=gorse").send().await?.bytes().await?, dump);
    assert_eq!(text(app.get("/api/dump?format=csv")).await?.0, 400);
    // The mark of users, and a user who is called `u`.
    let start = [[255; 8], [9, 0, 0, 0, 0, 0, 0, 0]].concat();
    assert!(dump.starts_with(&start) && dump.ends_with(&[0; 8]), "{dump:?}");
    assert_eq!(dump[16..25], *b"\x0a\x01u\x12\x04null");

    let other = TestApp::start()?;
    let (status, counts) = text(other.post("/api/restore").body(dump.clone())).await?;
    assert!(status == 200 && counts.contains("\"items\":2"), "{counts}");
    assert_eq!(text(other.get("/api/dump")).await?.1, lines);
    assert_eq!(other.fetch("/api/recommend/u").await?, json!(["b"]), "what was read is out");
    let (status, reason) =
        text(other.post("/api/restore").body(dump.slice(..dump.len() - 9))).await?;
    assert!(status == 400 && reason.contains("cut off") && reason.contains("2 items"), "{reason}");
    Ok(())
}

#[actix_web::test]
async fn times_may_be_numbers() -> Result<()> {
    let app = TestApp::start()?;
    let items = json!([{ "ItemId": "a", "Timestamp": 1_700_000_000 }, { "ItemId": "b", "Timestamp": 1_700_000_000_123_i64 }]);
    assert_eq!(text(app.post("/api/items").json(&items)).await?.0, 200);
    let row =
        json!({ "FeedbackType": "read", "UserId": "u", "ItemId": "a", "Timestamp": 1_700_000_009 });
    assert_eq!(text(app.post("/api/feedback").json(&json!([row]))).await?.0, 200);
    let lines = format!("{}\n", json!({ "ItemId": "c", "Timestamp": 1_700_000_001 }));
    assert_eq!(text(app.post("/api/bulk/items").body(lines)).await?.0, 200);
    let line = json!({ "ItemId": "d", "Timestamp": 1_700_000_002 }).to_string();
    assert_eq!(text(app.post("/api/restore").body(line)).await?.0, 200);
    for (path, expected) in [
        ("item/a", "2023-11-14T22:13:20Z"),
        ("item/b", "2023-11-14T22:13:20.123Z"),
        ("item/c", "2023-11-14T22:13:21Z"),
        ("item/d", "2023-11-14T22:13:22Z"),
        ("feedback/read/u/a", "2023-11-14T22:13:29Z"),
    ] {
        assert_eq!(app.fetch(&format!("/api/{path}")).await?["Timestamp"], expected, "{path}");
    }
    let patch = json!({ "Timestamp": 1_700_000_100 });
    app.send("PATCH", "/api/item/a", &patch).await?;
    assert_eq!(app.fetch("/api/item/a").await?["Timestamp"], "2023-11-14T22:15:00Z");
    let (status, reason) =
        text(app.post("/api/item").json(&json!({ "ItemId": "e", "Timestamp": 20_241_301 })))
            .await?;
    assert!(status == 400 && reason.contains("20241301"), "{reason}");
    Ok(())
}

#[actix_web::test]
async fn lists_keep_within_ranges_and_ages() -> Result<()> {
    let app = TestApp::configured(settings("item_ttl = 10000")?)?;
    let item = |id: &str, price: f64, time: &str| json!({ "ItemId": id, "Labels": { "price": price }, "Timestamp": time });
    let items = [
        item("a", 5.0, "2020-01-01T00:00:00Z"),
        item("b", 12.5, "2020-01-02T00:00:00Z"),
        item("old", 12.0, "1980-01-01T00:00:00Z"),
    ];
    assert_eq!(text(app.post("/api/items").json(&items)).await?.0, 200);
    assert_eq!(app.fetch("/api/recommend/u").await?, json!(["b", "a"]));
    assert_eq!(ids(&app.fetch("/api/latest").await?), ["b", "a"]);
    assert_eq!(app.fetch("/api/recommend/u?range=price:10..").await?, json!(["b"]));
    assert_eq!(ids(&app.fetch("/api/latest?range=price:..10&range=price:1..").await?), ["a"]);
    let (status, reason) = text(app.get("/api/latest?range=price")).await?;
    assert!(status == 400 && reason.contains("price:10..20"), "{reason}");
    Ok(())
}

#[actix_web::test]
async fn leaderboards_follow_a_formula_and_hide_what_is_hidden() -> Result<()> {
    let app = TestApp::configured(settings(
        "leaderboards = [\"starred = count(feedback, .FeedbackType == 'star') where item.Comment != 'out'\", \
         \"newest=item.Timestamp.Unix()\"]",
    )?)?;
    let item = |id: &str, comment: &str, day: u32| json!({ "ItemId": id, "Comment": comment, "Timestamp": format!("2024-01-0{day}") });
    let items = [item("a", "", 1), item("b", "", 2), item("c", "out", 3), item("d", "", 4)];
    assert_eq!(text(app.post("/api/items").json(&items)).await?.0, 200);
    let star =
        |user: &str, item: &str| json!({ "FeedbackType": "star", "UserId": user, "ItemId": item });
    let rows = [star("u", "b"), star("v", "b"), star("u", "c"), star("v", "c"), star("u", "a")];
    assert_eq!(text(app.post("/api/feedback").json(&rows)).await?.0, 200);
    let list = app.fetch("/api/non-personalized/starred").await?;
    assert_eq!((ids(&list), &list[0]["Score"]), (vec!["b", "a", "d"], &json!(2.0)));
    assert_eq!(ids(&app.fetch("/api/non-personalized/starred?user-id=u").await?), ["d"]);
    assert_eq!(ids(&app.fetch("/api/non-personalized/newest?n=2").await?), ["d", "c"]);
    app.send("PATCH", "/api/item/b", &json!({ "IsHidden": true })).await?;
    assert_eq!(ids(&app.fetch("/api/non-personalized/starred").await?), ["a", "d"]);
    let rows = app.fetch("/api/dashboard/non-personalized/starred?n=1").await?;
    assert_eq!(rows[0]["ItemId"], "a");
    let (status, reason) = text(app.get("/api/non-personalized/weekly")).await?;
    assert!(status == 404 && reason.contains("`starred`"), "{reason}");
    Ok(())
}

#[actix_web::test]
async fn short_lists_are_filled_as_the_settings_say() -> Result<()> {
    let app = TestApp::configured(settings("fallback = 'latest,popular'")?)?;
    app.stock(&[("a", &[]), ("b", &[]), ("c", &[])]).await?;
    app.read("u", &["a"]).await?;
    assert_eq!(app.fetch("/api/recommend/anybody").await?, json!(["c", "b", "a"]), "latest first");
    assert_eq!(app.fetch("/api/recommend/anybody?recommender=popular&n=1").await?, json!(["a"]));
    Ok(())
}

#[actix_web::test]
async fn what_is_recommended_again_counts_less() -> Result<()> {
    let list = async |more: &str| -> Result<serde_json::Value> {
        let settings = settings(&format!("recommend_replacement = true\n{more}"))?;
        let app = TestApp::configured(settings)?;
        app.stock(&[("a", &[]), ("b", &[]), ("c", &[])]).await?;
        for user in ["u", "v", "w"] {
            app.read(user, &["a"]).await?;
        }
        app.read("v", &["b"]).await?;
        app.fetch("/api/recommend/u?recommender=popular").await
    };
    assert_eq!(list("").await?, json!(["a", "b", "c"]));
    let decayed = list("positive_replacement_decay = 0.001").await?;
    assert_eq!(decayed, json!(["b", "c", "a"]));
    Ok(())
}

#[actix_web::test]
async fn figures_are_told_by_day_and_by_group() -> Result<()> {
    let app = TestApp::configured(settings("positive_feedback = 'like'")?)?;
    app.stock(&[("a", &[]), ("b", &[])]).await?;
    let row = |kind: &str, user: &str, item: &str, day: u32| {
        let time = format!("2024-03-0{day}T12:00:00Z");
        json!({ "FeedbackType": kind, "UserId": user, "ItemId": item, "Timestamp": time })
    };
    let rows = [row("like", "u", "a", 2), row("see", "u", "b", 2), row("see", "v", "a", 3)];
    assert_eq!(text(app.post("/api/feedback").json(&rows)).await?.0, 200);
    let series = async |name: &str| -> Result<Vec<f64>> {
        let path = format!("/api/dashboard/timeseries/{name}?begin=2024-03-01&end=2024-03-03");
        let points = app.fetch(&path).await?;
        let points = points.as_array().cloned().unwrap_or_default();
        Ok(points.iter().filter_map(|point| point["Value"].as_f64()).collect())
    };
    assert_eq!(series("feedback").await?, [0.0, 2.0, 1.0]);
    assert_eq!(series("positive_feedback_rate").await?, [0.0, 0.5, 0.0]);
    assert_eq!(series("users").await?, [0.0, 1.0, 1.0]);
    let all = app.fetch("/api/dashboard/timeseries/items?begin=2024-01-01&end=2024-01-31").await?;
    let appeared: f64 =
        all.as_array().into_iter().flatten().filter_map(|p| p["Value"].as_f64()).sum();
    assert_eq!((appeared, all[0]["Timestamp"].as_str()), (2.0, Some("2024-01-01T00:00:00Z")));
    assert_eq!(text(app.get("/api/dashboard/timeseries/moods")).await?.0, 404);
    let (status, reason) = text(app.get("/api/dashboard/timeseries/users?begin=soon")).await?;
    assert!(status == 400 && reason.contains("`begin`"), "{reason}");

    app.fetch("/api/recommend/w?n=2").await?;
    let like = json!([{ "FeedbackType": "like", "UserId": "w", "ItemId": "a" }]);
    assert_eq!(text(app.post("/api/feedback").json(&like)).await?.0, 200);
    let groups = app.fetch("/api/dashboard/recommenders").await?;
    let group = &groups[0];
    assert_eq!(
        (&group["Items"], &group["Liked"], &group["Rate"]),
        (&json!(2), &json!(1), &json!(0.5))
    );
    // That a list was shown, which a call may note, is nothing that was liked.
    app.fetch("/api/recommend/x?n=2&write-back-type=like").await?;
    let groups = app.fetch("/api/dashboard/recommenders").await?;
    assert_eq!((&groups[0]["Items"], &groups[0]["Liked"]), (&json!(4), &json!(1)));
    Ok(())
}
