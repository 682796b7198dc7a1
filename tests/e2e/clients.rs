//! The client that LibreTranslate's users have: `libretranslatepy` from PyPI.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};
use dragoman_e2e::{Options, TestApp, skip::skip_unless_ci};
use serde_json::{Value, json};

/// What a user would write, with one object of all answers in the end.
const SCRIPT: &str = r#"
import json, sys, urllib.error
from libretranslatepy import LibreTranslateAPI

lt = LibreTranslateAPI(sys.argv[1], api_key=sys.argv[2] or None)
try:
    lt.translate("Good morning.", "en", "tlh")
    refused = None
except urllib.error.HTTPError as error:
    refused = [error.code, json.load(error)]
answers = {
    "languages": lt.languages(),
    "detect": lt.detect("Wir treffen uns morgen früh am Bahnhof."),
    "translate": lt.translate("The cat sleeps. Where is the key?", "en", "de"),
    "auto": lt.translate("Die Suppe ist zu heiß.", "auto", "fr"),
    "refused": refused,
}
print(json.dumps(answers))
"#;

#[tokio::test]
async fn the_python_client_of_libretranslate_works() -> Result<()> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    if !python.exists() {
        return skip_unless_ci("clients", "there is no `.venv`; `tests/run` makes it");
    }
    let app = TestApp::spawn().await?;
    let output = Command::new(python)
        .args(["-c", SCRIPT, &app.url, ""])
        .env("NO_PROXY", "*")
        .env("PYTHONIOENCODING", "utf-8")
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(answers["languages"][0]["name"], "English");
    assert_eq!(answers["detect"][0]["language"], "de");
    assert_eq!(answers["translate"], "Die Katze schläft. Wo ist der Schlüssel?");
    assert_eq!(answers["auto"], "La soupe est trop chaude.");
    assert_eq!(answers["refused"], json!([400, { "error": "tlh is not supported" }]));
    Ok(())
}

#[tokio::test]
async fn the_python_client_sends_its_key() -> Result<()> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    if !python.exists() {
        return skip_unless_ci("clients", "there is no `.venv`; `tests/run` makes it");
    }
    let options = Options::default().env("LT_API_KEYS", "true");
    let app = TestApp::start(options).await?;
    let output = Command::new(python)
        .args(["-c", SCRIPT, &app.url, "guessed"])
        .env("NO_PROXY", "*")
        .output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(error.contains("403"), "{error}");
    Ok(())
}
