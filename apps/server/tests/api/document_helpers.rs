//! Glossaries and the memory for documents.

use anyhow::{Context, Result};
use dragoman_store::{MemoryOf, Store};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::{
    documents::ended,
    harness::{TestApp, answer, text},
};

/// A document that asks for `message`.
fn po(message: &str) -> String {
    format!("msgid \"{message}\"\nmsgstr \"\"\n")
}

fn form(name: &str, content: String) -> Form {
    let file = Part::bytes(content.into_bytes()).file_name(name.to_owned());
    Form::new().part("file", file).text("source", "en").text("target", "de")
}

/// The job that translates a document, and the result.
async fn translated(app: &TestApp, form: Form) -> Result<(Value, String)> {
    let (status, job) = answer(app.post("/documents").multipart(form)).await?;
    anyhow::ensure!(status == 202, "{status}: {job}");
    let id = job["id"].as_str().context("a name")?;
    let job = ended(app, id).await?;
    anyhow::ensure!(job["state"] == "done", "{job}");
    let (_, result) = text(app.get(&format!("/documents/{id}/result"))).await?;
    Ok((job, result))
}

fn remember(store: &Store, source: &str, target: &str) -> Result<()> {
    let of = MemoryOf { owner: "", source: "en", target: "de" };
    store.remember(of, &[(source.into(), target.into())])?;
    Ok(())
}

#[actix_web::test]
async fn what_is_in_the_memory_is_taken_unless_it_is_switched_off() -> Result<()> {
    let app = TestApp::start()?;
    remember(&app.store, "Open {name} now.", "{name} jetzt öffnen.")?;
    let source = po("Open {name} now.");
    let (job, result) = translated(&app, form("a.po", source.clone())).await?;
    assert_eq!(result, source.replace("msgstr \"\"", "msgstr \"{name} jetzt öffnen.\""));
    assert_eq!((&job["sentencesRemembered"], &job["sentences"]), (&json!(1), &json!(0)));
    assert!(app.model.sentences().is_empty(), "the model is not asked");
    let (job, result) = translated(&app, form("a.po", source).text("memory", "false")).await?;
    assert!(result.starts_with("#, fuzzy\n") && result.contains("Open-de"), "{result}");
    assert_eq!(job["sentencesRemembered"], 0);
    Ok(())
}

#[actix_web::test]
async fn terms_of_glossaries_are_used_in_documents() -> Result<()> {
    let app = TestApp::start()?;
    let entries = "contract\tVertrag\nAcme Tool\tAcme Tool";
    let glossary = json!({ "name": "law", "source_lang": "en", "target_lang": "de", "entries": entries, "entries_format": "tsv" });
    assert_eq!(app.json("/v2/glossaries", &glossary).await?.0, 201);
    let source = || "The contract of Acme Tool ends.\n".to_owned();
    let (_, plain) = translated(&app, form("a.txt", source())).await?;
    assert!(!plain.contains("Vertrag"), "{plain}");
    let (_, result) = translated(&app, form("a.txt", source()).text("glossaries", "law")).await?;
    assert!(result.contains("Vertrag") && result.contains("Acme Tool"), "{result}");
    let lent = form("a.txt", source()).text("glossaries", "law");
    let (status, reply) = answer(app.post("/translate_file").multipart(lent)).await?;
    assert_eq!(status, 200, "{reply}");
    let url = reply["translatedFileUrl"].as_str().context("an address")?;
    assert!(app.client.get(url).send().await?.text().await?.contains("Vertrag"));
    let unknown = form("a.txt", source()).text("glossaries", "other");
    let (status, reply) = answer(app.post("/documents").multipart(unknown)).await?;
    assert_eq!((status, reply), (400, json!({ "error": "there is no glossary `other`" })));
    Ok(())
}
