//! What Gorse's dashboard and `gorse-cli` ask of the server itself, and of lists of any recommender.

use anyhow::Result;
use serde_json::{Value, json};

use super::ids;
use crate::harness::{TestApp, answer, settings, text};

#[actix_web::test]
async fn the_server_tells_of_itself() -> Result<()> {
    let app = TestApp::start()?;
    let user = app.fetch("/api/dashboard/userinfo").await?;
    assert_eq!((&user["name"], &user["auth_type"]), (&json!("default"), &json!("")), "{user}");
    let nodes = app.fetch("/api/dashboard/cluster").await?;
    assert_eq!(nodes.as_array().map(Vec::len), Some(1), "{nodes}");
    assert!(nodes[0]["Version"].is_string() && nodes[0]["UUID"].is_string(), "{nodes}");
    assert_eq!(app.fetch("/api/dashboard/cluster").await?[0]["UUID"], nodes[0]["UUID"]);
    Ok(())
}

#[actix_web::test]
async fn tasks_show_the_running_training_and_the_last_one() -> Result<()> {
    let app = TestApp::start()?;
    assert_eq!(app.fetch("/api/dashboard/tasks").await?, json!([]));
    app.recommender.start_task("train");
    app.recommender.advance_task("train", (3, 9));
    let tasks = app.fetch("/api/dashboard/tasks").await?;
    let shown = ["Name", "Status", "Count", "Total", "Error"].map(|name| tasks[0][name].clone());
    assert_eq!(json!(shown), json!(["train", "Running", 3, 9, ""]), "{tasks}");
    assert_eq!(tasks[0]["FinishTime"], "0001-01-01T00:00:00Z");
    app.recommender.finish_task("train", Err("it is worse".into()));
    app.recommender.start_task("train");
    let tasks = app.fetch("/api/dashboard/tasks").await?;
    let states = [&tasks[0]["Status"], &tasks[1]["Status"], &tasks[1]["Error"]];
    assert_eq!(states, [&json!("Running"), &json!("Failed"), &json!("it is worse")]);
    Ok(())
}

#[actix_web::test]
async fn what_has_no_meaning_here_says_why() -> Result<()> {
    let app = TestApp::start()?;
    for (method, path, why) in [
        ("GET", "config/schema", "--print-config"),
        ("GET", "ranker/prompt", "reranker_query"),
        ("POST", "config", "--config"),
        ("DELETE", "config", "--config"),
        ("GET", "external?script=fetch()", "external_recommenders"),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes())?;
        let request = app.client.request(method, format!("{}/api/dashboard/{path}", app.url));
        let (status, reason) = text(request).await?;
        let expected = if path == "config" { 405 } else { 404 };
        assert!(status == expected && reason.contains(why), "{path}: {status} {reason}");
    }
    let (status, reason) = text(app.get("/api/dashboard/external?user-id=u")).await?;
    assert!(status == 404 && reason.contains("external_recommenders"), "{status} {reason}");
    Ok(())
}

#[actix_web::test]
async fn figures_count_labels_and_what_was_liked() -> Result<()> {
    let app = TestApp::configured(settings(
        "positive_feedback = 'rate>=3'\nnegative_feedback = 'rate<2'",
    )?)?;
    app.stock(&[("a", &[]), ("b", &[]), ("c", &[])]).await?;
    let users =
        json!([{ "UserId": "u", "Labels": ["m", "tall"] }, { "UserId": "v", "Labels": ["m"] }]);
    app.send("POST", "/api/users", &users).await?;
    let row = |item: &str, value: f64| json!({ "FeedbackType": "rate", "UserId": "u", "ItemId": item, "Value": value });
    let rows = json!([row("a", 5.0), row("b", 1.0), row("c", 2.0)]);
    app.send("POST", "/api/feedback", &rows).await?;
    let stats = app.fetch("/api/dashboard/stats").await?;
    for (name, count) in [
        ("NumUserLabels", 2),
        ("NumItemLabels", 3),
        ("NumTotalPosFeedback", 1),
        ("NumValidPosFeedback", 1),
        ("NumValidNegFeedback", 1),
    ] {
        assert_eq!(stats[name], count, "{name} of {stats}");
    }
    app.send("DELETE", "/api/user/u", &Value::Null).await?;
    let stats = app.fetch("/api/dashboard/stats").await?;
    assert_eq!(
        (&stats["NumUserLabels"], &stats["NumValidPosFeedback"], &stats["NumValidNegFeedback"]),
        (&json!(1), &json!(0), &json!(0))
    );
    Ok(())
}

#[actix_web::test]
async fn a_user_was_last_active_in_the_past() -> Result<()> {
    let app = TestApp::start()?;
    app.stock(&[("a", &[]), ("b", &[])]).await?;
    app.read("u", &["a"]).await?;
    let before = app.fetch("/api/dashboard/user/u").await?;
    app.fetch("/api/recommend/u?write-back-type=seen&write-back-delay=24h").await?;
    let after = app.fetch("/api/dashboard/user/u").await?;
    assert_eq!(after["LastActiveTime"], before["LastActiveTime"], "the delay is not over");
    let updated = after["LastUpdateTime"].as_str().unwrap_or_default();
    assert!(updated >= after["LastActiveTime"].as_str().unwrap_or_default(), "{after}");
    Ok(())
}

#[actix_web::test]
async fn the_dashboard_reads_expressions_as_the_api_does() -> Result<()> {
    let app = TestApp::start()?;
    let row = |item: &str, value: f64| json!({ "FeedbackType": "click", "UserId": "u", "ItemId": item, "Value": value });
    app.send("POST", "/api/feedback", &json!([row("a", 2.0), row("b", 2.0), row("c", 0.5)]))
        .await?;
    for (expression, count) in [("click%3E%3D1", 2), ("click%3C1", 1), ("click", 3), ("view", 0)] {
        for path in ["/api/dashboard/user/u/feedback", "/api/user/u/feedback"] {
            let rows = app.fetch(&format!("{path}/{expression}")).await?;
            assert_eq!(rows.as_array().map(Vec::len), Some(count), "{path}/{expression}: {rows}");
        }
    }
    let (status, reason) = text(app.get("/api/dashboard/user/u/feedback/click%3E%3D")).await?;
    assert!(status == 400 && reason.contains("click>="), "{status} {reason}");
    Ok(())
}

#[actix_web::test]
async fn lists_say_when_they_were_made() -> Result<()> {
    let app = TestApp::start()?;
    app.stock(&[("a", &[]), ("b", &[])]).await?;
    for path in [
        "/api/latest",
        "/api/recommend/u",
        "/api/collaborative-filtering/u",
        "/api/item/a/neighbors",
        "/api/user/u/neighbors",
        "/api/dashboard/latest",
        "/api/dashboard/recommend/u",
    ] {
        let reply = app.get(path).send().await?;
        let modified = reply.headers().get("Last-Modified").map(|value| value.to_str());
        assert!(modified.transpose()?.is_some_and(|time| time.ends_with(" GMT")), "{path}");
    }
    Ok(())
}

#[actix_web::test]
async fn the_dashboard_previews_any_recommender() -> Result<()> {
    let app =
        TestApp::configured(settings("leaderboards = ['named = 1 where item.ItemId == \"c\"']")?)?;
    app.stock(&[("a", &["x"]), ("b", &["x"]), ("c", &["y"]), ("d", &["y"])]).await?;
    app.read("u", &["a"]).await?;
    app.read("v", &["a", "b"]).await?;
    for (name, expected) in [
        ("non-personalized/popular", json!(["b"])),
        ("non-personalized/named", json!(["c"])),
        ("named", json!(["c"])),
        ("item-to-item/users", json!(["b"])),
        ("user-to-user/neighbors", json!(["b"])),
        ("collaborative", json!([])),
        ("latest", json!(["d", "c", "b"])),
    ] {
        let list = app.fetch(&format!("/api/dashboard/recommend/u/{name}")).await?;
        let items: Vec<&Value> =
            list.as_array().into_iter().flatten().map(|one| &one["ItemId"]).collect();
        assert_eq!(json!(items), expected, "{name}: {list}");
    }
    let (status, reason) = text(app.get("/api/dashboard/recommend/u/item-to-item/magic")).await?;
    assert!(status == 400 && reason.contains("item-to-item/magic"), "{status} {reason}");
    assert_eq!(app.fetch("/api/dashboard/recommenders").await?, json!([]), "these are previews");
    Ok(())
}

#[actix_web::test]
async fn short_lists_are_filled_by_any_recommender_in_order() -> Result<()> {
    // A recommender that knows nothing of anybody leaves the whole list to what fills it.
    let nothing = TestApp::start()?;
    let list = async |fallback: &str, path: &str| -> Result<Value> {
        let app = TestApp::configured(settings(&format!(
            "leaderboards = ['named = 1 where item.ItemId == \"b\"']\nfallback = [{fallback}]\n\
             external_recommenders = ['nothing={}/api/latest?of={{user}}']",
            nothing.url
        ))?)?;
        app.stock(&[("a", &[]), ("b", &[]), ("c", &[]), ("d", &[]), ("e", &[])]).await?;
        app.read("v", &["a", "d"]).await?;
        app.read("u", &["a"]).await?;
        app.fetch(path).await
    };
    let path = "/api/recommend/new?n=5";
    assert_eq!(list("'popular'", path).await?, json!(["a", "d", "e", "c", "b"]));
    assert_eq!(list("'named', 'popular'", path).await?, json!(["b", "a", "d", "e", "c"]));
    assert_eq!(list("'popular', 'named'", path).await?, json!(["a", "d", "b", "e", "c"]));
    let of_u = "/api/recommend/u?n=5&recommender=external/nothing";
    assert_eq!(list("'item-to-item/users', 'named'", of_u).await?, json!(["d", "b", "e", "c"]));
    assert_eq!(list("'latest'", of_u).await?, json!(["e", "d", "c", "b"]));
    assert_eq!(list("'user-to-user/neighbors'", of_u).await?, json!(["d", "e", "c", "b"]));
    let pages = [("n=2", json!(["b", "a"])), ("n=2&offset=2", json!(["d", "e"]))];
    for (page, expected) in pages {
        let path = format!("/api/recommend/new?{page}");
        assert_eq!(list("'named', 'popular'", &path).await?, expected, "{page}");
    }
    Ok(())
}

#[actix_web::test]
async fn new_users_get_what_users_with_their_labels_like() -> Result<()> {
    let app = TestApp::start()?;
    let items: Vec<Value> = (0..12).map(|i| json!({ "ItemId": format!("i{i:02}") })).collect();
    app.send("POST", "/api/items", &json!(items)).await?;
    let user = |label: &str, i: usize| json!({ "UserId": format!("{label}{i}"), "Labels": { "sex": label } });
    let users: Vec<Value> = (0..20).flat_map(|i| [user("m", i), user("f", i)]).collect();
    app.send("POST", "/api/users", &json!(users)).await?;
    let like = |user: String, item: usize| {
        json!({ "FeedbackType": "like", "UserId": user, "ItemId": format!("i{item:02}"),
            "Timestamp": "2024-05-01T00:00:00Z" })
    };
    let rows: Vec<Value> = (0..20)
        .flat_map(|i| (0..6).map(move |item| (i, item)))
        .flat_map(|(i, item)| [like(format!("m{i}"), item), like(format!("f{i}"), item + 6)])
        .collect();
    app.send("POST", "/api/feedback", &json!(rows)).await?;
    let names =
        |range: std::ops::Range<usize>| range.map(|i| format!("i{i:02}")).collect::<Vec<_>>();
    let (of_m, of_f) = (json!(names(0..6)), json!(names(6..12)));
    app.send("POST", "/api/user", &json!({ "UserId": "new", "Labels": { "sex": "m" } })).await?;
    let path = "/api/recommend/new?n=6";
    assert_eq!(app.fetch(path).await?, of_m);
    assert_eq!(
        app.fetch("/api/recommend/new?n=12").await?,
        json!(names(0..12)),
        "and then the rest"
    );
    let why = app.fetch("/api/recommend/new?n=1&explain=true").await?;
    assert!(why["Blend"].to_string().contains("labels"), "{why}");
    app.send("PATCH", "/api/user/new", &json!({ "Labels": { "sex": "f" } })).await?;
    assert_eq!(app.fetch(path).await?, of_f);

    // Whose labels nobody else has, and who has none, get what is popular as before.
    app.send("POST", "/api/user", &json!({ "UserId": "odd", "Labels": ["odd"] })).await?;
    let (_, odd) = answer(app.get("/api/recommend/odd?n=12").header("X-API-Version", "2")).await?;
    let (_, none) =
        answer(app.get("/api/recommend/none?n=12").header("X-API-Version", "2")).await?;
    assert_eq!(odd, none);

    // What the others do next counts at once, and so does what the user itself likes.
    for i in 0..20 {
        app.send("DELETE", &format!("/api/user/f{i}"), &Value::Null).await?;
    }
    let list = app.fetch("/api/recommend/new?n=12&explain=true").await?;
    assert!(!list["Blend"].to_string().contains("labels"), "nobody is left: {list}");
    assert_eq!(ids(&list["Items"])[..6], names(0..6), "only these are popular");
    Ok(())
}
