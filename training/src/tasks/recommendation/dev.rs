//! Scores the next events of development users, to choose the best weights.

use std::collections::BTreeMap;

use dragoman_core::{
    context::Context,
    kernels::matmul::Precision,
    models::recommendation::{History, HistoryBatch, RecommendationModel},
    recommend::Profiler,
};

use crate::{
    Result,
    control::Control,
    recommendation::{
        metrics::{Scores, top},
        trial::{Case, Trial},
    },
    report::log::DevRow,
    task::Evaluation,
};

/// Users that are encoded together.
const TOGETHER: usize = 128;

/// The cases of the validation, and what the model needs to answer them.
pub(super) struct Validation<'a> {
    pub(super) trial: &'a Trial,
    /// Features of the user of each case.
    pub(super) features: &'a [Vec<u32>],
    pub(super) profiler: &'a Profiler,
    /// Index of the route that all of them take.
    pub(super) route: usize,
}

impl Validation<'_> {
    /// Scores `model` on its own, without other scorers; none if there are no cases, or
    /// if `control` says stop.
    pub(super) fn evaluate(
        &self,
        model: &RecommendationModel,
        control: &Control,
    ) -> Result<Option<Evaluation>> {
        let cases = &self.trial.cases;
        let mut scores = Vec::with_capacity(cases.len());
        let config = model.config();
        let popular: Vec<f32> =
            self.trial.popularity.iter().map(|&count| config.popularity_logit(count)).collect();
        for first in (0..cases.len()).step_by(TOGETHER) {
            if control.is_stopped() {
                return Ok(None);
            }
            let range = first..(first + TOGETHER).min(cases.len());
            let mut logits = self.logits(model, &cases[range.clone()], &self.features[range])?;
            let num_items = model.num_items();
            for (case, logits) in cases[first..].iter().zip(logits.chunks_exact_mut(num_items)) {
                logits.iter_mut().zip(&popular).for_each(|(logit, more)| *logit += more);
                self.trial.exclude(case, logits);
                scores.push(Scores::of(&top(logits), &case.targets));
            }
        }
        let main = self.trial.main_group();
        let groups = self.trial.groups();
        let Some((_, members)) = groups.iter().find(|(name, _)| name == main) else {
            return Ok(None);
        };
        let mean = |members: &[usize]| -> Scores {
            Scores::mean(&members.iter().map(|&i| scores[i]).collect::<Vec<_>>())
        };
        let row = |(name, members): &(String, Vec<usize>)| {
            let Scores { ndcg, hit, .. } = mean(members);
            let scores = [("NDCG@10".to_string(), 100.0 * ndcg), ("HR@10".into(), 100.0 * hit)];
            DevRow { label: format!("{name} ({})", members.len()), scores: BTreeMap::from(scores) }
        };
        Ok(Some(Evaluation {
            score: 100.0 * mean(members).ndcg,
            chosen_by: "NDCG@10".into(),
            rows: groups.iter().filter(|(name, _)| !name.contains("events")).map(row).collect(),
            ..Evaluation::default()
        }))
    }

    /// Logits of all items for `cases`, `(B, V)`, one row after another.
    fn logits(
        &self,
        model: &RecommendationModel,
        cases: &[Case],
        features: &[Vec<u32>],
    ) -> Result<Vec<f32>> {
        let context = Context::inference(Precision::F32);
        let vectors = model.item_vectors(0.0, &context)?;
        let statistics: Vec<Vec<f32>> =
            (cases.iter()).map(|case| self.profiler.statistics(&case.history, case.now)).collect();
        let history = |i: usize| History {
            events: &cases[i].history,
            features: &features[i],
            now: cases[i].now,
            statistics: &statistics[i],
            route: self.route as u32,
        };
        let histories: Vec<History<'_>> = (0..cases.len()).map(history).collect();
        let batch = HistoryBatch::new(model.config(), &histories);
        let output = model.forward(&batch, &vectors, &context)?;
        Ok(model.logits(&output.hidden, &batch, &vectors)?)
    }
}
