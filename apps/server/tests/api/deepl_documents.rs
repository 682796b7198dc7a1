//! Documents over DeepL's API.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::{
    harness::{TestApp, answer, settings},
    model::Tagger,
};

fn form(name: &str, content: &str) -> Form {
    let file = Part::bytes(content.as_bytes().to_vec()).file_name(name.to_owned());
    Form::new().part("file", file).text("target_lang", "DE")
}

/// Sends a document; its identifier and its key.
async fn sent(app: &TestApp, form: Form) -> Result<(String, String)> {
    let (status, reply) = answer(app.post("/v2/document").multipart(form)).await?;
    anyhow::ensure!(status == 200, "{status}: {reply}");
    let text = |name: &str| reply[name].as_str().map(str::to_owned).context("a text");
    Ok((text("document_id")?, text("document_key")?))
}

/// Asks until the document is done, or came to nothing.
async fn ended(app: &TestApp, id: &str, key: &str) -> Result<Value> {
    let since = Instant::now();
    loop {
        let form = [("document_key", key)];
        let (status, reply) = answer(app.post(&format!("/v2/document/{id}")).form(&form)).await?;
        anyhow::ensure!(status == 200, "{status}: {reply}");
        if !["queued", "translating"].contains(&reply["status"].as_str().unwrap_or_default()) {
            return Ok(reply);
        }
        anyhow::ensure!(since.elapsed() < Duration::from_secs(30), "it never ends: {reply}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn a_document_is_sent_looked_at_and_taken_once() -> Result<()> {
    let app = TestApp::start()?;
    let form = form("../a b.txt", "Good morning, you.\n").text("source_lang", "EN");
    let (id, key) = sent(&app, form.text("output_format", "txt")).await?;
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(id.len() == 32 && key.len() == 64 && is_hex(&id) && is_hex(&key), "{id} {key}");
    let reply = ended(&app, &id, &key).await?;
    let expected = json!({ "document_id": id, "status": "done", "billed_characters": 19 });
    assert_eq!(reply, expected);
    let (_, usage) = app.json("/v2/usage", &json!({})).await?;
    assert_eq!(usage["character_count"], 19);

    let path = format!("/v2/document/{id}/result");
    let wrong = json!({ "document_key": "0".repeat(64) });
    assert_eq!(app.json(&path, &wrong).await?.0, 404);
    assert_eq!(app.json(&format!("/v2/document/{id}"), &wrong).await?.0, 404);
    let uuid = uuid(&id);
    for other in [format!("/documents/{uuid}"), format!("/documents/{uuid}/result")] {
        assert_eq!(app.get(&other).send().await?.status(), 404, "its key is not known there");
    }
    let key = json!({ "document_key": key });
    let reply = app.post(&path).json(&key).send().await?;
    let disposition = reply.headers()["content-disposition"].to_str()?.to_owned();
    assert_eq!(disposition, "attachment; filename=\"a b.de.txt\"");
    assert!(reply.headers().contains_key("x-trace-id"));
    assert_eq!(reply.text().await?, "Good-de morning-de, you-de.\n");
    let (status, reply) = app.json(&path, &key).await?;
    assert!(status == 404 && reply["message"].is_string(), "{status} {reply}");
    Ok(())
}

/// As other APIs write the name of a job.
fn uuid(id: &str) -> String {
    [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-")
}

#[actix_web::test]
async fn what_cannot_be_done_is_said_at_once_or_in_the_status() -> Result<()> {
    let app = TestApp::start()?;
    let refused = [
        (Form::new().text("target_lang", "DE"), "Parameter 'file' not specified"),
        (form("a.exe", "x"), "no known document format"),
        (form("a.txt", "x").text("output_format", "docx"), "cannot be written as `docx`"),
        (form("a.txt", "x").text("formality", "more"), "'formality' is not supported"),
        (form("a.txt", "x").text("glossary_id", "none"), "requires the 'source_lang'"),
        (form("a.txt", ""), "the file is empty"),
    ];
    for (form, reason) in refused {
        let (status, reply) = answer(app.post("/v2/document").multipart(form)).await?;
        let message = reply["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(reason), "{status} {reply}");
    }
    let none = form("a.txt", "x").text("source_lang", "EN").text("glossary_id", "none");
    assert_eq!(answer(app.post("/v2/document").multipart(none)).await?.0, 404);
    let (id, key) = sent(&app, form("a.docx", "no zip")).await?;
    let reply = ended(&app, &id, &key).await?;
    assert_eq!(reply["status"], "error");
    let reason = reply["error_message"].as_str().unwrap_or_default();
    assert!(reason.contains("Word") && reply["message"] == reason, "{reply}");
    let path = format!("/v2/document/{id}/result");
    assert_eq!(app.json(&path, &json!({ "document_key": key })).await?.0, 400);
    for id in ["0".repeat(32), uuid(&"0".repeat(32)), "..".into()] {
        let path = format!("/v2/document/{id}x");
        assert_eq!(app.json(&path, &json!({ "document_key": key })).await?.0, 404);
    }
    Ok(())
}

#[actix_web::test]
async fn a_document_that_is_not_done_is_not_ready() -> Result<()> {
    let app = TestApp::with(settings("")?, Tagger::slow(2000))?;
    let (id, key) =
        sent(&app, form("a.txt", "Good morning, you.").text("source_lang", "EN")).await?;
    let path = format!("/v2/document/{id}/result");
    let (status, reply) = app.json(&path, &json!({ "document_key": key })).await?;
    assert!(status == 503 && reply["message"].is_string(), "{status} {reply}");
    Ok(())
}

#[actix_web::test]
async fn a_key_of_the_server_is_needed() -> Result<()> {
    let app = TestApp::configured(settings("api_keys = true\nrequire_api_key = true")?)?;
    let form = form("a.txt", "Good morning.");
    assert_eq!(answer(app.post("/v2/document").multipart(form)).await?.0, 403);
    let body = json!({ "document_key": "x" });
    assert_eq!(app.json(&format!("/v2/document/{}", "0".repeat(32)), &body).await?.0, 403);
    Ok(())
}
