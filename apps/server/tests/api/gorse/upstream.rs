//! Lists with the help of other services, and without it when they are down.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::{Value, json};

use crate::harness::{TestApp, answer, settings, text};

/// A service on the loopback, and what it was asked: a path and a body each.
struct Service {
    url: String,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Service {
    /// Starts a service that answers the path and the body of each request by `reply`.
    fn start(
        reply: impl Fn(&str, &Value) -> (u16, String) + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let seen: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let (of_thread, reply) = (Arc::clone(&seen), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, reply) = (Arc::clone(&of_thread), Arc::clone(&reply));
                thread::spawn(move || serve(stream, &seen, &*reply));
            }
        });
        Ok(Self { url, seen })
    }

    fn seen(&self) -> Vec<(String, Value)> {
        self.seen.lock().expect("no thread panicked").clone()
    }
}

fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<(String, Value)>>,
    reply: &dyn Fn(&str, &Value) -> (u16, String),
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    reader.read_line(&mut head)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().expect("no thread panicked").push((path.clone(), body));
    let body = seen.lock().expect("no thread panicked").last().map(|one| one.1.clone());
    let (status, text) = reply(&path, &body.unwrap_or_default());
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

/// A chat completion that says `text`.
fn said(text: &str) -> (u16, String) {
    let choice = json!({ "index": 0, "message": { "role": "assistant", "content": text } });
    (200, json!({ "choices": [choice] }).to_string())
}

async fn shop(config: &str) -> Result<TestApp> {
    let app = TestApp::configured(settings(config)?)?;
    let items: [(&str, &[&str]); 5] =
        [("a", &["x"]), ("b", &["x"]), ("c", &["x"]), ("d", &["x"]), ("e", &["x"])];
    app.stock(&items).await?;
    app.read("anna", &["a"]).await?;
    Ok(app)
}

#[actix_web::test]
async fn another_service_recommends_and_the_rest_is_ours() -> Result<()> {
    let service = Service::start(|_, _| (200, json!(["d", "a", "gone", "b"]).to_string()))?;
    let config =
        format!("external_recommenders = [\"shop={}/of?u={{user}}&n={{n}}\"]", service.url);
    let app = shop(&config).await?;
    let list = app.fetch("/api/recommend/anna?n=10&recommender=external/shop").await?;
    assert_eq!(list, json!(["d", "b", "e", "c"]), "without what was read; then what is new");
    assert_eq!(service.seen()[0].0, "/of?u=anna&n=100");
    let second = app.fetch("/api/recommend/anna?n=1&offset=1&recommender=external/shop").await?;
    assert_eq!(second, json!(["b"]));
    let own = app.fetch("/api/recommend/anna?n=10").await?;
    assert_eq!((own.as_array().map(Vec::len), service.seen().len()), (Some(4), 2), "{own}");

    let (status, message) = text(app.get("/api/recommend/anna?recommender=external/other")).await?;
    assert!(status == 400 && message.contains("external/other"), "{status}: {message}");
    let (_, metrics) = text(app.get("/metrics")).await?;
    let counted =
        r#"dragoman_recommend_upstream_total{outcome="answered",upstream="external/shop"} 2"#;
    assert!(metrics.contains(counted), "{metrics}");
    Ok(())
}

#[actix_web::test]
async fn a_service_that_fails_or_takes_its_time_breaks_no_list() -> Result<()> {
    for failure in ["status", "text", "shape", "time", "nobody"] {
        let service = Service::start(move |_, _| match failure {
            "status" => (500, "[]".into()),
            "text" => (200, "d, b".into()),
            "shape" => (200, r#"{"error": "no such user"}"#.into()),
            _ => {
                thread::sleep(Duration::from_secs(3));
                (200, "[]".into())
            }
        })?;
        let url = if failure == "nobody" { "http://127.0.0.1:1" } else { service.url.as_str() };
        let config = format!(
            "recommend_groups = [\"theirs=external/shop:1\"]\nexternal_timeout = 0.3\n\
             external_recommenders = [\"shop={url}/{{user}}\"]"
        );
        let app = shop(&config).await?;
        let own = app.fetch("/api/recommend/anna?n=10&recommender=live").await?;
        let started = Instant::now();
        for _ in 0..20 {
            assert_eq!(app.fetch("/api/recommend/anna?n=10").await?, own, "{failure}");
        }
        assert!(started.elapsed() < Duration::from_secs(3), "{failure}: {:?}", started.elapsed());
        assert!(service.seen().len() <= 3, "it is left alone: {}", service.seen().len());
        let (_, metrics) = text(app.get("/metrics")).await?;
        assert!(metrics.contains(r#"outcome="skipped",upstream="external/shop""#), "{metrics}");
    }
    Ok(())
}

#[actix_web::test]
async fn a_language_model_puts_the_first_items_in_order() -> Result<()> {
    let service = Service::start(|_, _| said("<think>Hm.</think> [3, 1]"))?;
    let config = format!(
        "reranker_url = \"{}/v1\"\nreranker_model = \"tiny\"\nreranker_key = \"k\"\nreranker_top = 3\n\
         reranker_document = \"{{{{ item.ItemId }}}}: {{{{ item.Comment }}}}\"",
        service.url
    );
    let app = shop(&config).await?;
    let own = app.fetch("/api/recommend/anna?n=10&recommender=latest").await?;
    assert_eq!((own, service.seen().len()), (json!(["e", "d", "c", "b"]), 0));
    // All four are alike to what anna read: their order is by identifier.
    let list = app.fetch("/api/recommend/anna?n=10").await?;
    assert_eq!(list, json!(["d", "b", "c", "e"]));
    let (path, body) = service.seen()[0].clone();
    assert_eq!((path.as_str(), &body["model"]), ("/v1/chat/completions", &json!("tiny")));
    let asked = body["messages"][1]["content"].as_str().unwrap_or_default();
    assert!(asked.contains("- Item a (x)"), "{asked}");
    assert!(asked.ends_with("Items:\n1. b: Item b\n2. c: Item c\n3. d: Item d"), "{asked}");

    let pages =
        [("n=1", json!(["d"])), ("n=2&offset=1", json!(["b", "c"])), ("offset=3", json!(["e"]))];
    for (place, expected) in pages {
        assert_eq!(app.fetch(&format!("/api/recommend/anna?{place}")).await?, expected, "{place}");
    }
    assert_eq!(service.seen().len(), 1, "the same question is asked once");
    let request = app.get("/api/recommend/anna?n=10").header("X-API-Version", "2");
    let (_, scores) = answer(request).await?;
    let scores: Vec<f64> =
        scores.as_array().into_iter().flatten().filter_map(|one| one["Score"].as_f64()).collect();
    assert!(scores.len() == 4 && scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    app.fetch("/api/recommend/nobody").await?;
    assert_eq!(service.seen().len(), 1, "of a user who did nothing there is nothing to say");
    Ok(())
}

#[actix_web::test]
async fn a_language_model_that_fails_leaves_the_order_as_it_was() -> Result<()> {
    for failure in ["status", "nothing", "time"] {
        let service = Service::start(move |_, _| match failure {
            "status" => (401, "{}".into()),
            "nothing" => said("I would rather not."),
            _ => {
                thread::sleep(Duration::from_secs(3));
                said("[4, 3, 2, 1]")
            }
        })?;
        let url = &service.url;
        let config =
            format!("reranker_url = \"{url}\"\nreranker_model = \"tiny\"\nreranker_timeout = 0.3");
        let app = shop(&config).await?;
        let started = Instant::now();
        for _ in 0..10 {
            let list = app.fetch("/api/recommend/anna?n=10").await?;
            assert_eq!(list, json!(["b", "c", "d", "e"]), "{failure}");
        }
        assert!(started.elapsed() < Duration::from_secs(3), "{failure}: {:?}", started.elapsed());
    }
    Ok(())
}

#[actix_web::test]
async fn settings_that_make_no_sense_are_refused() -> Result<()> {
    for (config, named) in [
        ("external_recommenders = [\"shop=http://127.0.0.1:1/\"]", "{user}"),
        ("recommend_groups = [\"a=external/shop\"]", "external_recommenders"),
        ("external_timeout = 0.0", "external_timeout"),
        ("leaderboards = [\"popular = len(feedback)\"]", "`popular` is the name of another list"),
        ("leaderboards = [\"a = 1\", \"a = 2\"]", "two called `a`"),
        ("fallback = [\"weekly\"]", "there is no `weekly`"),
        ("reranker_url = \"http://127.0.0.1:1\"", "reranker_model"),
        (
            "reranker_url = \"http://127.0.0.1:1\"\nreranker_model = \"m\"\nreranker_query = \"{% if %}\"",
            "reranker_query",
        ),
        (
            "reranker_url = \"http://127.0.0.1:1\"\nreranker_model = \"m\"\nreranker_top = 1",
            "reranker_top",
        ),
    ] {
        let error = TestApp::configured(settings(config)?).map(|_| ()).expect_err(config);
        assert!(error.to_string().contains(named), "{error}");
    }
    Ok(())
}

#[actix_web::test]
async fn what_was_read_and_no_more_is_not_liked() -> Result<()> {
    let app = TestApp::configured(settings(
        "read_feedback = [\"read\"]\nrecommend_replacement = true\nread_replacement_decay = 0.000001",
    )?)?;
    app.stock(&[("a", &["x"]), ("b", &["x"]), ("c", &["y"]), ("d", &["y"])]).await?;
    app.read("anna", &["a"]).await?;
    let like = json!([{ "FeedbackType": "like", "UserId": "anna", "ItemId": "c" }]);
    app.send("POST", "/api/feedback", &like).await?;
    let popular = app.fetch("/api/non-personalized/popular").await?;
    assert_eq!(popular.as_array().map(Vec::len), Some(1), "what is read is not liked: {popular}");
    let list = app.fetch("/api/recommend/anna?n=4").await?;
    assert_eq!(list[3], "a", "what was read comes again, and last: {list}");
    assert!(list[0] == "c" || list[0] == "d", "like what is liked: {list}");
    Ok(())
}
