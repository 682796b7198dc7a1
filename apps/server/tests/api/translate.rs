//! `POST /translate`: what comes in, and what goes out.

use anyhow::Result;
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::{
    harness::{TestApp, answer, settings},
    model::Tagger,
};

#[actix_web::test]
async fn a_string_gives_a_string_and_an_array_an_array() -> Result<()> {
    let app = TestApp::start()?;
    let body = json!({ "q": "Hello, World.", "source": "en", "target": "de" });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!((status, reply), (200, json!({ "translatedText": "Hello-de, World-de." })));

    let body = json!({ "q": ["One", "", "Two"], "source": "en", "target": "de" });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!((status, reply), (200, json!({ "translatedText": ["One-de", "", "Two-de"] })));

    let body = json!({ "q": ["One"], "source": "EN", "target": "De", "format": null, "new": [1] });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!((status, reply), (200, json!({ "translatedText": ["One-de"] })));
    Ok(())
}

#[actix_web::test]
async fn fields_come_as_form_multipart_or_query() -> Result<()> {
    let app = TestApp::start()?;
    let fields = [("q", "Good\r\nDay & Night"), ("source", "en"), ("target", "de")];
    let expected = json!({ "translatedText": "Good-de\nDay-de & Night-de" });

    let form = app.post("/translate").form(&fields);
    assert_eq!(answer(form).await?, (200, expected.clone()));
    let multipart = fields.iter().fold(Form::new(), |form, (name, value)| form.text(*name, *value));
    let multipart = app.post("/translate").multipart(multipart);
    assert_eq!(answer(multipart).await?, (200, expected.clone()));
    let query = app.post("/translate").query(&fields);
    assert_eq!(answer(query).await?, (200, expected.clone()));
    let both = app.post("/translate").query(&fields[..1]).form(&fields[1..]);
    assert_eq!(answer(both).await?, (200, expected));
    Ok(())
}

#[actix_web::test]
async fn auto_detects_each_text() -> Result<()> {
    let app = TestApp::start()?;
    let text = "Das ist ein ganz gewöhnlicher Satz.";
    let body = json!({ "q": text, "source": "auto", "target": "en" });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["detectedLanguage"]["language"], "de");
    assert!(reply["detectedLanguage"]["confidence"].as_f64() > Some(50.0), "{reply}");

    let other = "This is quite an ordinary sentence.";
    let body = json!({ "q": [text, "🙂 ", other], "source": "auto", "target": "en" });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!(status, 200, "{reply}");
    let detected = reply["detectedLanguage"].as_array().expect("an array for an array");
    let languages: Vec<&Value> = detected.iter().map(|guess| &guess["language"]).collect();
    assert_eq!(languages, ["de", "en", "en"]);
    assert_eq!(detected[1], json!({ "confidence": 0, "language": "en" }));
    assert_eq!(reply["translatedText"][1], "🙂 ");
    assert_eq!(reply["translatedText"][2], other);
    Ok(())
}

#[actix_web::test]
async fn alternatives_differ_and_are_there_only_when_asked_for() -> Result<()> {
    let app = TestApp::start()?;
    let ask = |q: Value, number: Value| json!({ "q": q, "source": "en", "target": "de", "alternatives": number });
    let (_, reply) = app.json("/translate", &ask(json!("One. Two."), json!(2))).await?;
    assert_eq!(reply["translatedText"], "One-de. Two-de.");
    assert_eq!(reply["alternatives"], json!(["One-de1. Two-de1.", "One-de2. Two-de2."]));

    let (_, reply) = app.json("/translate", &ask(json!(["One", "The same"]), json!("1"))).await?;
    assert_eq!(reply["alternatives"], json!([["One-de1"], []]));
    for none in [json!(0), json!(-3), json!("0"), json!(null)] {
        let (status, reply) = app.json("/translate", &ask(json!("One"), none)).await?;
        assert_eq!((status, reply.get("alternatives")), (200, None));
    }
    Ok(())
}

#[actix_web::test]
async fn layout_is_kept() -> Result<()> {
    let app = TestApp::start()?;
    let q = "  First. Second!\r\n\r\n\t- Item one\n\n3.5 %\n\n";
    let body = json!({ "q": q, "source": "en", "target": "de" });
    let (_, reply) = app.json("/translate", &body).await?;
    let expected = "  First-de. Second-de!\r\n\r\n\t- Item-de one-de\n\n3.5 %\n\n";
    assert_eq!(reply["translatedText"], expected);
    Ok(())
}

#[actix_web::test]
async fn results_are_repaired_as_upstream_does() -> Result<()> {
    let app = TestApp::start()?;
    for (q, expected) in [
        ("HELLO WORLD", "HELLO-DE WORLD-DE"),
        ("stammer", "stammer"),
        // The model says `&quot;entity&quot;`; marks that the source does not have are left out.
        ("An entity here", "An-de entity here-de"),
    ] {
        let body = json!({ "q": q, "source": "en", "target": "de" });
        let (_, reply) = app.json("/translate", &body).await?;
        assert_eq!(reply["translatedText"], expected);
    }
    Ok(())
}

#[actix_web::test]
async fn text_without_letters_and_equal_languages_come_back_unchanged() -> Result<()> {
    let app = TestApp::start()?;
    for (q, target) in
        [("🙂🙂 ", "de"), ("12:30 — 14:00", "de"), ("  \n", "de"), ("Same. Text", "en")]
    {
        let body = json!({ "q": q, "source": "en", "target": target, "scores": true });
        let (status, reply) = app.json("/translate", &body).await?;
        assert_eq!((status, reply), (200, json!({ "translatedText": q, "scores": null })));
    }
    assert!(app.model.batches().is_empty());
    Ok(())
}

#[actix_web::test]
async fn the_quality_of_each_sentence_is_there_when_asked_for() -> Result<()> {
    let app = TestApp::start()?;
    let body = json!({ "q": "One. Two.", "source": "en", "target": "de", "quality": true });
    let (_, reply) = app.json("/translate", &body).await?;
    assert_eq!(reply["quality"], json!([72.0, 72.0]));
    let body = json!({ "q": ["One", "1"], "source": "en", "target": "de", "quality": true });
    let (_, reply) = app.json("/translate", &body).await?;
    assert_eq!(reply["quality"], json!([[72.0], []]));
    // A model that estimates nothing says so, and a request that does not ask is told nothing.
    let body = json!({ "q": "Eins.", "source": "de", "target": "en", "quality": true });
    let (_, reply) = app.json("/translate", &body).await?;
    assert_eq!(reply["quality"], json!(null));
    let body = json!({ "q": "One.", "source": "en", "target": "de" });
    let (_, reply) = app.json("/translate", &body).await?;
    assert_eq!(reply.get("quality"), None);
    Ok(())
}

#[actix_web::test]
async fn trace_and_scores_are_there_when_asked_for() -> Result<()> {
    let app = TestApp::start()?;
    let body =
        json!({ "q": "One. Two.", "source": "en", "target": "de", "trace": true, "scores": true });
    let (_, reply) = app.json("/translate", &body).await?;
    assert_eq!(reply["scores"], -0.25);
    assert_eq!(reply["trace"]["legs"].as_array().map(Vec::len), Some(2));
    assert_eq!(reply["trace"]["legs"][0]["source"][0]["layers"][0]["experts"][0]["name"], "free.0");

    let body =
        json!({ "q": ["One", "1"], "source": "en", "target": "de", "trace": true, "scores": true });
    let (_, reply) = app.json("/translate", &body).await?;
    assert_eq!(reply["scores"], json!([-0.25, null]));
    assert_eq!(reply["trace"][1], json!({ "legs": [] }));
    Ok(())
}

#[actix_web::test]
async fn a_domain_reaches_the_model() -> Result<()> {
    let app = TestApp::start()?;
    for (name, value) in [("domain", json!("it")), ("domains", json!(["it"]))] {
        let body = json!({ "q": "A Word", "source": "en", "target": "de", name: value });
        let (_, reply) = app.json("/translate", &body).await?;
        assert_eq!(reply["translatedText"], "[it] A-de Word-de");
    }
    let body = json!({ "q": "A Word", "source": "en", "target": "de", "domain": "law" });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!(status, 400);
    assert!(reply["error"].as_str().is_some_and(|error| error.contains("`law`")), "{reply}");
    Ok(())
}

#[actix_web::test]
async fn a_header_asks_for_a_domain_where_fields_cannot() -> Result<()> {
    let app = TestApp::start()?;
    let mut body = json!({ "q": "A Word", "source": "en", "target": "de" });
    let request = app.post("/translate").header("X-Domain", "it").json(&body);
    let (_, reply) = answer(request).await?;
    assert_eq!(reply["translatedText"], "[it] A-de Word-de");
    let (status, reply) =
        answer(app.post("/translate").header("X-Domain", "law").json(&body)).await?;
    assert_eq!(status, 400);
    let error = reply["error"].as_str().unwrap_or_default();
    assert!(error.contains("`law`") && error.contains("`it`, `medical`"), "{error}");
    body["domain"] = json!("medical");
    let request = app.post("/translate").header("X-Domain", "it").json(&body);
    let (_, reply) = answer(request).await?;
    assert_eq!(reply["translatedText"], "[medical] A-de Word-de", "a field counts more");
    Ok(())
}

#[actix_web::test]
async fn the_domain_of_each_text_can_be_guessed() -> Result<()> {
    let app = TestApp::start()?;
    let q = json!(["The kernel", "A Word"]);
    let body = json!({ "q": q, "source": "en", "target": "de", "domain": "auto" });
    let (_, reply) = app.json("/translate", &body).await?;
    assert_eq!(reply["translatedText"], json!(["[it] The-de kernel-de", "A-de Word-de"]));
    let guesses =
        json!([{ "name": "it", "confidence": 90.0 }, { "name": null, "confidence": 80.0 }]);
    assert_eq!(reply["domain"], guesses);
    let body = json!({ "q": "The kernel", "source": "en", "target": "de", "domain": "it" });
    assert_eq!(app.json("/translate", &body).await?.1["domain"], json!(null), "nothing to guess");
    Ok(())
}

#[actix_web::test]
async fn another_model_serves_the_next_request() -> Result<()> {
    let app = TestApp::start()?;
    let body = json!({ "q": "A Word", "source": "en", "target": "de" });
    for _ in 0..2 {
        let (_, reply) = app.json("/translate", &body).await?;
        assert_eq!(reply["translatedText"], "A-de Word-de");
    }
    assert_eq!(app.model.batches().len(), 1, "the second answer comes from the cache");
    app.handle.swap(std::sync::Arc::new(Tagger { mark: "new-", ..Tagger::default() }));
    let (_, reply) = app.json("/translate", &body).await?;
    assert_eq!(reply["translatedText"], "A-new-de Word-new-de");
    Ok(())
}

#[actix_web::test]
async fn files_are_refused_as_upstream_does_when_they_are_disabled() -> Result<()> {
    let app = TestApp::configured(settings("files_translation = false")?)?;
    let (status, reply) = app.json("/translate_file", &json!({})).await?;
    let expected = json!({ "error": "Files translation are disabled on this server." });
    assert_eq!((status, reply), (403, expected));
    Ok(())
}

#[actix_web::test]
async fn a_stream_has_the_translation_piece_by_piece() -> Result<()> {
    let app = TestApp::start()?;
    let query = [("q", "One two. Three!\n\nFour."), ("source", "en"), ("target", "de")];
    let reply = app.get("/translate/stream").query(&query).send().await?;
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["content-type"], "text/event-stream; charset=utf-8");
    let events = reply.text().await?;
    let data = events.lines().filter_map(|line| line.strip_prefix("data: "));
    let data = data.map(serde_json::from_str).collect::<Result<Vec<serde_json::Value>, _>>()?;
    let pieces: Vec<&str> = data.iter().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(pieces, ["One-de two-de.", " ", "Three-de!", "\n\n", "Four-de."]);
    assert!(events.ends_with("event: done\ndata: {}\n\n"), "{events}");

    let failing = [("q", "One. failing two. Three."), ("source", "en"), ("target", "de")];
    let events = app.get("/translate/stream").query(&failing).send().await?.text().await?;
    assert!(events.contains("event: error\ndata: ") && !events.contains("event: done"), "{events}");
    let unknown = [("q", "One."), ("source", "en"), ("target", "tlh")];
    let reply = app.get("/translate/stream").query(&unknown).send().await?;
    assert_eq!(reply.status(), 400);
    Ok(())
}
