//! A language model asked over HTTP: what it is sent, what is taken of its answers, and what is tried
//! again.

use std::time::Duration;

use dragoman_core::{
    Error,
    translate::{Translate, TranslationJob, Wanted},
};
use dragoman_llm::{Endpoint, LlmTranslator};
use serde_json::json;

use crate::stub::{Stub, said};

mod stub;

fn translator(stub: &Stub, seconds: u64) -> anyhow::Result<LlmTranslator> {
    let endpoint = Endpoint {
        url: format!("{}/", stub.url),
        model: "tiny".into(),
        key: Some("secret".into()),
        timeout: Duration::from_secs(seconds),
    };
    Ok(LlmTranslator::new(endpoint, vec!["en-ja".parse()?, "ja-en".parse()?]))
}

fn job(text: &str) -> TranslationJob {
    TranslationJob {
        source: "en".into(),
        target: "ja".into(),
        domains: Vec::new(),
        text: text.into(),
        num_hypotheses: 1,
        trace: false,
        wanted: Wanted { terms: vec![vec!["猫".into()]] },
    }
}

#[test]
fn sentences_are_asked_one_by_one_and_come_back_in_order() -> anyhow::Result<()> {
    let stub = Stub::start(|_, body| {
        let text = body["messages"][1]["content"].as_str().unwrap_or_default();
        std::thread::sleep(Duration::from_millis(if text == "one" { 80 } else { 0 }));
        let log_probs = json!({ "content": [{ "logprob": -0.25 }, { "logprob": -0.75 }] });
        let choice = json!({ "message": { "content": format!("<think>…</think>“{text}”") }, "logprobs": log_probs });
        (200, "", json!({ "choices": [choice] }).to_string())
    })?;
    let translator = translator(&stub, 20)?;
    assert_eq!(translator.languages(), ["en", "ja"]);
    assert!(translator.can_translate("ja", "en") && !translator.can_translate("en", "de"));

    let jobs: Vec<TranslationJob> = ["one", "two", "three", "four", "five"].map(job).into();
    let found = translator.translate(&jobs)?;
    let texts: Vec<&str> = found.iter().map(|answer| answer.hypotheses[0].text.as_str()).collect();
    assert_eq!(texts, ["one", "two", "three", "four", "five"]);
    assert_eq!(found[0].hypotheses[0].score, -0.5);

    let requests = stub.requests();
    assert_eq!(requests.len(), 5);
    let instructions = requests[0]["messages"][0]["content"].as_str().unwrap_or_default();
    assert!(instructions.contains("from English into Japanese") && instructions.contains("“猫”"));
    assert_eq!(requests[0]["authorization"], "Bearer secret");
    assert_eq!((&requests[0]["model"], &requests[0]["temperature"]), (&json!("tiny"), &json!(0)));
    Ok(())
}

#[test]
fn a_busy_server_is_asked_again_and_a_refusal_is_named() -> anyhow::Result<()> {
    let busy = Stub::start(|number, _| match number {
        0 => (503, "Retry-After: 0\r\n", "{}".into()),
        1 => (429, "Retry-After: 0\r\n", "{}".into()),
        _ => said("はい"),
    })?;
    let found = translator(&busy, 20)?.translate(&[job("yes")])?;
    assert_eq!(found[0].hypotheses[0].text, "はい");

    let refusing = Stub::start(|_, _| (404, "", r#"{"error": "model `tiny` not found"}"#.into()))?;
    let Err(Error::Remote(reason)) = translator(&refusing, 20)?.translate(&[job("yes")]) else {
        anyhow::bail!("a refusal is an error");
    };
    assert!(reason.contains("404") && reason.contains("model `tiny` not found"), "{reason}");
    assert_eq!(refusing.requests().len(), 1, "what is refused is not tried again");

    let strange = Stub::start(|_, _| (200, "", "<html>hello</html>".into()))?;
    let error = translator(&strange, 20)?.translate(&[job("yes")]).expect_err("no chat completion");
    assert!(error.to_string().contains("no chat completion"), "{error}");
    Ok(())
}

#[test]
fn a_server_that_is_not_there_or_too_slow_is_an_error_in_time() -> anyhow::Result<()> {
    let slow = Stub::start(|_, _| {
        std::thread::sleep(Duration::from_secs(30));
        said("late")
    })?;
    let error = translator(&slow, 1)?.translate(&[job("yes")]).expect_err("too slow");
    assert!(error.to_string().contains("timeout"), "{error}");

    let endpoint = Endpoint {
        url: "http://127.0.0.1:9/v1".into(),
        model: "tiny".into(),
        key: None,
        timeout: Duration::from_secs(20),
    };
    let gone = LlmTranslator::new(endpoint, vec!["en-ja".parse()?]);
    let error = gone.translate(&[job("yes")]).expect_err("nobody listens");
    assert!(error.to_string().contains("`tiny` at http://127.0.0.1:9/v1"), "{error}");
    Ok(())
}
