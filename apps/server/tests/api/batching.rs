//! The queue: what shares a batch, what is refused, and who waits for whom.

use std::time::Duration;

use actix_web::rt::{self, time::sleep};
use anyhow::Result;
use dragoman_server::ServerConfig;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::{TestApp, settings},
    model::Tagger,
};

fn body(q: impl Into<Value>) -> Value {
    json!({ "q": q.into(), "source": "en", "target": "de" })
}

#[actix_web::test]
async fn an_array_shares_batches_and_doubles_are_translated_once() -> Result<()> {
    let app = TestApp::start()?;
    let q: Vec<String> = (0..100).map(|i| format!("Item {}", i % 50)).collect();
    let (status, _) = app.json("/translate", &body(q)).await?;
    assert_eq!(status, 200);
    assert_eq!(app.model.sentences().len(), 50);
    assert!(app.model.batches().len() <= 2, "{:?}", app.model.batches());
    Ok(())
}

#[actix_web::test]
async fn requests_share_batches() -> Result<()> {
    let app = TestApp::with(ServerConfig::default(), Tagger::slow(50))?;
    let bodies: Vec<Value> = (0..16).map(|i| body(format!("Request {i}"))).collect();
    let replies = join_all(bodies.iter().map(|body| app.json("/translate", body))).await;
    for (i, reply) in replies.into_iter().enumerate() {
        assert_eq!(reply?.1["translatedText"], format!("Request-de {i}-de"));
    }
    assert!(app.model.batches().len() < 16, "{:?}", app.model.batches());
    Ok(())
}

#[actix_web::test]
async fn a_batch_holds_sentences_of_like_length() -> Result<()> {
    let app = TestApp::with(ServerConfig::default(), Tagger::slow(20))?;
    let long = "Some long sentence with quite a number of words in it".repeat(4);
    let q: Vec<String> =
        (0..20).flat_map(|i| [format!("Short {i}"), format!("{long} {i}")]).collect();
    app.json("/translate", &body(q)).await?;
    for batch in app.model.batches() {
        let lengths = batch.iter().map(String::len);
        let (short, long) = (lengths.clone().min(), lengths.max());
        assert!(long <= short.map(|short| 2 * short + 24), "{batch:?}");
    }
    Ok(())
}

#[actix_web::test]
async fn a_full_queue_refuses_at_once() -> Result<()> {
    let config = settings("queue_size = 2\nbatch_sentences = 1")?;
    let app = TestApp::with(config, Tagger::slow(400))?;
    let bodies: Vec<Value> = (0..8).map(|i| body(format!("Request {i}"))).collect();
    let app = &app;
    let send = |body| async move {
        let reply = app.post("/translate").json(body).send().await?;
        let retry = reply.headers().get("Retry-After").cloned();
        Ok::<_, anyhow::Error>((reply.status().as_u16(), retry, reply.json::<Value>().await?))
    };
    let replies = join_all(bodies.iter().map(send)).await;
    let replies: Vec<_> = replies.into_iter().collect::<Result<_>>()?;
    let (done, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.0 == 200);
    assert!(done.len() >= 2 && !refused.is_empty(), "{done:?} {refused:?}");
    for (status, retry, reply) in refused {
        assert_eq!(status, 503);
        assert!(retry.is_some() && reply["error"].is_string(), "{reply}");
    }
    Ok(())
}

#[actix_web::test]
async fn an_array_larger_than_the_queue_is_fed_as_space_frees() -> Result<()> {
    let config = settings("queue_size = 4")?;
    let app = TestApp::with(config, Tagger::slow(5))?;
    let q: Vec<String> = (0..50).map(|i| format!("Item {i}")).collect();
    let (status, reply) = app.json("/translate", &body(q)).await?;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["translatedText"][49], "Item-de 49-de");
    assert!(app.model.batches().iter().all(|batch| batch.len() <= 4));
    Ok(())
}

#[actix_web::test]
async fn a_long_request_leaves_room_for_others() -> Result<()> {
    let config = settings("queue_size = 8")?;
    let app = TestApp::with(config, Tagger::slow(20))?;
    let q: Vec<String> = (0..60).map(|i| format!("Item {i}")).collect();
    let (long, short) = (body(q), body("Short"));
    let (long, short) = tokio::join!(app.json("/translate", &long), async {
        sleep(Duration::from_millis(50)).await;
        app.json("/translate", &short).await
    });
    assert_eq!((long?.0, short?.0), (200, 200));
    let batches = app.model.batches();
    let is_short = |sentence: &String| sentence.eq_ignore_ascii_case("short");
    let at = batches.iter().position(|batch| batch.iter().any(is_short));
    assert!(at.is_some_and(|at| at + 1 < batches.len()), "the short one waited for all");
    Ok(())
}

#[actix_web::test]
async fn a_cancelled_request_leaves_the_queue() -> Result<()> {
    let config = settings("queue_size = 4\nbatch_sentences = 1\nexpress = false")?;
    let app = TestApp::with(config, Tagger::slow(300))?;
    let first = {
        let request = app.post("/translate").json(&body("Busy"));
        rt::spawn(async move { request.send().await.map(|reply| reply.status().as_u16()) })
    };
    sleep(Duration::from_millis(60)).await;
    let gone = app.post("/translate").json(&body(vec!["Gone one", "Gone two"]));
    let gone = gone.timeout(Duration::from_millis(60)).send().await;
    assert!(gone.is_err_and(|error| error.is_timeout()));
    assert_eq!(first.await??, 200);
    let (status, _) = app.json("/translate", &body("Next")).await?;
    assert_eq!(status, 200);
    assert!(!app.model.sentences().iter().any(|sentence| sentence.to_lowercase().contains("gone")));
    Ok(())
}

#[actix_web::test]
async fn a_request_that_fails_does_not_spoil_those_in_its_batch() -> Result<()> {
    let config = settings("batch_wait_ms = 500")?;
    let app = TestApp::configured(config)?;
    for bad in ["Do panic now", "A failing one"] {
        let bodies = [
            body(format!("Before {bad}").replace("panic", "calm").replace("failing", "fine")),
            body(bad),
            body("Good two"),
        ];
        let replies = join_all(bodies.iter().map(|body| app.json("/translate", body))).await;
        let statuses: Vec<u16> =
            replies.into_iter().map(|reply| Ok(reply?.0)).collect::<Result<_>>()?;
        assert_eq!(statuses, [200, 500, 200]);
    }
    let shared = app.model.batches().iter().any(|batch| batch.len() == 3);
    assert!(shared, "they never shared a batch: {:?}", app.model.batches());
    Ok(())
}
