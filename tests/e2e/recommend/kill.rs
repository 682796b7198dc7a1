//! A server that is killed under load has lost nothing that it answered 200.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::Result;
use dragoman_e2e::{Options, TestApp};
use serde_json::{Value, json};

/// Writers at the same time.
const WRITERS: usize = 8;

/// Rows acknowledged before the kill.
const ACKNOWLEDGED: usize = 200;

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_after_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let options = || Options { store: Some(dir.path().into()), ..Options::default() };
    let mut acknowledged: Vec<(String, String)> = Vec::new();
    for round in 0..2 {
        let mut app = TestApp::start(options()).await?;
        let count = Arc::new(AtomicUsize::new(0));
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            let (client, url) = (app.client.clone(), format!("{}/api/feedback", app.url));
            let count = Arc::clone(&count);
            writers.push(tokio::spawn(async move {
                let mut mine = Vec::new();
                for i in 0.. {
                    let (user, item) = (format!("u{round}.{writer}"), format!("i{i}"));
                    let row = json!([{ "FeedbackType": "read", "UserId": user, "ItemId": item }]);
                    match client.post(&url).json(&row).send().await {
                        Ok(reply) if reply.status() == 200 => {
                            mine.push((user, item));
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => break, // the server is gone
                    }
                }
                mine
            }));
        }
        while count.load(Ordering::Relaxed) < ACKNOWLEDGED {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        app.signal("KILL")?; // while all of them write
        app.wait()?;
        for writer in writers {
            acknowledged.extend(writer.await?);
        }
    }
    assert!(acknowledged.len() >= 2 * ACKNOWLEDGED);

    let app = TestApp::start(options()).await?;
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let query = [("n", "1000"), ("cursor", cursor.as_str())];
        let page: Value = app.get("/api/feedback").query(&query).send().await?.json().await?;
        for row in page["Feedback"].as_array().into_iter().flatten() {
            let field = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            found.push((field("UserId"), field("ItemId")));
        }
        cursor = page["Cursor"].as_str().unwrap_or_default().to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    let found: std::collections::HashSet<_> = found.into_iter().collect();
    let lost: Vec<_> = acknowledged.iter().filter(|row| !found.contains(*row)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), acknowledged.len());
    for (user, _) in acknowledged.iter().take(3) {
        let path = format!("/api/recommend/{user}");
        assert_eq!(app.get(&path).send().await?.status(), 200, "each row is whole");
    }
    Ok(())
}
