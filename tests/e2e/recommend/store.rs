//! `dragoman store` with users, items and feedback.

use std::path::Path;

use anyhow::Result;
use dragoman_e2e::{Dragoman, Options, TestApp};
use serde_json::{Value, json};

fn store(dir: &Path, args: &[&str]) -> Result<Dragoman> {
    Ok(Dragoman::new(["store", "--store"])?.args([dir]).args(args))
}

#[tokio::test]
async fn what_gorse_exported_is_imported_served_and_exported_again() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let row = |i: usize| {
        json!({ "FeedbackType": "read", "UserId": format!("u{}", i % 7), "ItemId": format!("i{i}"),
            "Value": 1, "Timestamp": format!("2024-01-01T00:{:02}:00Z", i % 60) })
    };
    let mut lines: String = (0..100).map(|i| format!("{}\n", row(i))).collect();
    lines += "{\"ItemId\":\"new\",\"Comment\":\"Brand new\"}\n";
    for _ in 0..2 {
        store(dir.path(), &["import", "-"])?.stdin(lines.clone()).stdout()?;
    }
    let export = store(dir.path(), &["export", "--tenant", "default"])?.stdout()?;
    let count = |kind: &str| {
        let rows = export.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        rows.filter(|row| row["kind"] == kind).count()
    };
    assert_eq!((count("feedback"), count("user"), count("item")), (100, 7, 101));

    lines += "{\"FeedbackType\":\"read\",\"UserId\":\"u1\",\"Item";
    let error = store(dir.path(), &["import", "-"])?.stdin(lines).failure()?;
    assert!(error.contains("line 102") && error.contains("100 feedback rows"), "{error}");

    let options = Options { store: Some(dir.path().into()), ..Options::default() };
    let app = TestApp::start(options).await?;
    let found: Value = app.get("/api/items?q=brand").send().await?.json().await?;
    assert_eq!(found["Items"][0]["ItemId"], "new");
    let list: Value = app.get("/api/recommend/u1?n=500").send().await?.json().await?;
    assert_eq!(list.as_array().map(Vec::len), Some(101 - 15));
    Ok(())
}

#[tokio::test]
async fn a_backup_is_made_while_the_server_runs_and_what_is_damaged_is_saved() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (folder, backup) = (dir.path().join("store"), dir.path().join("backup.jsonl"));
    let options = Options { store: Some(folder.clone()), ..Options::default() };
    let app = TestApp::start(options.env("DRAGOMAN_ADMIN_KEY", "let me in")).await?;
    let rows: Vec<Value> = (0..50).map(|i| json!({ "ItemId": format!("i{i}") })).collect();
    app.post("/api/items").json(&rows).send().await?.error_for_status()?;
    let file = backup.to_string_lossy().into_owned();
    let error = store(&folder, &["backup", &file])?.failure()?;
    assert!(error.contains("--server"), "{error}");
    let remote = ["backup", &file, "--server", &app.url, "--admin-key", "let me in"];
    store(&folder, &remote)?.stdout()?;
    drop(app);

    assert!(store(&folder, &["check"])?.stdout()?.contains("50 items"));
    let again = dir.path().join("again");
    store(&again, &["import", &file])?.stdout()?;
    assert!(store(&again, &["check"])?.stdout()?.contains("50 items"));
    let saved = dir.path().join("saved").to_string_lossy().into_owned();
    assert!(store(&again, &["salvage", &saved])?.stdout()?.contains("50 items"));
    Ok(())
}

#[test]
fn tenants_are_made_listed_and_removed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    store(dir.path(), &["add-tenant", "shop"])?.stdout()?;
    assert_eq!(store(dir.path(), &["tenants"])?.stdout()?, "default\nshop\n");
    assert!(store(dir.path(), &["add-tenant", "Shop"])?.failure()?.contains("`Shop`"));
    let error = store(dir.path(), &["add-key", "--tenant", "stall"])?.failure()?;
    assert!(error.contains("`stall`") && error.contains("add-tenant"), "{error}");
    let import = store(dir.path(), &["import", "-", "--tenant", "shop"])?;
    import.stdin("{\"UserId\":\"u\"}\n").stdout()?;
    assert!(store(dir.path(), &["export"])?.stdout()?.contains("\"tenant\":\"shop\""));
    store(dir.path(), &["remove-tenant", "shop"])?.stdout()?;
    assert!(store(dir.path(), &["remove-tenant", "shop"])?.failure()?.contains("no tenant `shop`"));
    assert_eq!(store(dir.path(), &["tenants"])?.stdout()?, "default\n");
    Ok(())
}
