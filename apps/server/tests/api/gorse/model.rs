//! Recommendation with a model that is easy to foresee.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use dragoman_core::recommend::{
    Event, Explanation, Item, Query, Ranking, Recommend, segments::Segment,
};
use dragoman_server::{RecommenderHandle, ServerConfig};
use dragoman_store::Store;
use serde_json::json;

use super::ids;
use crate::{
    harness::{TestApp, answer},
    model::Tagger,
};

/// Scores an item by how many events of the history are about the item before it in the alphabet.
struct NextLetter {
    items: Vec<String>,
    kinds: Vec<String>,
    segments: Vec<String>,
    /// Multiplies all scores, so that two models differ.
    sign: f32,
    /// Fails, to see what happens then.
    is_broken: bool,
}

impl NextLetter {
    fn new(items: &[&str]) -> Self {
        Self {
            items: items.iter().map(|id| id.to_string()).collect(),
            kinds: vec!["read".into()],
            segments: vec!["segment.new".into(), "segment.power".into()],
            sign: 1.0,
            is_broken: false,
        }
    }

    fn follows(&self, item: usize, event: &Event) -> f32 {
        let (item, before) = (&self.items[item], &self.items[event.item as usize]);
        f32::from(item.bytes().next() == before.bytes().next().map(|byte| byte + 1))
    }
}

impl Recommend for NextLetter {
    fn items(&self) -> &[String] {
        &self.items
    }

    fn kinds(&self) -> &[String] {
        &self.kinds
    }

    fn segments(&self) -> &[String] {
        &self.segments
    }

    fn rank(&self, queries: &[Query<'_>]) -> dragoman_core::Result<Vec<Ranking>> {
        assert!(!self.is_broken, "this model is broken");
        let rank = |query: &Query<'_>| {
            assert_eq!(query.popularity.len(), self.items.len());
            assert!(query.history.is_sorted_by_key(|event| event.time));
            let score = |item| {
                let sum: f32 = query.history.iter().map(|event| self.follows(item, event)).sum();
                self.sign * (sum + query.popularity[item] / 1000.0)
            };
            let power = (query.history.len() as f32 / 10.0).min(1.0);
            Ranking {
                scores: (0..self.items.len()).map(score).collect(),
                segments: vec![
                    ("segment.new".into(), 1.0 - power),
                    ("segment.power".into(), power),
                ],
                blend: vec![("letters".into(), 1.0)],
                segment: Some(if power < 0.5 { Segment::New } else { Segment::Power }),
            }
        };
        Ok(queries.iter().map(rank).collect())
    }

    fn explain(&self, query: &Query<'_>, item: u32) -> dragoman_core::Result<Explanation> {
        let share = |event| self.follows(item as usize, event);
        Ok(Explanation { contributions: query.history.iter().map(share).collect() })
    }

    fn similar(&self, item: u32) -> dragoman_core::Result<Vec<f32>> {
        let event = Event { item, kind: 0, value: 1.0, time: 0 };
        Ok((0..self.items.len()).map(|other| self.follows(other, &event)).collect())
    }

    fn extend(&self, items: &[Item]) -> dragoman_core::Result<Arc<dyn Recommend>> {
        let mut longer: Vec<&str> = self.items.iter().map(String::as_str).collect();
        longer.extend(items.iter().map(|item| item.id.as_str()));
        Ok(Arc::new(Self { sign: self.sign, ..Self::new(&longer) }))
    }

    fn experts(&self) -> serde_json::Value {
        json!([{ "name": "segment.new", "kind": "segment" }])
    }
}

/// A server of `model` with the items `a` to `e`.
async fn app(model: NextLetter) -> Result<TestApp> {
    let dir = tempfile::tempdir()?;
    let store = Store::open(dir.path())?;
    let items = ["a", "b", "c", "d", "e"];
    let row = |id: &str| dragoman_store::Item { item_id: id.into(), ..Default::default() };
    store.tenant("default")?.put_items(&items.map(row))?;
    let handle = RecommenderHandle::new(Arc::new(model));
    TestApp::of(ServerConfig::default(), Tagger::default(), handle, (store, dir))
}

/// Waits until the first item for `user` is `item`.
async fn until_first(app: &TestApp, user: &str, item: &str) -> Result<()> {
    for _ in 0..200 {
        if app.fetch(&format!("/api/recommend/{user}")).await?[0] == item {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("`{item}` never came first")
}

#[actix_web::test]
async fn the_model_is_asked_with_the_history_of_this_moment() -> Result<()> {
    let app = app(NextLetter::new(&["c", "b", "a", "e", "d", "not in the store"])).await?;
    app.read("u", &["a"]).await?;
    assert_eq!(app.fetch("/api/recommend/u").await?[0], "b");
    app.read("u", &["c"]).await?;
    app.read("u", &["c"]).await?;
    assert_eq!(app.fetch("/api/recommend/u").await?, json!(["d", "b", "e"]), "c counts twice");
    let body = json!([{ "FeedbackType": "read", "ItemId": "d" }]);
    assert_eq!(ids(&app.send("POST", "/api/session/recommend", &body).await?)[0], "e");
    assert_eq!(ids(&app.fetch("/api/item/c/neighbors").await?)[0], "d");
    let live = app.fetch("/api/recommend/u?recommender=live").await?;
    assert_eq!(live.as_array().map(Vec::len), Some(3));
    Ok(())
}

#[actix_web::test]
async fn the_model_says_why() -> Result<()> {
    let app = app(NextLetter::new(&["a", "b", "c", "d", "e"])).await?;
    app.read("u", &["a", "c"]).await?;
    let why = app.fetch("/api/recommend/u?explain=true&n=1").await?;
    assert_eq!(why["Segments"][0]["Name"], "segment.new");
    assert_eq!(why["Segment"], "new");
    assert!((why["Segments"][1]["Weight"].as_f64().unwrap_or_default() - 0.2).abs() < 1e-6);
    let because = &why["Items"][0]["Because"];
    assert_eq!(
        (why["Items"][0]["Id"].as_str(), because[0]["ItemId"].as_str()),
        (Some("b"), Some("a"))
    );
    assert_eq!(because.as_array().map(Vec::len), Some(1));
    Ok(())
}

#[actix_web::test]
async fn new_items_reach_the_model_without_a_restart() -> Result<()> {
    let app = app(NextLetter::new(&["a", "b", "c", "d", "e"])).await?;
    app.read("u", &["e"]).await?;
    app.send("POST", "/api/item", &json!({ "ItemId": "f" })).await?;
    until_first(&app, "u", "f").await
}

#[actix_web::test]
async fn who_asks_for_the_model_waits_until_it_knows_the_first_items() -> Result<()> {
    let (dir, items) = (tempfile::tempdir()?, ["a", "b", "c"]);
    let handle = RecommenderHandle::new(Arc::new(NextLetter::new(&items)));
    let store = Store::open(dir.path())?;
    let app = TestApp::of(ServerConfig::default(), Tagger::default(), handle, (store, dir))?;
    app.stock(&items.map(|id| (id, &[] as &[&str]))).await?;
    let why = app.fetch("/api/recommend/u?recommender=model&explain=true").await?;
    assert_eq!(why["Blend"][0]["Name"], "letters", "{why}");
    Ok(())
}

#[actix_web::test]
async fn another_model_takes_over_without_a_restart() -> Result<()> {
    let app = app(NextLetter::new(&["a", "b", "c", "d", "e"])).await?;
    app.read("u", &["a"]).await?;
    assert_eq!(app.fetch("/api/recommend/u").await?[0], "b");
    app.recommender
        .swap(Arc::new(NextLetter { sign: -1.0, ..NextLetter::new(&["a", "b", "c", "d", "e"]) }));
    until_first(&app, "u", "c").await
}

#[actix_web::test]
async fn a_model_that_fails_is_done_without() -> Result<()> {
    let app = app(NextLetter { is_broken: true, ..NextLetter::new(&["a", "b"]) }).await?;
    app.read("u", &["a"]).await?;
    let (status, list) = answer(app.get("/api/recommend/u")).await?;
    assert_eq!((status, list.as_array().map(Vec::len)), (200, Some(4)));
    Ok(())
}

#[actix_web::test]
async fn a_model_of_other_items_is_not_asked() -> Result<()> {
    let app = app(NextLetter { is_broken: true, ..NextLetter::new(&["x", "y"]) }).await?;
    let why = app.fetch("/api/recommend/u?explain=true").await?;
    assert_eq!((&why["Segments"], &why["Segment"]), (&json!([]), &json!(null)));
    Ok(())
}

#[actix_web::test]
async fn experts_of_both_models_are_listed() -> Result<()> {
    let app = app(NextLetter::new(&["a", "b", "c", "d", "e"])).await?;
    let experts = app.fetch("/experts").await?;
    let own = |expert: &&serde_json::Value| expert["model"] == "recommendation";
    let names: Vec<_> = experts.as_array().into_iter().flatten().filter(own).collect();
    let expected = json!([{ "name": "segment.new", "kind": "segment", "model": "recommendation" }]);
    assert_eq!(json!(names), expected, "{experts}");
    Ok(())
}
