//! What one client can do to the others, and how far it gets without a key.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use actix_web::rt::{task::spawn_blocking, time::sleep};
use anyhow::{Context, Result};
use dragoman_store::KeyLimits;
use serde_json::{Value, json};

use crate::{
    harness::{TestApp, answer, settings, text},
    model::Tagger,
};

/// Sends the head of a request and the beginning of its body, and leaves it at that.
fn unfinished(app: &TestApp, path: &str, headers: &str) -> Result<TcpStream> {
    let address = app.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: 1000\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes())?;
    Ok(stream)
}

/// The status of what comes back on `stream` within some seconds.
async fn status_of(mut stream: TcpStream) -> Result<u16> {
    let read = move || -> Result<u16> {
        stream.set_read_timeout(Some(Duration::from_secs(8)))?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).context("no answer came")?;
        Ok(std::str::from_utf8(&head[9..])?.parse()?)
    };
    spawn_blocking(read).await?
}

/// Asks for health and for a translation, which must be there within seconds.
async fn answers_others(app: &TestApp) -> Result<()> {
    let started = Instant::now();
    assert_eq!(app.get("/health").send().await?.status(), 200);
    let body = json!({ "q": "A Word", "source": "en", "target": "de" });
    assert_eq!(app.json("/translate", &body).await?.0, 200);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    Ok(())
}

#[actix_web::test]
async fn unfinished_bodies_leave_room_and_end() -> Result<()> {
    let app = TestApp::configured(settings("client_timeout = 2\nbody_slots = 64")?)?;
    let json = "Content-Type: application/json\r\n";
    // The first has a place for sure: it is alone.
    let first = unfinished(&app, "/translate", json)?;
    sleep(Duration::from_millis(300)).await;
    let held: Vec<TcpStream> =
        (1..40).map(|_| unfinished(&app, "/translate", json)).collect::<Result<_>>()?;
    sleep(Duration::from_millis(300)).await;
    // From the same address: a place is only refused to a body that does not come at once.
    let refused = unfinished(&app, "/translate", json)?;
    assert_eq!(status_of(refused).await?, 503, "a client has a quarter of the places");
    assert_eq!(app.get("/health").send().await?.status(), 200);
    assert_eq!(app.get("/api/latest").send().await?.status(), 200);
    assert_eq!(status_of(first).await?, 408, "a body that pauses is not waited for");
    sleep(Duration::from_millis(1500)).await;
    drop(held);
    answers_others(&app).await
}

#[actix_web::test]
async fn unfinished_uploads_and_unread_downloads_hold_nobody_up() -> Result<()> {
    let app = TestApp::configured(settings("client_timeout = 1")?)?;
    let rows: Vec<Value> = (0..20_000).map(|i| json!({ "ItemId": format!("{i:0>100}") })).collect();
    assert_eq!(app.json("/api/items", &json!(rows)).await?.0, 200);
    let uploads: Vec<TcpStream> =
        (0..32).map(|_| unfinished(&app, "/api/bulk/items", "")).collect::<Result<_>>()?;
    let address = app.url.trim_start_matches("http://").to_owned();
    let download = || -> Result<TcpStream> {
        let mut stream = TcpStream::connect(&address)?;
        let head = format!("GET /api/bulk/items HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        Ok(stream)
    };
    let downloads: Vec<TcpStream> = (0..32).map(|_| download()).collect::<Result<_>>()?;
    sleep(Duration::from_millis(200)).await;
    answers_others(&app).await?;
    assert_eq!(app.get("/api/recommend/u").send().await?.status(), 200);
    // Their places are free again, though they hold on.
    sleep(Duration::from_secs(4)).await;
    assert_eq!(app.get("/api/bulk/users").send().await?.status(), 200);
    drop((uploads, downloads));
    Ok(())
}

#[actix_web::test]
async fn a_newcomer_finds_a_slot_beside_long_texts() -> Result<()> {
    let app = TestApp::with(settings("queue_size = 16\nbatch_sentences = 4")?, Tagger::slow(20))?;
    let long = |name: &str| {
        let q: Vec<String> = (0..200).map(|i| format!("{name} {i}")).collect();
        json!({ "q": q, "source": "en", "target": "de" })
    };
    let (one, two) = (long("One"), long("Two"));
    let short = async {
        sleep(Duration::from_millis(100)).await;
        for i in 0..20 {
            let body = json!({ "q": format!("Short {i}"), "source": "en", "target": "de" });
            assert_eq!(app.json("/translate", &body).await?.0, 200);
        }
        anyhow::Ok(Instant::now())
    };
    let (one, two, short) =
        tokio::join!(app.json("/translate", &one), app.json("/translate", &two), short);
    assert_eq!((one?.0, two?.0), (200, 200));
    short?;
    Ok(())
}

#[actix_web::test]
async fn a_list_of_millions_is_refused_at_its_limit() -> Result<()> {
    let app = TestApp::configured(settings("recommend_row_limit = 1000")?)?;
    let bomb = format!("[{}{{}}]", "{},".repeat(2_000_000));
    let started = Instant::now();
    for path in ["/api/items", "/api/users", "/api/feedback", "/api/session/recommend"] {
        let (status, error) = text(app.post(path).body(bomb.clone())).await?;
        assert!(status == 400 && error.contains("more than 1000 rows"), "{path}: {error}");
    }
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    let config = settings("")?;
    assert!(config.recommendation.recommend_body_limit <= 16 << 20);
    Ok(())
}

#[actix_web::test]
async fn invented_methods_make_no_labels() -> Result<()> {
    let app = TestApp::configured(settings("recommend_api_key = 'secret'")?)?;
    for i in 0..200 {
        let method = reqwest::Method::from_bytes(format!("BREW{i}").as_bytes())?;
        for path in ["/api/latest", "/health"] {
            app.client.request(method.clone(), format!("{}{path}", app.url)).send().await?;
        }
    }
    let metrics = app.get("/metrics").send().await?.text().await?;
    assert!(!metrics.contains("BREW") && metrics.len() < 60_000, "{} bytes", metrics.len());
    Ok(())
}

#[actix_web::test]
async fn keys_come_before_bodies() -> Result<()> {
    let app = TestApp::configured(settings("admin_key = 'key'\nrecommend_api_key = 'key'")?)?;
    for path in ["/admin/store", "/admin/keys", "/admin/tenants", "/api/items", "/api/bulk/items"] {
        let stream = unfinished(&app, path, "")?;
        assert_eq!(status_of(stream).await?, 401, "{path} waited for the body");
    }
    Ok(())
}

#[actix_web::test]
async fn suggestions_have_a_quota_and_languages() -> Result<()> {
    let app = TestApp::configured(settings("suggest_limit = 3")?)?;
    let suggest = |source: &str, target: &str| json!({ "q": "a", "s": "b", "source": source, "target": target });
    for (source, target, code) in [
        ("../../etc/passwd", "de", "../../etc/passwd"),
        ("en", "xx", "xx"),
        ("auto", "auto", "auto"),
    ] {
        let (status, reply) = app.json("/suggest", &suggest(source, target)).await?;
        let message = format!("{code} is not supported");
        assert_eq!((status, reply), (400, json!({ "error": message })));
    }
    assert_eq!(app.store.suggestions().count(), 0);
    let (status, reply) = app.json("/suggest", &suggest("en", "de")).await?;
    assert_eq!((status, reply), (429, json!({ "error": "Slowdown: 3 per 1 minute" })));
    assert_eq!(settings("")?.limits.suggest_limit, Some(30), "there is a quota by default");

    let app = TestApp::start()?;
    assert_eq!(app.json("/suggest", &suggest("EN-us", "de_AT")).await?.0, 200);
    let stored = app.store.suggestions().next().context("one was stored")??;
    assert_eq!((stored.source.as_str(), stored.target.as_str()), ("en", "de"));
    Ok(())
}

#[actix_web::test]
async fn wrong_keys_are_counted() -> Result<()> {
    let text_of =
        "api_keys = true\nadmin_key = 'right'\nrecommend_api_key = 'right'\nwrong_key_limit = 4";
    let app = TestApp::configured(settings(text_of)?)?;
    let key = app.store.create_key(None, KeyLimits::default())?;
    let body = |key: &str| json!({ "q": "A Word", "source": "en", "target": "de", "api_key": key });
    assert_eq!(app.json("/translate", &body("wrong")).await?.0, 403);
    assert_eq!(text(app.get("/api/latest").header("X-API-Key", "wrong")).await?.0, 401);
    assert_eq!(app.get("/admin/tenants").bearer_auth("wrong").send().await?.status(), 401);
    assert_eq!(app.json("/translate", &body("wrong")).await?.0, 403);
    let (status, reply) = app.json("/translate", &body("wrong")).await?;
    let message = "Slowdown: 4 wrong keys per 1 minute";
    assert_eq!((status, reply), (429, json!({ "error": message })));
    assert_eq!(app.get("/admin/tenants").bearer_auth("right").send().await?.status(), 429);
    assert_eq!(app.json("/translate", &body(&key)).await?.0, 200, "a key of the store is no guess");
    Ok(())
}

#[actix_web::test]
async fn required_keys_close_recommendation_too() -> Result<()> {
    let app = TestApp::configured(settings("api_keys = true\nrequire_api_key = true")?)?;
    let delete = app.client.delete(format!("{}/api/item/x", app.url));
    for request in [app.get("/api/latest"), app.get("/api/bulk/users"), delete] {
        assert_eq!(text(request).await?, (401, "unauthorized".into()));
    }
    let key = app.store.create_key(Some("default"), KeyLimits::default())?;
    assert_eq!(app.get("/api/latest").header("X-API-Key", key).send().await?.status(), 200);
    assert_eq!(app.get("/api/health/live").send().await?.status(), 200);
    Ok(())
}

#[actix_web::test]
async fn a_page_of_another_origin_cannot_delete() -> Result<()> {
    let app = TestApp::configured(settings("admin_key = 'key'")?)?;
    let allowed = |reply: &reqwest::Response| {
        let header = reply.headers().get("Access-Control-Allow-Origin");
        header.and_then(|origin| origin.to_str().ok()).map(str::to_owned)
    };
    let delete = |origin: &str| {
        app.client.delete(format!("{}/api/item/x", app.url)).header("Origin", origin)
    };
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let reply = delete(origin).send().await?;
        assert_eq!((reply.status().as_u16(), allowed(&reply)), (403, None), "{origin}");
        let post = app.post("/api/feedback").header("Origin", origin).body("[]").send().await?;
        assert_eq!(post.status(), 403, "a request that no browser asks about");
        let coded = app.client.delete(format!("{}/%61pi/item/x", app.url)).header("Origin", origin);
        assert_eq!(coded.send().await?.status(), 403, "the same path in other letters");
        let options =
            app.client.request(reqwest::Method::OPTIONS, format!("{}/api/item/x", app.url));
        assert_eq!(allowed(&options.header("Origin", origin).send().await?), None);
        assert_eq!(
            allowed(&app.get("/admin/tenants").header("Origin", origin).send().await?),
            None
        );
        let reading = app.get("/languages").header("Origin", origin).send().await?;
        assert_eq!(allowed(&reading).as_deref(), Some("*"), "LibreTranslate's API is for all");
    }
    assert_eq!(delete(&app.url).send().await?.status(), 200, "our own page may");
    assert_eq!(app.client.delete(format!("{}/api/item/x", app.url)).send().await?.status(), 200);

    let app = TestApp::configured(settings("allowed_origins = 'https://shop.example'")?)?;
    let shop = app.client.delete(format!("{}/api/item/x", app.url));
    let reply = shop.header("Origin", "https://shop.example").send().await?;
    assert_eq!(reply.status(), 200);
    assert_eq!(allowed(&reply).as_deref(), Some("https://shop.example"));
    Ok(())
}

#[actix_web::test]
async fn a_name_that_strangers_own_reaches_nothing_without_a_key() -> Result<()> {
    let app = TestApp::start()?;
    let from = |host: &str| app.get("/api/latest").header("Host", host);
    let (status, error) = text(from("rebound.evil.example:5000")).await?;
    assert!(status == 403 && error.contains("allowed_hosts"), "{status} {error}");
    for host in ["localhost:5000", "127.0.0.1", "dragoman:5000", "nas.local"] {
        assert_eq!(from(host).send().await?.status(), 200, "{host}");
    }
    let app = TestApp::configured(settings("allowed_hosts = 'shop.example'")?)?;
    let named = app.get("/api/latest").header("Host", "shop.example");
    assert_eq!(named.send().await?.status(), 200);
    let app = TestApp::configured(settings("recommend_api_key = 'key'")?)?;
    let with_key = app.get("/api/latest").header("Host", "evil.example").header("X-API-Key", "key");
    assert_eq!(answer(with_key).await?.0, 200, "a page that knows the key needs no trick");
    Ok(())
}

#[actix_web::test]
async fn a_port_makes_no_new_client() -> Result<()> {
    let app = TestApp::configured(settings("trust_forwarded_for = true\nreq_limit = 1")?)?;
    let body = json!({ "q": "A Word", "source": "en", "target": "de" });
    let from = |client: &str| app.post("/translate").json(&body).header("X-Forwarded-For", client);
    assert_eq!(answer(from("10.0.0.1:1111")).await?.0, 200);
    for same in ["10.0.0.1", "10.0.0.1:2222", "::ffff:10.0.0.1"] {
        assert_eq!(answer(from(same)).await?.0, 429, "{same}");
    }
    assert_eq!(answer(from("[2001:db8::1]:5")).await?.0, 200);
    assert_eq!(answer(from("2001:db8::2")).await?.0, 429, "a /64 network is one client");
    Ok(())
}
