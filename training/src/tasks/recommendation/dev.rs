//! Foretells the next items of development users, to choose the best weights.

use std::collections::BTreeMap;

use dragoman_core::{
    config::RecommendationConfig,
    context::Context,
    kernels::matmul::Precision,
    models::recommendation::{Batch, History, RecommendationModel},
    recommend::{Event, Profiler},
};

use crate::{Result, control::Control, report::log::DevRow, task::Evaluation};

/// Users that are encoded together.
const TOGETHER: usize = 128;

/// A user whose next items are known.
#[derive(Debug, Clone)]
pub(super) struct DevUser {
    /// What the user did before.
    pub(super) events: Vec<Event>,
    /// Features of the user.
    pub(super) features: Vec<u32>,
    /// When the next items are asked for.
    pub(super) now: i64,
    /// The next items, each once.
    pub(super) targets: Vec<u32>,
}

/// Logits of all items for `users`, `(B, V)`, one row after another.
pub(super) fn logits(
    model: &RecommendationModel,
    profiler: &Profiler,
    users: &[&DevUser],
) -> Result<Vec<f32>> {
    let context = Context::inference(Precision::F32);
    let vectors = model.item_vectors(0.0, &context)?;
    let config: &RecommendationConfig = model.config();
    let statistics: Vec<Vec<f32>> =
        users.iter().map(|user| profiler.statistics(&user.events, user.now)).collect();
    let histories: Vec<History<'_>> = users
        .iter()
        .zip(&statistics)
        .map(|(user, statistics)| History {
            events: &user.events,
            features: &user.features,
            now: user.now,
            statistics,
            route: 0,
        })
        .collect();
    let batch = Batch::new(config, &histories);
    let output = model.forward(&batch, &vectors, &context)?;
    Ok(model.logits(&output.hidden, &batch, &vectors)?)
}

/// NDCG@10 and hit rate of the foretold items among all, those of the history left out.
pub(super) fn evaluate(
    model: &RecommendationModel,
    profiler: &Profiler,
    users: &[DevUser],
    control: &Control,
) -> Result<Option<Evaluation>> {
    if users.is_empty() {
        return Ok(None);
    }
    let (mut ndcg, mut hits) = (0.0, 0.0);
    let all: Vec<&DevUser> = users.iter().collect();
    for users in all.chunks(TOGETHER) {
        if control.is_stopped() {
            return Ok(None);
        }
        let logits = logits(model, profiler, users)?;
        for (user, logits) in users.iter().zip(logits.chunks_exact(logits.len() / users.len())) {
            let ranks = ranks(logits, user);
            let gain = |rank: usize| 1.0 / ((rank + 2) as f64).log2();
            let ideal: f64 = (0..user.targets.len().min(10)).map(gain).sum();
            ndcg += ranks.iter().filter(|rank| **rank < 10).map(|rank| gain(*rank)).sum::<f64>()
                / ideal;
            hits += f64::from(u8::from(ranks.iter().any(|rank| *rank < 10)));
        }
    }
    let (ndcg, hits) = (100.0 * ndcg / users.len() as f64, 100.0 * hits / users.len() as f64);
    let scores = BTreeMap::from([("NDCG@10".to_string(), ndcg), ("HR@10".to_string(), hits)]);
    let label = format!("next items of {} users", users.len());
    Ok(Some(Evaluation {
        score: ndcg,
        chosen_by: "NDCG@10".into(),
        rows: vec![DevRow { label, scores }],
        ..Evaluation::default()
    }))
}

/// Rank of every target among the items that the user has not met, from 0; the item with the lower
/// number goes first among equals.
fn ranks(logits: &[f32], user: &DevUser) -> Vec<usize> {
    let mut is_met = vec![false; logits.len()];
    user.events.iter().for_each(|event| is_met[event.item as usize] = true);
    let before = |target: usize, item: usize| {
        logits[item] > logits[target] || (logits[item] == logits[target] && item < target)
    };
    let rank = |&target: &u32| match is_met[target as usize] {
        true => usize::MAX,
        false => {
            let target = target as usize;
            (0..logits.len()).filter(|&item| !is_met[item] && before(target, item)).count()
        }
    };
    user.targets.iter().map(rank).collect()
}
