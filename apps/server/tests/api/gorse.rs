//! The API of Gorse.

mod rows;
mod feedback;
mod lists;
mod personal;
mod model;
mod tenants;
mod bulk;
mod bad_input;
mod reported;
mod upstream;
mod admin;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::harness::{TestApp, answer};

impl TestApp {
    /// Sends `body` by `method`, which must succeed, and returns the reply.
    async fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let method = reqwest::Method::from_bytes(method.as_bytes())?;
        let request = self.client.request(method.clone(), format!("{}{path}", self.url));
        let (status, reply) = answer(request.json(body)).await?;
        ensure!(status == 200, "{method} {path}: {status}: {reply}");
        Ok(reply)
    }

    /// Gets `path`, which must succeed.
    async fn fetch(&self, path: &str) -> Result<Value> {
        let (status, reply) = answer(self.get(path)).await?;
        ensure!(status == 200, "GET {path}: {status}: {reply}");
        Ok(reply)
    }

    /// Items `a`, `b`, … in the categories that `items` gives them, a day between them.
    async fn stock(&self, items: &[(&str, &[&str])]) -> Result<()> {
        let row = |(day, (id, categories)): (usize, &(&str, &[&str]))| {
            json!({
                "ItemId": id, "Categories": categories, "Comment": format!("Item {id}"),
                "Timestamp": format!("2024-01-{:02}T00:00:00Z", day + 1),
                "Labels": { "letter": id },
            })
        };
        let rows: Vec<Value> = items.iter().enumerate().map(row).collect();
        self.send("POST", "/api/items", &json!(rows)).await.map(drop)
    }

    /// `user` reads each of `items`, one after another.
    async fn read(&self, user: &str, items: &[&str]) -> Result<()> {
        for item in items {
            let row = json!([{ "FeedbackType": "read", "UserId": user, "ItemId": item }]);
            self.send("POST", "/api/feedback", &row).await?;
        }
        Ok(())
    }
}

/// The identifiers of a list of scores.
fn ids(scores: &Value) -> Vec<&str> {
    let list = scores.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|one| one["Id"].as_str()).collect()
}
