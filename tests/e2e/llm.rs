//! A language model behind an API like OpenAI's, which translates some pairs.

use std::sync::{Mutex, mpsc};

use anyhow::{Context, Result};
use dragoman_e2e::{Dragoman, Options, TestApp};
use serde_json::{Value, json};

use stub::{Stub, said};

#[path = "../../apps/llm/tests/stub/mod.rs"]
mod stub;

/// A server whose Japanese comes from `stub`.
async fn start(stub: &Stub) -> Result<TestApp> {
    let args = ["--llm", &stub.url, "--llm-model", "tiny", "--llm-pairs", "en-ja"];
    TestApp::start(args.into_iter().fold(Options::default(), Options::arg)).await
}

fn text(body: &Value) -> &str {
    body["messages"][1]["content"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_language_model_translates_its_pairs_with_everything_that_is_not_prose_carried()
-> Result<()> {
    let stub = Stub::start(|_, body| said(&format!("はい、{}", text(body))))?;
    let app = start(&stub).await?;
    let html = "Write to <b>our office</b> at <a href=\"mailto:bob@example.org\">bob@example.org</a> today.";
    let order = json!({ "q": html, "source": "en", "target": "ja", "format": "html" });
    let reply: Value = app.post("/translate").json(&order).send().await?.json().await?;
    let translated = reply["translatedText"].as_str().context("a text")?;
    assert!(translated.contains("はい"), "{reply}");
    for kept in ["<a href=\"mailto:bob@example.org\">bob@example.org</a>", "<b>", "</b>"] {
        assert_eq!(translated.matches(kept).count(), 1, "{kept}: {reply}");
    }
    let asked: Vec<Value> = stub.requests();
    assert!(
        asked.iter().all(|body| !text(body).contains("bob@") && !text(body).contains('<')),
        "{asked:?}"
    );

    // Other pairs are translated here, also on the way to one of its pairs.
    let count = asked.len();
    assert_eq!(app.translate("The cat sleeps.", "en", "de").await?, "Die Katze schläft.");
    assert_eq!(stub.requests().len(), count);
    let there = app.translate("Die Katze schläft.", "de", "ja").await?;
    assert!(there.as_str().is_some_and(|text| text.starts_with("はい")), "{there}");
    assert_eq!(stub.requests().last().map(text), Some("The cat sleeps."));
    Ok(())
}

#[tokio::test]
async fn a_language_model_that_takes_its_time_holds_up_nobody_else() -> Result<()> {
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let stub = Stub::start(move |_, _| {
        wait.lock().expect("no thread panicked").recv().ok();
        said("はい。")
    })?;
    let app = start(&stub).await?;
    let order = json!({ "q": "Yes.", "source": "en", "target": "ja" });
    let slow = tokio::spawn(app.post("/translate").json(&order).send());
    while stub.requests().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(app.translate("The cat sleeps.", "en", "de").await?, "Die Katze schläft.");
    assert!(!slow.is_finished());
    go_on.send(())?;
    let reply: Value = slow.await??.json().await?;
    assert_eq!(reply["translatedText"], "はい。");
    Ok(())
}

#[tokio::test]
async fn a_language_model_that_fails_is_named_and_incomplete_flags_are_refused() -> Result<()> {
    let stub = Stub::start(|_, _| (401, "", r#"{"error": "no such key"}"#.into()))?;
    let app = start(&stub).await?;
    let order = json!({ "q": "Yes.", "source": "en", "target": "ja" });
    let reply = app.post("/translate").json(&order).send().await?;
    assert_eq!(reply.status(), 502);
    let reason = reply.text().await?;
    for part in ["`tiny` at http://127.0.0.1:", "401", "no such key", "try again later"] {
        assert!(reason.contains(part), "{reason}");
    }

    let error = Dragoman::new(["serve", "--llm", "http://127.0.0.1:9/v1"])?.failure()?;
    assert!(error.contains("--llm-model") && error.contains("--llm-pairs"), "{error}");
    let flags = ["serve", "--llm", "x", "--llm-model", "m", "--llm-pairs", "en-ja"];
    let error = Dragoman::new(flags)?.failure()?;
    assert!(error.contains("write it as `http://127.0.0.1:11434/v1`"), "{error}");
    let flags = ["serve", "--llm", "http://x/v1", "--llm-model", "m", "--llm-pairs", "english"];
    let error = Dragoman::new(flags)?.failure()?;
    assert!(error.contains("is no pair of languages; write it as `en-ja`"), "{error}");
    Ok(())
}
