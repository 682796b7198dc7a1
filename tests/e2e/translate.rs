//! `POST /translate`: what comes out is what the model knows.

use anyhow::{Context, Result};
use dragoman_e2e::{Options, TestApp, app::answer, model::SENTENCES};
use reqwest::multipart::Form;
use serde_json::{Value, json};

/// The column of a language in [`SENTENCES`].
fn all(language: usize) -> Vec<&'static str> {
    SENTENCES.iter().map(|row| row[language]).collect()
}

#[tokio::test]
async fn every_sentence_is_known_in_every_direction() -> Result<()> {
    let app = TestApp::spawn().await?;
    for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)] {
        let codes = ["en", "de", "fr"];
        let found = app.translate(all(from), codes[from], codes[to]).await?;
        assert_eq!(found, json!(all(to)), "{} to {}", codes[from], codes[to]);
    }
    Ok(())
}

#[tokio::test]
async fn fields_come_as_json_form_multipart_or_query() -> Result<()> {
    let app = TestApp::spawn().await?;
    let fields = [("q", "Where is the key?"), ("source", "en"), ("target", "de")];
    let object: Value = fields.iter().map(|(name, value)| (*name, *value)).collect();
    let multipart = fields.iter().fold(Form::new(), |form, (name, value)| form.text(*name, *value));
    let expected = json!({ "translatedText": "Wo ist der Schlüssel?" });
    for request in [
        app.post("/translate").json(&object),
        app.post("/translate").form(&fields),
        app.post("/translate").multipart(multipart),
        app.post("/translate").query(&fields),
        app.post("/translate").query(&fields[..2]).form(&fields[2..]),
    ] {
        assert_eq!(answer(request).await?, (200, expected.clone()));
    }
    let body = json!({
        "q": ["Where is the key?"], "source": "EN", "target": "de", "format": null,
        "secret": "of upstream's page", "unheard_of": [1],
    });
    let expected = json!({ "translatedText": ["Wo ist der Schlüssel?"] });
    assert_eq!(app.json("/translate", &body).await?, (200, expected));
    Ok(())
}

#[tokio::test]
async fn a_text_keeps_its_layout() -> Result<()> {
    let app = TestApp::spawn().await?;
    let text = "Good morning. The cat sleeps.\r\n\r\n\t- It is raining today.\n\n   \n12:30\n";
    let expected = "Guten Morgen. Die Katze schläft.\r\n\r\n\t- Heute regnet es.\n\n   \n12:30\n";
    assert_eq!(app.translate(text, "en", "de").await?, expected);
    Ok(())
}

#[tokio::test]
async fn each_text_of_an_array_has_a_language_of_its_own() -> Result<()> {
    let app = TestApp::spawn().await?;
    let q = ["The soup is too hot.", "La soupe est trop chaude.", "Die Suppe ist zu heiß.", "🙂"];
    let body = json!({ "q": q, "source": "auto", "target": "de" });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!(status, 200, "{reply}");
    let german = "Die Suppe ist zu heiß.";
    assert_eq!(reply["translatedText"], json!([german, german, german, "🙂"]));
    let detected = reply["detectedLanguage"].as_array().context("one guess a text")?;
    let languages: Vec<&Value> = detected.iter().map(|guess| &guess["language"]).collect();
    assert_eq!(languages, ["en", "fr", "de", "en"]);
    assert!(detected[0]["confidence"].as_f64() > Some(50.0), "{reply}");
    assert_eq!(detected[3]["confidence"], 0);
    Ok(())
}

#[tokio::test]
async fn alternatives_differ_from_each_other_and_from_the_best() -> Result<()> {
    let app = TestApp::spawn().await?;
    let body =
        json!({ "q": "Her coat is red.", "source": "en", "target": "de", "alternatives": 3 });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["translatedText"], "Ihr Mantel ist rot.");
    let alternatives = reply["alternatives"].as_array().context("asked for")?;
    assert!((1..=3).contains(&alternatives.len()), "{reply}");
    let mut all: Vec<&str> = alternatives.iter().filter_map(Value::as_str).collect();
    all.push("Ihr Mantel ist rot.");
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!((all.len(), count), (count, alternatives.len() + 1), "{reply}");
    Ok(())
}

#[tokio::test]
async fn markup_is_kept_and_its_text_translated() -> Result<()> {
    let app = TestApp::spawn().await?;
    for (html, expected) in [
        (
            "<p class=\"a\" title='b'>The moon is shining.</p>",
            "<p class=\"a\" title='b'>Der Mond scheint.</p>",
        ),
        (
            "<ul>\n <li>We bake bread.</li>\n <li>Thank you very much!</li>\n</ul>",
            "<ul>\n <li>Wir backen Brot.</li>\n <li>Vielen Dank!</li>\n</ul>",
        ),
        (
            "<p translate=\"no\">The train is late.</p><pre><code>let key = red;</code></pre>",
            "<p translate=\"no\">The train is late.</p><pre><code>let key = red;</code></pre>",
        ),
        ("<b>They sing loudly.</b><br/>", "<b>Sie singen laut.</b><br/>"),
    ] {
        let body = json!({ "q": html, "source": "en", "target": "de", "format": "html" });
        let (status, reply) = app.json("/translate", &body).await?;
        assert_eq!((status, reply), (200, json!({ "translatedText": expected })));
    }
    // A mark within a sentence stays in it, with some word of the translation.
    let html = "<p>The <b>cat</b> sleeps.</p>";
    let body = json!({ "q": html, "source": "en", "target": "de", "format": "html" });
    let (_, reply) = app.json("/translate", &body).await?;
    let found = reply["translatedText"].as_str().context("a text")?;
    let marks: Vec<&str> = found.split(['<', '>']).skip(1).step_by(2).collect();
    assert_eq!(marks, ["p", "b", "/b", "/p"], "{found}");
    Ok(())
}

#[tokio::test]
async fn the_trace_names_the_experts_of_the_route() -> Result<()> {
    let app = TestApp::spawn().await?;
    let body = json!({ "q": "Guten Morgen.", "source": "de", "target": "fr", "trace": true });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!((status, &reply["translatedText"]), (200, &json!("Bonjour.")));
    let legs = reply["trace"]["legs"].as_array().context("asked for")?;
    let routes: Vec<&Value> = legs.iter().map(|leg| &leg["route"]).collect();
    assert_eq!(routes, ["de-en", "en-fr"], "through English");
    for (leg, spoken) in
        legs.iter().zip([["Guten Morgen.", "Good morning."], ["Good morning.", "Bonjour."]])
    {
        let own = format!("pair.{}", leg["route"].as_str().unwrap_or_default());
        for (side, spoken) in ["source", "target"].into_iter().zip(spoken) {
            let tokens = leg[side].as_array().context("the tokens")?;
            let text: String = tokens.iter().filter_map(|token| token["text"].as_str()).collect();
            let letters = |text: &str| text.chars().filter(|c| c.is_ascii_alphabetic()).collect();
            let [shown, spoken]: [String; 2] = [letters(&text), letters(spoken)];
            assert_eq!(shown, spoken, "the tokens of the {side}");
            for layer in tokens.iter().flat_map(|token| token["layers"].as_array()).flatten() {
                let experts = layer["experts"].as_array().context("the experts")?;
                let names = experts.iter().filter_map(|expert| expert["name"].as_str());
                assert!(
                    names.clone().all(|name| name == own || name.starts_with("free.")),
                    "{layer}"
                );
                assert_eq!(names.count(), 2, "{layer}");
                let sum: f64 = experts.iter().filter_map(|expert| expert["weight"].as_f64()).sum();
                assert!((sum - 1.0).abs() < 1e-3, "{layer}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn scores_tell_what_is_known_from_what_is_not() -> Result<()> {
    let app = TestApp::spawn().await?;
    let q = ["The apples are ripe.", "Quixotic jukebox vexes Bgzwy?", "12"];
    let body = json!({ "q": q, "source": "en", "target": "de", "scores": true });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!(status, 200, "{reply}");
    let score = |i: usize| reply["scores"][i].as_f64();
    let (known, unknown) = (score(0).context("a score")?, score(1).context("a score")?);
    assert!(unknown < known && known <= 0.0 && known > -0.2, "{reply}");
    assert_eq!(reply["scores"][2], Value::Null, "nothing was translated");
    Ok(())
}

#[tokio::test]
async fn neighbours_in_a_batch_change_nothing() -> Result<()> {
    // Without the cache, which would answer from memory; sentences the model has never seen.
    let app = TestApp::start(Options::default().env("DRAGOMAN_CACHE_BYTES", "0")).await?;
    let q: Vec<String> = (1..=12)
        .map(|i| format!("The {} of my cat is too late today.", "red ".repeat(i)))
        .collect();
    let ask = |q: Value| json!({ "q": q, "source": "en", "target": "de", "scores": true });
    let (_, together) = app.json("/translate", &ask(json!(q))).await?;
    for (i, text) in q.iter().enumerate() {
        let (_, alone) = app.json("/translate", &ask(json!(text))).await?;
        assert_eq!(alone["translatedText"], together["translatedText"][i], "{text}");
        assert_eq!(alone["scores"], together["scores"][i], "to the last bit: {text}");
    }
    Ok(())
}
