//! Documents as jobs, over our own API and over that of LibreTranslate.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::{
    harness::{TestApp, answer, settings, text},
    model::Tagger,
};

const JSON: &str = "{ \"key\": \"Good morning, you.\", \"list\": [\"And you\"] }";

fn form(name: &str, bytes: impl Into<Vec<u8>>) -> Form {
    let file = Part::bytes(bytes.into()).file_name(name.to_owned());
    Form::new().part("file", file).text("source", "en").text("target", "de")
}

/// Posts a document; the status and the reply.
async fn posted(app: &TestApp, path: &str, form: Form) -> Result<(u16, Value)> {
    answer(app.post(path).multipart(form)).await
}

/// Asks for a job until it has ended.
pub(crate) async fn ended(app: &TestApp, id: &str) -> Result<Value> {
    let since = Instant::now();
    loop {
        let (status, job) = answer(app.get(&format!("/documents/{id}"))).await?;
        anyhow::ensure!(status == 200, "{job}");
        if !["queued", "translating"].contains(&job["state"].as_str().unwrap_or_default()) {
            return Ok(job);
        }
        anyhow::ensure!(since.elapsed() < Duration::from_secs(30), "it never ends: {job}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn a_document_is_translated_in_the_background() -> Result<()> {
    let app = TestApp::start()?;
    let (status, job) = posted(&app, "/documents", form("some.json", JSON)).await?;
    assert_eq!((status, &job["name"]), (202, &json!("some.json")));
    let id = job["id"].as_str().context("a name")?;
    let job = ended(&app, id).await?;
    assert_eq!(job["state"], "done", "{job}");
    assert_eq!((&job["sentencesDone"], &job["sentences"]), (&json!(2), &json!(2)));
    assert_eq!(job["characters"], 25);
    let reply = app.get(&format!("/documents/{id}/result")).send().await?;
    let disposition = reply.headers()["content-disposition"].to_str()?.to_owned();
    assert_eq!(disposition, "attachment; filename=\"some.de.json\"");
    let expected = "{ \"key\": \"Good-de morning-de, you-de.\", \"list\": [\"And-de you-de\"] }";
    assert_eq!(reply.text().await?, expected);
    let path = format!("/documents/{id}");
    assert_eq!(app.client.delete(format!("{}{path}", app.url)).send().await?.status(), 204);
    assert_eq!(app.get(&path).send().await?.status(), 404);
    assert_eq!(app.get(&format!("{path}/result")).send().await?.status(), 404);
    Ok(())
}

#[actix_web::test]
async fn clients_of_libretranslate_get_an_address() -> Result<()> {
    let app = TestApp::start()?;
    let (status, reply) = posted(&app, "/translate_file", form("../a b.json", JSON)).await?;
    assert_eq!(status, 200, "{reply}");
    let url = reply["translatedFileUrl"].as_str().context("an address")?;
    let (start, name) = url.rsplit_once('/').context("a path")?;
    assert_eq!(start, format!("{}/download_file", app.url));
    let (id, rest) = name.split_once('.').context("a name")?;
    assert_eq!(rest, "a%20b_de.json");
    let reply = app.client.get(url).send().await?;
    let disposition = reply.headers()["content-disposition"].to_str()?;
    assert_eq!(disposition, "attachment; filename=\"a b_de.json\"");
    assert!(reply.text().await?.contains("Good-de morning-de"));
    for path in [format!("{id}.other.json"), format!("x{id}.a"), "../x".into(), "a.json".into()] {
        let status = app.get(&format!("/download_file/{path}")).send().await?.status();
        assert!([400, 404].contains(&status.as_u16()), "{path}: {status}");
    }
    let (status, reply) = answer(app.get("/download_file/a.json")).await?;
    assert_eq!((status, reply), (400, json!({ "error": "Invalid filename" })));
    Ok(())
}

#[actix_web::test]
async fn what_cannot_be_translated_is_said_in_upstreams_words() -> Result<()> {
    let app = TestApp::start()?;
    let part = || Part::bytes(JSON.as_bytes().to_vec()).file_name("a.json");
    let empty = Part::bytes(Vec::new()).file_name("a.json");
    let of = |part| Form::new().part("file", part);
    for (form, reason) in [
        (Form::new().text("source", "en").text("target", "de"), "missing file parameter"),
        (of(part()).text("target", "de"), "missing source parameter"),
        (of(part()).text("source", "en"), "missing target parameter"),
        (of(empty).text("source", "en").text("target", "de"), "empty file"),
    ] {
        let (status, reply) = posted(&app, "/translate_file", form).await?;
        assert_eq!((status, &reply["error"]), (400, &json!(format!("Invalid request: {reason}"))));
    }
    let (status, reply) = posted(&app, "/translate_file", form("a.exe", JSON)).await?;
    let error = reply["error"].as_str().unwrap_or_default();
    assert!(status == 400 && error.starts_with("Invalid request: file format not supported: "));
    assert!(error.contains("`a.exe`") && error.contains("docx"), "{error}");
    let unknown = of(part()).text("source", "en").text("target", "tlh");
    let (status, reply) = posted(&app, "/translate_file", unknown).await?;
    assert_eq!((status, reply), (400, json!({ "error": "tlh is not supported" })));
    let (status, reply) = posted(&app, "/translate_file", form("a.docx", "no zip")).await?;
    assert!(status == 400 && reply["error"].to_string().contains("Word"), "{status} {reply}");
    Ok(())
}

#[actix_web::test]
async fn a_domain_that_nobody_knows_is_refused_before_a_job_begins() -> Result<()> {
    let app = TestApp::start()?;
    let to = |target: &'static str, domain: &'static str| {
        let file = Part::bytes(JSON.as_bytes().to_vec()).file_name("a.json");
        let form = Form::new().part("file", file).text("source", "en");
        form.text("target", target).text("domain", domain)
    };
    for (form, reason) in [
        (to("de", "law"), "domain `law` is not supported; this model has `it`, `medical`"),
        (to("pt-BR", "medical"), "domain `medical` is not supported for en to pt-BR, which has it"),
    ] {
        let (status, reply) = posted(&app, "/documents", form).await?;
        assert_eq!(status, 400, "{reply}");
        assert!(reply["error"].as_str().is_some_and(|said| said.contains(reason)), "{reply}");
    }
    assert_eq!(posted(&app, "/documents", to("de", "medical")).await?.0, 202);
    Ok(())
}

#[actix_web::test]
async fn a_job_that_is_removed_stops() -> Result<()> {
    let app = TestApp::with(settings("batch_sentences = 4")?, Tagger::slow(100))?;
    let many = (0..2000).map(|i| format!("Sentence {i} here.\n")).collect::<String>();
    let (_, job) = posted(&app, "/documents", form("a.txt", many)).await?;
    let id = job["id"].as_str().context("a name")?;
    let path = format!("/documents/{id}");
    let since = Instant::now();
    loop {
        let (_, job) = answer(app.get(&path)).await?;
        if job["sentencesDone"].as_u64() > Some(0) {
            assert_eq!((&job["state"], &job["sentences"]), (&json!("translating"), &json!(2000)));
            break;
        }
        anyhow::ensure!(since.elapsed() < Duration::from_secs(30), "{job}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(app.get(&format!("{path}/result")).send().await?.status(), 409);
    assert_eq!(app.client.delete(format!("{}{path}", app.url)).send().await?.status(), 204);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = app.model.sentences().len();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(app.model.sentences().len(), asked, "nothing is asked any more");
    assert_eq!(app.get(&path).send().await?.status(), 404);
    Ok(())
}

#[actix_web::test]
async fn jobs_are_bounded_in_size_number_time_and_length() -> Result<()> {
    let config = settings(
        "document_limit = 2000\ndocument_jobs = 4\ndocument_sentences = 3\ndocument_time = 1\nchar_limit = 500",
    )?;
    let app = TestApp::with(config, Tagger::slow(3000))?;
    let (status, _) = posted(&app, "/documents", form("a.txt", "x ".repeat(3000))).await?;
    assert_eq!(status, 413);
    let (_, job) = posted(&app, "/documents", form("a.txt", "One.\nTwo.\nThree.\nFour.\n")).await?;
    let job = ended(&app, job["id"].as_str().context("a name")?).await?;
    assert!(job["error"].to_string().contains("4 sentences"), "{job}");
    let (_, job) = posted(&app, "/documents", form("a.txt", "word ".repeat(200))).await?;
    let job = ended(&app, job["id"].as_str().context("a name")?).await?;
    assert!(job["error"].to_string().contains("500 characters"), "{job}");
    let (_, job) = posted(&app, "/documents", form("a.txt", "One.")).await?;
    // One client has a quarter of four jobs, and that is taken until it ends.
    let refused = app.post("/documents").multipart(form("a.txt", "One.")).send().await?;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "10");
    let reason = refused.text().await?;
    assert!(reason.contains("1 document of yours waits or is in work; try again in"), "{reason}");
    let job = ended(&app, job["id"].as_str().context("a name")?).await?;
    assert!(job["error"].to_string().contains("1 seconds"), "{job}");
    Ok(())
}

#[actix_web::test]
async fn results_that_are_kept_keep_nobody_out() -> Result<()> {
    let limits = "document_jobs = 4\ndocument_memory = 4000\ndocument_limit = 1000";
    let app = TestApp::with(settings(limits)?, Tagger::default())?;
    let mut urls = Vec::new();
    for number in 0..10 {
        let (status, reply) = posted(&app, "/translate_file", form("a.json", JSON)).await?;
        assert_eq!(status, 200, "{number}: {reply}");
        urls.push(reply["translatedFileUrl"].as_str().context("an address")?.to_owned());
    }
    // There is room for one result of a client, which is the newest.
    assert_eq!(app.client.get(&urls[9]).send().await?.status(), 200);
    assert_eq!(app.client.get(&urls[8]).send().await?.status(), 404);
    for _ in 0..3 {
        let (status, job) = posted(&app, "/documents", form("a.docx", "no zip")).await?;
        assert_eq!(status, 202, "a job that failed keeps nobody out: {job}");
        ended(&app, job["id"].as_str().context("a name")?).await?;
    }
    Ok(())
}

#[actix_web::test]
async fn keys_count_for_documents_too() -> Result<()> {
    let app = TestApp::configured(settings("api_keys = true\nrequire_api_key = true")?)?;
    for path in ["/documents", "/translate_file"] {
        let (status, reply) = posted(&app, path, form("a.json", JSON)).await?;
        assert_eq!(status, 400, "{reply}");
        let (status, reply) = posted(&app, path, form("a.json", JSON).text("api_key", "x")).await?;
        assert_eq!(status, 403, "{reply}");
    }
    Ok(())
}

#[actix_web::test]
async fn the_language_of_a_document_is_guessed_and_a_column_chosen() -> Result<()> {
    let app = TestApp::start()?;
    let table = "id,text\na word,This is a longer sentence in the English language.\n";
    let file = Part::bytes(table.as_bytes().to_vec()).file_name("t.csv");
    let form = Form::new().part("file", file).text("source", "auto").text("target", "de");
    let (_, job) = posted(&app, "/documents", form.text("columns", "text")).await?;
    let id = job["id"].as_str().context("a name")?;
    let job = ended(&app, id).await?;
    assert_eq!(job["detectedLanguage"]["language"], "en", "{job}");
    let (_, reply) = text(app.get(&format!("/documents/{id}/result"))).await?;
    assert!(reply.starts_with("id,text\na word,This-de is-de"), "{reply}");
    Ok(())
}

#[actix_web::test]
async fn a_client_that_hangs_up_gets_its_job_stopped() -> Result<()> {
    let app = TestApp::with(settings("batch_sentences = 4")?, Tagger::slow(100))?;
    let many = (0..2000).map(|i| format!("Sentence {i} here.\n")).collect::<String>();
    let request = app.post("/translate_file").multipart(form("a.txt", many));
    let gone = tokio::time::timeout(Duration::from_millis(800), request.send()).await;
    assert!(gone.is_err(), "it takes longer");
    tokio::time::sleep(Duration::from_millis(700)).await;
    let asked = app.model.sentences().len();
    assert!(asked > 0);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(app.model.sentences().len(), asked, "nothing is asked any more");
    Ok(())
}
