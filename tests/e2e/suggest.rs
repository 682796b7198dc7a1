//! `POST /suggest` and `dragoman store`: what was answered 200 is on disk.

use std::path::Path;

use anyhow::Result;
use dragoman_e2e::{Dragoman, Options, TestApp};
use serde_json::{Value, json};

fn suggestion(i: usize) -> Value {
    json!({ "q": format!("line\n{i}"), "s": format!("Zeile \"{i}\" 🙂"), "source": "en", "target": "de" })
}

fn store(dir: &Path, args: &[&str]) -> Result<Dragoman> {
    Ok(Dragoman::new(["store", "--store"])?.args([dir]).args(args))
}

/// The suggestions of an export, without their times.
fn suggestions(export: &str) -> Result<Vec<Value>> {
    let rows: Vec<Value> = export.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut found: Vec<Value> =
        rows.into_iter().filter(|row| row["kind"] == "suggestion").collect();
    for row in found.iter_mut().filter_map(Value::as_object_mut) {
        row.remove("kind");
        row.remove("at");
    }
    Ok(found)
}

#[tokio::test]
async fn suggestions_outlive_a_killed_server() -> Result<()> {
    for engine in ["sled", "redb"] {
        let dir = tempfile::tempdir()?;
        let mut expected = Vec::new();
        for round in 0..2 {
            let options = Options { store: Some(dir.path().into()), ..Options::default() }
                .env("DRAGOMAN_STORE_ENGINE", engine);
            let mut app = TestApp::start(options).await?;
            for i in 0..5 {
                let row = suggestion(round * 5 + i);
                assert_eq!(app.json("/suggest", &row).await?, (200, json!({ "success": true })));
                expected.push(row);
            }
            app.signal("KILL")?; // the moment after the last answer
            app.wait()?;
        }
        let export = store(dir.path(), &["export"])?.stdout()?;
        assert_eq!(suggestions(&export)?, expected);

        let other = tempfile::tempdir()?;
        for _ in 0..2 {
            store(other.path(), &["import", "-"])?.stdin(export.clone()).stdout()?;
        }
        let again = store(other.path(), &["export"])?.stdout()?;
        assert_eq!(again, export, "imported twice, there once");
    }
    Ok(())
}

#[test]
fn a_store_is_moved_to_another_engine() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let line = r#"{"kind":"suggestion","q":"a","s":"b","source":"en","target":"de"}"#;
    store(dir.path(), &["import", "-"])?.stdin(line).stdout()?;
    let before = store(dir.path(), &["export"])?.stdout()?;
    let refused = store(dir.path(), &["export", "--store-engine", "redb"])?.failure()?;
    assert!(refused.contains("sled keeps the store") && refused.contains("--to redb"), "{refused}");
    let moved = store(dir.path(), &["migrate", "--to", "redb"])?.stdout()?;
    assert!(moved.contains("redb keeps it now: 2 rows"), "{moved}");
    assert_eq!(store(dir.path(), &["export", "--store-engine", "redb"])?.stdout()?, before);
    assert!(dir.path().join("store.redb").exists() && !dir.path().join("db").exists());
    let unknown = store(dir.path(), &["migrate", "--to", "rocks"])?.failure()?;
    assert!(unknown.contains("`rocks` is no storage engine"), "{unknown}");
    Ok(())
}

#[tokio::test]
async fn while_a_server_runs_its_store_is_exported_through_it() -> Result<()> {
    let app = TestApp::start(Options::default().env("DRAGOMAN_ADMIN_KEY", "let me in")).await?;
    assert_eq!(app.json("/suggest", &suggestion(1)).await?.0, 200);

    let refused = store(&app.store, &["export"])?.failure()?;
    assert!(refused.contains(&*app.store.to_string_lossy()), "{refused}");
    assert!(refused.contains("in use") && refused.contains("admin API"), "{refused}");

    assert_eq!(app.get("/admin/store").send().await?.status(), 401);
    let export = app.get("/admin/store").bearer_auth("let me in").send().await?.text().await?;
    assert_eq!(suggestions(&export)?, [suggestion(1)]);
    Ok(())
}

#[tokio::test]
async fn suggestions_need_their_fields_and_can_be_switched_off() -> Result<()> {
    let app = TestApp::spawn().await?;
    for name in ["q", "s", "source", "target"] {
        let mut row = suggestion(1);
        row[name] = Value::Null;
        let message = format!("Invalid request: missing {name} parameter");
        assert_eq!(app.json("/suggest", &row).await?, (400, json!({ "error": message })));
    }
    let app = TestApp::start(Options::default().env("LT_SUGGESTIONS", "false")).await?;
    let message = "Suggestions are disabled on this server.";
    assert_eq!(app.json("/suggest", &suggestion(1)).await?, (403, json!({ "error": message })));
    Ok(())
}

#[tokio::test]
async fn keys_are_made_asked_for_and_forgotten() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let key = store(dir.path(), &["add-key"])?.stdout()?.trim().to_owned();
    let options = || {
        let options = Options { store: Some(dir.path().into()), ..Options::default() };
        options.env("LT_API_KEYS", "true").env("DRAGOMAN_REQUIRE_API_KEY", "true")
    };
    let ask =
        |key: &str| json!({ "q": "Good morning.", "source": "en", "target": "de", "api_key": key });

    let app = TestApp::start(options()).await?;
    assert_eq!(app.json("/translate", &ask(&key)).await?.0, 200);
    let unknown = json!({ "error": "Invalid API key" });
    assert_eq!(app.json("/translate", &ask("guessed")).await?, (403, unknown.clone()));
    let none = json!({ "error": "Please contact the server operator to get an API key" });
    assert_eq!(app.json("/translate", &ask("")).await?, (400, none));
    drop(app);

    store(dir.path(), &["remove-key", &key])?.stdout()?;
    let again = store(dir.path(), &["remove-key", &key])?.failure()?;
    assert!(again.contains("does not know this key"), "{again}");
    let app = TestApp::start(options()).await?;
    assert_eq!(app.json("/translate", &ask(&key)).await?, (403, unknown));
    Ok(())
}

#[test]
fn an_import_names_the_line_that_is_no_row() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let error = store(dir.path(), &["import", "-"])?.stdin("\nnonsense\n").failure()?;
    assert!(error.contains("standard input") && error.contains("JSON Lines"), "{error}");
    let error = store(dir.path(), &["import", "/no/such/file"])?.failure()?;
    assert!(error.contains("/no/such/file"), "{error}");
    Ok(())
}

#[tokio::test]
async fn suggestions_are_looked_through_with_a_server_and_without() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let options = Options { store: Some(dir.path().into()), ..Options::default() };
    let app = TestApp::start(options.env("DRAGOMAN_ADMIN_KEY", "let me in")).await?;
    for i in [1, 2, 3, 2] {
        assert_eq!(app.json("/suggest", &suggestion(i)).await?.0, 200);
    }
    let look = |place: &str, args: &[&str]| {
        Ok::<_, anyhow::Error>(
            Dragoman::new(["suggestion", "--store", place, "--admin-key", "let me in"])?.args(args),
        )
    };
    let listed = look(&app.url, &["list"])?.stdout()?;
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 3, "{listed}");
    assert_eq!(rows[1][1..], ["pending", "en-de", "-", "line 2", "Zeile \"2\" 🙂"]);
    look(&app.url, &["approve", rows[0][0]])?.stdout()?;
    look(&app.url, &["reject", rows[1][0]])?.stdout()?;
    look(&app.url, &["delete", rows[2][0]])?.stdout()?;
    let wrong = look(&app.url, &["approve", "5"])?.failure()?;
    assert!(wrong.contains("no suggestion 5"), "{wrong}");
    let busy = look(&dir.path().to_string_lossy(), &["list"])?.failure()?;
    assert!(busy.contains("the server's address"), "{busy}");
    let refused = Dragoman::new(["suggestion", "list", "--store", &app.url])?.failure()?;
    assert!(refused.contains("--admin-key"), "{refused}");

    drop(app);
    let place = dir.path().to_string_lossy().into_owned();
    let left = look(&place, &["list"])?.stdout()?;
    assert_eq!(left.matches("approved").count() + left.matches("rejected").count(), 2, "{left}");
    look(&place, &["delete", rows[0][0]])?.stdout()?;
    assert_eq!(look(&place, &["list", "--status", "approved"])?.stdout()?, "");
    Ok(())
}
