//! `POST /detect`

use anyhow::Result;
use serde_json::json;

use crate::harness::{TestApp, answer};

#[actix_web::test]
async fn guesses_come_best_first() -> Result<()> {
    let app = TestApp::start()?;
    let text = "Guten Morgen, wie geht es Ihnen heute?";
    for request in [
        app.post("/detect").json(&json!({ "q": text })),
        app.post("/detect").json(&json!({ "q": [text, text] })),
        app.post("/detect").form(&[("q", text)]),
        app.post("/detect").query(&[("q", text)]),
    ] {
        let (status, reply) = answer(request).await?;
        let guesses = reply.as_array().expect("an array");
        assert_eq!(status, 200);
        assert_eq!(guesses[0]["language"], "de", "{reply}");
        assert!((1..=3).contains(&guesses.len()), "{reply}");
        assert!(
            guesses[0]["confidence"].as_f64()
                >= guesses.last().and_then(|g| g["confidence"].as_f64())
        );
    }
    Ok(())
}

#[actix_web::test]
async fn nothing_to_guess_is_english_with_no_confidence() -> Result<()> {
    let app = TestApp::start()?;
    for q in ["🙂", "  ", "123"] {
        let (status, reply) = app.json("/detect", &json!({ "q": q })).await?;
        assert_eq!((status, reply), (200, json!([{ "confidence": 0, "language": "en" }])));
    }
    let (status, reply) = app.json("/detect", &json!({ "q": "" })).await?;
    assert_eq!((status, reply), (400, json!({ "error": "Invalid request: missing q parameter" })));
    assert_eq!(app.json("/detect", &json!({ "q": { "a": 1 } })).await?.0, 400);
    Ok(())
}

#[actix_web::test]
async fn a_language_that_the_model_does_not_know_is_named_and_not_translated() -> Result<()> {
    let app = TestApp::start()?;
    for (text, language) in [
        ("Il giardino dietro la chiesa è chiuso oggi.", "it"),
        ("Ogród za kościołem jest dziś zamknięty.", "pl"),
        ("Сад за церковью сегодня закрыт.", "ru"),
    ] {
        let (_, guesses) = app.json("/detect", &json!({ "q": text })).await?;
        assert_eq!(guesses[0]["language"], language, "{guesses}");
        let of_model = |guess: &&serde_json::Value| {
            ["de", "en", "es", "fr", "pt-BR"].iter().any(|code| guess["language"] == **code)
        };
        for guess in guesses.as_array().expect("an array").iter().filter(of_model) {
            assert!(guess["confidence"].as_u64() < Some(50), "{guesses}");
        }
        let body = json!({ "q": text, "source": "auto", "target": "en" });
        let (status, reply) = app.json("/translate", &body).await?;
        let error = reply["error"].as_str().unwrap_or_default();
        assert_eq!(status, 400, "{reply}");
        assert!(error.starts_with(&format!("{language} is not supported: ")), "{reply}");
        assert_eq!(reply["detectedLanguage"]["language"], language, "{reply}");
        let streamed = answer(app.post("/translate/stream").json(&body)).await?;
        assert_eq!(streamed, (400, reply));

        // Among others it does not keep them from their translations.
        let body =
            json!({ "q": [text, "The garden is closed."], "source": "auto", "target": "de" });
        let (status, reply) = app.json("/translate", &body).await?;
        assert_eq!((status, &reply["translatedText"][0]), (200, &json!(text)), "{reply}");
        assert_eq!(reply["detectedLanguage"][0]["language"], language, "{reply}");
        assert_ne!(reply["translatedText"][1], "The garden is closed.", "{reply}");
    }
    Ok(())
}

#[actix_web::test]
async fn what_is_detected_is_what_is_translated_from() -> Result<()> {
    let app = TestApp::start()?;
    for text in ["ja", "bon", "Hallo", "Hund", "Tot morgen", "Come stai?", "Taxi", "Hei", "12"] {
        let (_, guesses) = app.json("/detect", &json!({ "q": text })).await?;
        let body = json!({ "q": text, "source": "auto", "target": "en" });
        let (_, reply) = app.json("/translate", &body).await?;
        assert_eq!(reply["detectedLanguage"], guesses[0], "{text}: {reply}");
    }
    Ok(())
}
