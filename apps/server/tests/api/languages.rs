//! `GET /languages` and `GET /frontend/settings`

use anyhow::Result;
use serde_json::{Value, json};

use crate::harness::{TestApp, answer, settings};

#[actix_web::test]
async fn languages_are_listed_english_first() -> Result<()> {
    let app = TestApp::start()?;
    let (status, reply) = answer(app.get("/languages")).await?;
    assert_eq!(status, 200);
    let codes: Vec<&Value> =
        reply.as_array().expect("an array").iter().map(|entry| &entry["code"]).collect();
    assert_eq!(codes, ["en", "fr", "de", "pt-BR", "es"]);
    let domains = json!(["it", "medical"]);
    let english = json!({
        "code": "en", "name": "English", "targets": ["de", "en", "es", "fr", "pt-BR"],
        "domains": domains,
        "domainTargets": { "it": ["de", "es", "fr", "pt-BR"], "medical": ["de", "es", "fr"] },
    });
    assert_eq!(reply[0], english);
    let french = json!({
        "code": "fr", "name": "French", "targets": ["en", "fr"],
        "domains": domains,
        "domainTargets": { "it": ["en"], "medical": ["en"] },
    });
    assert_eq!(reply[1], french);
    Ok(())
}

#[actix_web::test]
async fn aliases_are_understood() -> Result<()> {
    let app = TestApp::start()?;
    for target in ["pb", "pt-BR", "PT-br"] {
        let body = json!({ "q": "A Word", "source": "en", "target": target });
        let (status, reply) = app.json("/translate", &body).await?;
        assert_eq!((status, &reply["translatedText"]), (200, &json!("A-pt-BR Word-pt-BR")));
    }
    Ok(())
}

#[actix_web::test]
async fn only_some_languages_are_offered() -> Result<()> {
    let app = TestApp::configured(settings("load_only = 'en,PB'")?)?;
    let (_, reply) = answer(app.get("/languages")).await?;
    assert_eq!(reply.as_array().map(Vec::len), Some(2));
    assert_eq!(reply[0]["targets"], json!(["en", "pt-BR"]));
    let body = json!({ "q": "A Word", "source": "en", "target": "de" });
    assert_eq!(app.json("/translate", &body).await?.0, 400);
    Ok(())
}

#[actix_web::test]
async fn settings_say_what_the_page_needs() -> Result<()> {
    let app = TestApp::configured(settings("char_limit = 500\nfrontend_language_target = 'fr'")?)?;
    let (status, reply) = answer(app.get("/frontend/settings")).await?;
    let expected = json!({
        "charLimit": 500, "frontendTimeout": 500, "apiKeys": false, "keyRequired": false,
        "suggestions": true, "filesTranslation": true,
        "supportedFilesFormat": dragoman_documents::Kind::endings(),
        "language": {
            "source": { "code": "auto", "name": "Auto Detect" },
            "target": { "code": "fr", "name": "French" },
        },
    });
    assert_eq!((status, reply), (200, expected));
    Ok(())
}

#[actix_web::test]
async fn without_a_setting_the_target_is_what_the_browser_prefers() -> Result<()> {
    let app = TestApp::start()?;
    for (accepted, expected) in [
        ("tlh, de-AT;q=0.9, fr;q=0.8", "de"),
        ("FR", "fr"),
        ("tlh", "es"), // unknown to the model: as without the header
    ] {
        let request = app.get("/frontend/settings").header("Accept-Language", accepted);
        let (_, reply) = answer(request).await?;
        assert_eq!(reply["language"]["target"]["code"], expected, "{accepted}");
    }
    Ok(())
}
