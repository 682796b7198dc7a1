//! Import and export as JSON Lines.

use anyhow::Result;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::harness::{TestApp, answer, settings, text};

fn upload(app: &TestApp, rows: &str, lines: String) -> reqwest::RequestBuilder {
    let form = Form::new().text("other", "x").part("file", Part::text(lines).file_name("x.jsonl"));
    app.post(&format!("/api/bulk/{rows}")).multipart(form)
}

#[actix_web::test]
async fn everything_moves_from_server_to_server() -> Result<()> {
    let (from, to) = (TestApp::start()?, TestApp::start()?);
    from.stock(&[("a", &["x"]), ("b/c", &[]), ("日", &[])]).await?;
    from.read("u", &["a", "b/c"]).await?;
    from.send("PATCH", "/api/user/u", &json!({ "Labels": { "x": [1, 2] } })).await?;
    for rows in ["users", "items", "feedback"] {
        let export = from.get(&format!("/api/bulk/{rows}")).send().await?;
        let kind = export.headers().get("Content-Type").and_then(|kind| kind.to_str().ok());
        assert_eq!(kind, Some("application/jsonl"));
        let export = export.text().await?;
        let count = json!({ "RowAffected": export.lines().count() });
        for _ in 0..2 {
            assert_eq!(answer(upload(&to, rows, export.clone())).await?, (200, count.clone()));
        }
        assert_eq!(text(to.get(&format!("/api/bulk/{rows}"))).await?.1, export);
    }
    let (a, b) = (from.fetch("/api/recommend/u").await?, to.fetch("/api/recommend/u").await?);
    assert_eq!((a.clone(), a), (b, json!(["日"])));
    Ok(())
}

#[actix_web::test]
async fn repeats_stay_a_sequence_and_a_second_import_doubles_nothing() -> Result<()> {
    let app = TestApp::start()?;
    let line = |day: usize| {
        json!({ "FeedbackType": "read", "UserId": "u", "ItemId": "a", "Value": 1,
            "Timestamp": format!("2024-01-{day:02}") })
        .to_string()
    };
    let lines = format!("{}\n{}\n{}", line(1), line(2), line(2));
    for _ in 0..2 {
        assert_eq!(answer(upload(&app, "feedback", lines.clone())).await?.0, 200);
        assert_eq!(app.fetch("/api/feedback/read/u/a").await?["Value"], 2.0);
        assert_eq!(app.store.tenant("default")?.history("u").count(), 2);
    }
    Ok(())
}

#[actix_web::test]
async fn a_bad_line_is_named_and_the_others_are_kept() -> Result<()> {
    let app = TestApp::start()?;
    let good = |id: &str| json!({ "ItemId": id }).to_string();
    for (bad, reason) in [
        ("{\"ItemId\":\"half a l", "invalid JSON"),
        ("{\"ItemId\":\"\"}", "`ItemId` is empty"),
        ("{\"ItemId\":\"x\",\"Labels\":[true]}", "unsupported labels"),
        ("[]", "JSON objects"),
    ] {
        let lines = format!("{}\n\n{bad}\n{}\n", good("a"), good("b"));
        let (status, error) = text(upload(&app, "items", lines)).await?;
        assert_eq!(status, 400);
        assert!(error.starts_with("line 3: ") && error.contains(reason), "{error}");
        assert!(error.contains("2 rows were kept"), "{error}");
        assert_eq!(app.fetch("/api/items").await?["Items"].as_array().map(Vec::len), Some(2));
    }
    let (status, error) = text(app.get("/api/bulk/secrets")).await?;
    assert!(status == 404 && error.contains("`secrets`"), "{error}");
    let form = app.post("/api/bulk/items").multipart(Form::new().text("x", "y"));
    assert_eq!(text(form).await?, (400, "the form has no field `file`".into()));
    Ok(())
}

#[actix_web::test]
async fn a_snapshot_moves_over_the_admin_api() -> Result<()> {
    let config = settings("admin_key = 'open sesame'")?;
    let (from, to) = (TestApp::configured(config.clone())?, TestApp::configured(config)?);
    from.stock(&[("a", &[]), ("b", &[])]).await?;
    from.read("u", &["a", "a", "b"]).await?;
    let export = |app: &TestApp| app.get("/admin/store?tenant=default").bearer_auth("open sesame");
    let lines = text(export(&from)).await?.1;
    to.fetch("/api/latest").await?; // what is in memory must not stay
    let import = to.post("/admin/store").bearer_auth("open sesame").body(lines.clone());
    let (status, counts) = answer(import).await?;
    assert_eq!((status, &counts["feedback"], &counts["items"]), (200, &json!(2), &json!(2)));
    assert_eq!(text(export(&to)).await?.1, lines);
    assert_eq!(to.fetch("/api/popular").await?[0]["Id"], "a");
    let nobody = to.get("/admin/store?tenant=nobody").bearer_auth("open sesame");
    let (status, reply) = answer(nobody).await?;
    assert!(status == 400 && reply["error"].to_string().contains("nobody"), "{reply}");
    let rows: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let events = |row: &Value| row["Events"].as_array().map(Vec::len);
    assert_eq!(rows.iter().filter_map(events).collect::<Vec<_>>(), [2, 1], "repeats are there");
    Ok(())
}
