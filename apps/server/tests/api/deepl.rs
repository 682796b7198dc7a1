//! DeepL's API, field by field; its official clients are in the tests of the whole suite.

use anyhow::Result;
use serde_json::{Value, json};

use crate::harness::{TestApp, answer, settings};

async fn texts(app: &TestApp, body: Value) -> Result<Vec<String>> {
    let (status, reply) = app.json("/v2/translate", &body).await?;
    assert_eq!(status, 200, "{reply}");
    let translations = reply["translations"].as_array().cloned().unwrap_or_default();
    Ok(translations.iter().map(|one| one["text"].as_str().unwrap_or_default().into()).collect())
}

#[actix_web::test]
async fn json_and_forms_with_many_texts_are_translated_in_order() -> Result<()> {
    let app = TestApp::start()?;
    let body = json!({
        "text": ["One two.", "Three."], "source_lang": "EN", "target_lang": "de",
        "show_billed_characters": true, "model_type": "prefer_quality_optimized", "unknown": 1,
    });
    let (status, reply) = app.json("/v2/translate", &body).await?;
    assert_eq!(status, 200, "{reply}");
    let expected = json!({ "translations": [
        { "detected_source_language": "EN", "text": "One-de two-de.", "billed_characters": 8,
          "model_type_used": "quality_optimized" },
        { "detected_source_language": "EN", "text": "Three-de.", "billed_characters": 6,
          "model_type_used": "quality_optimized" },
    ]});
    assert_eq!(reply, expected);

    let form =
        [("text", "One."), ("target_lang", "PT-BR"), ("text", "Two."), ("source_lang", "en")];
    let (status, reply) = answer(app.post("/v2/translate").form(&form)).await?;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["translations"][1]["text"], "Two-pt-BR.");
    assert_eq!(reply["translations"][0].get("billed_characters"), None);
    Ok(())
}

#[actix_web::test]
async fn a_language_is_guessed_where_none_is_given() -> Result<()> {
    let app = TestApp::start()?;
    let text = "Wir treffen uns morgen früh am Bahnhof.";
    let body = json!({ "text": [text], "target_lang": "EN-US" });
    let (_, reply) = app.json("/v2/translate", &body).await?;
    assert_eq!(reply["translations"][0]["detected_source_language"], "DE", "{reply}");
    Ok(())
}

#[actix_web::test]
async fn xml_keeps_its_tags() -> Result<()> {
    let app = TestApp::start()?;
    let body = |text: &str, more: Value| {
        let mut body = json!({
            "text": [text], "source_lang": "EN", "target_lang": "DE", "tag_handling": "xml",
        });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        body
    };
    let found = texts(&app, body("<a>One</a><b x='1'>Two three</b>", json!({}))).await?;
    assert_eq!(found, ["<a>One-de</a><b x='1'>Two-de three-de</b>"]);
    let ignored = json!({ "ignore_tags": ["x"] });
    let found = texts(&app, body("Delete <x id=\"12\"></x> files", ignored)).await?;
    assert_eq!(found, ["Delete-de <x id=\"12\"></x> files-de"]);
    let split = json!({ "splitting_tags": "par,title", "outline_detection": "0" });
    let found = texts(&app, body("<d><par>One</par><par>Swap two</par></d>", split)).await?;
    assert_eq!(found, ["<d><par>One-de</par><par>Two-de Swap-de</par></d>"]);
    let (status, reply) = app.json("/v2/translate", &body("<a>One</b>", json!({}))).await?;
    assert_eq!(status, 400);
    assert!(reply["message"].as_str().unwrap_or_default().contains("</b>"), "{reply}");
    Ok(())
}

#[actix_web::test]
async fn sentences_are_split_as_asked() -> Result<()> {
    let app = TestApp::start()?;
    for (how, expected) in [
        (json!("1"), vec!["One two.", "three", "four."]), // a word alone is asked as it is written within a text
        (json!("nonewlines"), vec!["One two.", "Three four."]),
        (json!("0"), vec!["One two. Three", "four."]),
    ] {
        let before = app.model.sentences().len();
        let body = json!({
            "text": "One two. Three\nfour.", "source_lang": "en", "target_lang": "fr",
            "split_sentences": how,
        });
        texts(&app, body).await?;
        let mut asked = app.model.sentences().split_off(before);
        let mut new: Vec<&str> = expected.clone();
        asked.sort_unstable();
        new.sort_unstable();
        // What was asked before is remembered.
        assert!(asked.iter().all(|one| new.contains(&one.as_str())), "{how}: {asked:?}");
        assert!(asked.len() == new.len() || how != json!("1"), "{how}: {asked:?}");
    }
    Ok(())
}

#[actix_web::test]
async fn what_cannot_be_done_is_said() -> Result<()> {
    let app = TestApp::start()?;
    for (field, value, message) in [
        ("target_lang", json!("TLH"), "Value for 'target_lang' not supported."),
        ("source_lang", json!("TLH"), "Value for 'source_lang' not supported."),
        ("tag_handling", json!("md"), "Value for 'tag_handling' not supported."),
        ("formality", json!("more"), "'formality' is not supported for given 'target_lang'."),
        ("formality", json!("very"), "Value for 'formality' not supported."),
        ("split_sentences", json!("2"), "Value for 'split_sentences' not supported."),
        (
            "custom_instructions",
            json!(["Be brief."]),
            "Value for 'custom_instructions' not supported.",
        ),
        ("text", json!([]), "Parameter 'text' not specified"),
        ("text", json!([1]), "text must be a string or an array of strings"),
        ("target_lang", json!(null), "Parameter 'target_lang' not specified"),
    ] {
        let mut body = json!({ "text": ["One."], "source_lang": "EN", "target_lang": "DE" });
        body[field] = value;
        let (status, reply) = app.json("/v2/translate", &body).await?;
        assert_eq!((status, &reply["message"]), (400, &json!(message)), "{field}");
    }
    for formality in ["default", "prefer_more", "prefer_less"] {
        let body = json!({
            "text": ["One."], "source_lang": "EN", "target_lang": "DE", "formality": formality,
            "context": "A list.", "preserve_formatting": true,
        });
        assert_eq!(texts(&app, body).await?, ["One-de."]);
    }
    Ok(())
}

#[actix_web::test]
async fn languages_are_listed_by_side() -> Result<()> {
    let app = TestApp::start()?;
    let tags = |list: &Value| -> Vec<String> {
        let all = list.as_array().cloned().unwrap_or_default();
        all.iter().map(|one| one["language"].as_str().unwrap_or_default().into()).collect()
    };
    let (_, sources) = answer(app.get("/v2/languages")).await?;
    assert_eq!(tags(&sources), ["DE", "EN", "ES", "FR", "PT"]);
    assert_eq!(sources[0], json!({ "language": "DE", "name": "German" }));
    let (_, targets) = answer(app.get("/v2/languages?type=target")).await?;
    assert_eq!(tags(&targets), ["DE", "EN-GB", "EN-US", "ES", "FR", "PT-BR"]);
    assert_eq!(targets[0]["supports_formality"], false);
    // The official client for Python sends a form in the body of a GET.
    let form = app.get("/v2/languages").form(&[("type", "target")]);
    assert_eq!(answer(form).await?.1, targets);
    assert_eq!(answer(app.get("/v2/languages?type=both")).await?.0, 400);
    Ok(())
}

#[actix_web::test]
async fn what_is_not_served_is_refused_as_deepl_does() -> Result<()> {
    let app = TestApp::start()?;
    for (method, path, status) in [
        ("GET", "/v2/write/rephrase", 404),
        ("POST", "/v3/style_rules", 404),
        ("PUT", "/v2/translate", 405),
        ("DELETE", "/v3/glossaries", 405),
    ] {
        let request = app.client.request(method.parse()?, format!("{}{path}", app.url));
        let reply = request.send().await?;
        assert_eq!(reply.status(), status, "{method} {path}");
        assert!(reply.headers().contains_key("X-Trace-ID"), "{method} {path}");
        assert!(reply.json::<Value>().await?["message"].is_string(), "{method} {path}");
    }
    Ok(())
}

#[actix_web::test]
async fn keys_are_those_of_the_server_and_usage_is_theirs() -> Result<()> {
    let app = TestApp::configured(settings("api_keys = true\nrequire_api_key = true")?)?;
    let key = app.store.create_key(None, Default::default())?;
    let ask = |key: &str| {
        let body = json!({ "text": ["One two."], "source_lang": "EN", "target_lang": "DE" });
        let request = app.post("/v2/translate").json(&body);
        request.header("Authorization", format!("DeepL-Auth-Key {key}"))
    };
    assert_eq!(ask(&key).send().await?.status(), 200);
    let (status, reply) = answer(ask("guessed")).await?;
    assert_eq!((status, &reply["message"]), (403, &json!("Invalid authentication key")));
    assert_eq!(app.get("/v2/usage").send().await?.status(), 403);

    let usage = app.get("/v2/usage").header("Authorization", format!("DeepL-Auth-Key {key}"));
    let reply = usage.send().await?;
    assert!(reply.headers().contains_key("X-Trace-ID"));
    let usage: Value = reply.json().await?;
    assert_eq!(usage["character_count"], 8);
    assert!(usage["character_limit"].as_u64() > Some(1_000_000_000));
    let by_query = app.get(&format!("/v2/usage?auth_key={key}"));
    assert_eq!(answer(by_query).await?.1["character_count"], 8);
    Ok(())
}
