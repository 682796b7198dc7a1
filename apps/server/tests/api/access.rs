//! Keys, limits and bans.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use anyhow::Result;
use dragoman_store::KeyLimits;
use serde_json::{Value, json};

use crate::harness::{TestApp, answer, settings};

fn body(key: Option<&str>) -> Value {
    let mut body = json!({ "q": "A Word", "source": "en", "target": "de" });
    if let Some(key) = key {
        body["api_key"] = json!(key);
    }
    body
}

#[actix_web::test]
async fn keys_are_known_or_refused() -> Result<()> {
    let app = TestApp::configured(settings("api_keys = true")?)?;
    let key = app.store.create_key(None, KeyLimits::default())?;
    assert_eq!(app.json("/translate", &body(None)).await?.0, 200, "a key is not required");
    assert_eq!(app.json("/translate", &body(Some(&key))).await?.0, 200);
    let query = app.post("/translate").query(&[
        ("q", "A"),
        ("source", "en"),
        ("target", "de"),
        ("api_key", key.as_str()),
    ]);
    assert_eq!(answer(query).await?.0, 200);
    let (status, reply) = app.json("/translate", &body(Some("wrong"))).await?;
    assert_eq!((status, reply), (403, json!({ "error": "Invalid API key" })));
    Ok(())
}

#[actix_web::test]
async fn a_required_key_is_asked_for() -> Result<()> {
    let config = settings("api_keys = true\nrequire_api_key = true")?;
    let app = TestApp::configured(config.clone())?;
    let message = "Please contact the server operator to get an API key";
    let (status, reply) = app.json("/translate", &body(None)).await?;
    assert_eq!((status, reply), (400, json!({ "error": message })));

    let mut config = config;
    config.keys.get_api_key_link = Some("https://keys.example".into());
    let app = TestApp::configured(config)?;
    let (status, reply) = app.json("/detect", &body(None)).await?;
    let message = "Visit https://keys.example to get an API key";
    assert_eq!((status, reply), (400, json!({ "error": message })));
    Ok(())
}

#[actix_web::test]
async fn own_pages_need_no_key() -> Result<()> {
    let app = TestApp::configured(settings(
        "api_keys = true\nrequire_api_key_origin = '^https://own\\.example$'",
    )?)?;
    let from = |origin: &str| app.post("/translate").json(&body(None)).header("Origin", origin);
    assert_eq!(answer(from("https://own.example")).await?.0, 200);
    assert_eq!(answer(from("https://other.example")).await?.0, 400);
    assert_eq!(app.json("/translate", &body(None)).await?.0, 400);
    Ok(())
}

#[actix_web::test]
async fn an_address_is_told_to_slow_down_and_then_banned() -> Result<()> {
    let app = TestApp::configured(settings("req_limit = 3\nreq_flood_threshold = 2")?)?;
    let array = json!({ "q": ["A", "B", "C"], "source": "en", "target": "de" });
    assert_eq!(app.json("/translate", &array).await?.0, 200, "an array counts its texts");
    for _ in 0..2 {
        let (status, reply) = app.json("/translate", &body(None)).await?;
        assert_eq!((status, reply), (429, json!({ "error": "Slowdown: 3 per 1 minute" })));
    }
    let (status, reply) = app.json("/translate", &body(None)).await?;
    assert_eq!((status, reply), (403, json!({ "error": "Too many request limits violations" })));
    assert_eq!(app.get("/languages").send().await?.status(), 200, "what is cheap is not limited");
    Ok(())
}

#[actix_web::test]
async fn a_key_has_limits_of_its_own() -> Result<()> {
    let app = TestApp::configured(settings("api_keys = true\nreq_limit = 1\nchar_limit = 3")?)?;
    let key =
        app.store.create_key(None, KeyLimits { req_limit: Some(2), char_limit: Some(100) })?;
    for _ in 0..2 {
        assert_eq!(app.json("/translate", &body(Some(&key))).await?.0, 200);
    }
    let (status, reply) = app.json("/translate", &body(Some(&key))).await?;
    assert_eq!((status, reply), (429, json!({ "error": "Slowdown: 2 per 1 minute" })));
    let (status, reply) = app.json("/translate", &body(None)).await?;
    let message = "Invalid request: request (6) exceeds text limit (3)";
    assert_eq!((status, reply), (400, json!({ "error": message })));
    Ok(())
}

#[actix_web::test]
async fn callers_behind_a_proxy_are_told_apart() -> Result<()> {
    for (trust_forwarded_for, second) in [(true, 200), (false, 429)] {
        let app = TestApp::configured(settings(&format!(
            "req_limit = 1\ntrust_forwarded_for = {trust_forwarded_for}"
        ))?)?;
        let from =
            |address| app.post("/translate").json(&body(None)).header("X-Forwarded-For", address);
        assert_eq!(answer(from("10.9.9.9, 10.0.0.1")).await?.0, 200);
        assert_eq!(answer(from("10.9.9.9, 10.0.0.2")).await?.0, second);
        assert_eq!(answer(from("10.7.7.7, 10.0.0.1")).await?.0, 429, "the first can be invented");
    }
    Ok(())
}

#[actix_web::test]
async fn another_server_may_know_the_keys() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/keys", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            while !String::from_utf8_lossy(&request).contains("api_key=") {
                let Ok(count @ 1..) = stream.read(&mut buffer) else { break };
                request.extend_from_slice(&buffer[..count]);
            }
            let is_good = String::from_utf8_lossy(&request).contains("api_key=good");
            let reply = match is_good {
                true => r#"{"req_limit": 1, "char_limit": 50}"#,
                false => r#"{"error": "Invalid"}"#,
            };
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ";
            let _ = write!(stream, "{head}{}\r\n\r\n{reply}", reply.len());
        }
    });
    let app =
        TestApp::configured(settings(&format!("api_keys = true\napi_keys_remote = '{url}'"))?)?;
    assert_eq!(app.json("/translate", &body(Some("good"))).await?.0, 200);
    assert_eq!(app.json("/translate", &body(Some("good"))).await?.0, 429);
    assert_eq!(app.json("/translate", &body(Some("bad"))).await?.0, 403);
    Ok(())
}
