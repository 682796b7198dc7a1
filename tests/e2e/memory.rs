//! `dragoman memory` and `dragoman glossary`, and what a server makes of both.

use std::path::Path;

use anyhow::Result;
use dragoman_e2e::{Dragoman, Options, TestApp};
use serde_json::json;

fn command(name: &str, store: &Path, args: &[&str]) -> Result<Dragoman> {
    Ok(Dragoman::new([name, "--store"])?.args([store]).args(args))
}

#[tokio::test]
async fn what_is_imported_is_found_exported_and_used() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (store, file) = (dir.path().join("store"), dir.path().join("en-de.tsv"));
    fs_err::write(&file, "Good morning.\tSeid gegrüßt.\nThe cat & the dog.\tKatze & Hund.\n")?;
    let pair = ["--from", "en", "--to", "de"];
    let file = file.to_string_lossy().into_owned();
    let import = |file: &str| command("memory", &store, &["import", file])?.args(pair).stdout();
    assert_eq!(import(&file)?, "2 units read, 0 lines passed over\n");
    let tmx = command("memory", &store, &["export"])?.args(pair).stdout()?;
    assert!(tmx.contains("<seg>The cat &amp; the dog.</seg>"), "{tmx}");
    let copy = dir.path().join("copy.tmx");
    fs_err::write(&copy, &tmx)?;
    let other = dir.path().join("other");
    let copied = command("memory", &other, &["import", &copy.to_string_lossy()])?.args(pair);
    assert_eq!(copied.stdout()?, "2 units read, 0 lines passed over\n");
    assert_eq!(command("memory", &other, &["export"])?.args(pair).stdout()?, tmx);
    let found = command("memory", &store, &["search", "Good mornings."])?.args(pair).stdout()?;
    assert!(found.starts_with(" 92 %  Good morning.\n"), "{found}");

    let options = Options { store: Some(store.clone()), ..Options::default() };
    let app = TestApp::start(options.env("DRAGOMAN_ADMIN_KEY", "let me in")).await?;
    let ask = |more: serde_json::Value| {
        let mut body = json!({ "q": "Good morning.", "source": "en", "target": "de" });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        body
    };
    let (_, reply) = app.json("/translate", &ask(json!({}))).await?;
    assert_eq!(reply, json!({ "translatedText": "Seid gegrüßt." }));
    let (_, reply) = app.json("/translate", &ask(json!({ "memory": false }))).await?;
    assert_eq!(reply["translatedText"], "Guten Morgen.");
    let alike = json!({ "q": "Good mornings.", "memory": 90 });
    let (_, reply) = app.json("/translate", &ask(alike)).await?;
    assert_eq!(reply["translatedText"], "Seid gegrüßt.", "{reply}");
    assert_eq!(reply["memory"][0]["score"], 92, "{reply}");

    // What the keeper approves counts from the next request on.
    let right = json!({ "q": "The moon is shining.", "s": "Es scheint der Mond.", "source": "en", "target": "de" });
    assert_eq!(app.json("/suggest", &right).await?.0, 200);
    let moon = json!({ "q": "The moon is shining.", "source": "en", "target": "de" });
    let (_, reply) = app.json("/translate", &moon).await?;
    assert_eq!(reply["translatedText"], "Der Mond scheint.");
    let url = format!("{}/admin/suggestions", app.url);
    let list: serde_json::Value =
        app.client.get(&url).bearer_auth("let me in").send().await?.json().await?;
    let id = list["suggestions"][0]["id"].as_u64().unwrap_or_default();
    let judge = app.client.put(format!("{url}/{id}")).bearer_auth("let me in");
    let judged = judge.json(&json!({ "status": "approved" })).send().await?;
    assert_eq!(judged.status(), 200);
    let (_, reply) = app.json("/translate", &moon).await?;
    assert_eq!(reply["translatedText"], "Es scheint der Mond.");
    Ok(())
}

#[tokio::test]
async fn a_glossary_of_a_file_is_used_by_name() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (store, file) = (dir.path().join("store"), dir.path().join("menu.csv"));
    fs_err::write(&file, "soup,Brühe\nsinging,Gesang\n")?;
    let import = ["import", &file.to_string_lossy(), "--from", "en", "--to", "de"];
    let made = command("glossary", &store, &import)?.stdout()?;
    assert!(made.contains("  menu  en-de: 2 terms"), "{made}");
    let shown = command("glossary", &store, &["show", "menu"])?.stdout()?;
    assert_eq!(shown, "# en to de\nsinging\tGesang\nsoup\tBrühe\n");

    let options = Options { store: Some(store.clone()), bundled: true, ..Options::default() };
    let mut app = TestApp::start(options).await?;
    let soup = |glossary: &str| json!({ "q": "The soup is too hot.", "source": "en", "target": "de", "glossaries": [glossary], "strict": true });
    let (_, reply) = app.json("/translate", &soup("menu")).await?;
    let text = reply["translatedText"].as_str().unwrap_or_default();
    assert!(text.contains("Brühe") && !text.contains("Suppe"), "{reply}");
    let (status, reply) = app.json("/translate", &soup("none")).await?;
    assert_eq!(
        (status, reply["error"].as_str()),
        (400, Some("Invalid request: there is no glossary `none`"))
    );
    app.signal("TERM")?;
    app.wait()?;
    assert_eq!(command("glossary", &store, &["remove", "menu"])?.stdout()?, "removed `menu`\n");
    assert_eq!(command("glossary", &store, &["list"])?.stdout()?, "");
    Ok(())
}
