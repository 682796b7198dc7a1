//! How good recommendations are for a group of users before and after their expert came.

use dragoman_core::{directory::LoadedRecommendation, recommender::Recommender};

use crate::{
    Result,
    control::Control,
    recommendation::{metrics::Scores, ranking::Outcome, trial::Trial},
    report::log::Table,
    task::Evaluation,
    tasks::recommendation::Members,
};

/// Name of the score that decides: of the lists that users get.
pub(super) const SERVED: &str = "served NDCG@10";

/// One measure, before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// What is measured, such as `NDCG@10`.
    pub name: String,
    /// Without the expert.
    pub before: f64,
    /// With the expert.
    pub after: f64,
}

/// Percentages by name, for one model: of the model on its own, then as it serves, mixed with its
/// other scorers. None when `control` says stop.
pub(super) fn measure(
    members: &Members,
    loaded: LoadedRecommendation,
    route: usize,
    control: &Control,
) -> Result<Option<Vec<(String, f64)>>> {
    let Some(evaluation) = members.judge(&loaded, route, control)? else { return Ok(None) };
    let served = Outcome::of_model(&members.trial, &Recommender::new(loaded)?)?;
    let Scores { ndcg, hit, .. } = Scores::mean(&served.scores);
    let mut scores = alone(&evaluation);
    scores.push((SERVED.into(), 100.0 * ndcg));
    scores.push(("served HR@10".into(), 100.0 * hit));
    Ok(Some(scores))
}

/// What the model reaches on its own.
fn alone(evaluation: &Evaluation) -> Vec<(String, f64)> {
    let rows = evaluation.rows.iter().flat_map(|row| &row.scores);
    let mut scores = vec![(evaluation.chosen_by.clone(), evaluation.score)];
    let others = rows.filter(|(name, _)| **name != evaluation.chosen_by);
    scores.extend(others.map(|(name, score)| (name.clone(), *score)));
    scores
}

/// Joins the scores of both.
pub(super) fn joined(before: Vec<(String, f64)>, after: &[(String, f64)]) -> Vec<Measured> {
    let of = |(name, before): (String, f64)| {
        let (_, after) = after.iter().find(|(other, _)| *other == name)?;
        Some(Measured { name, before, after: *after })
    };
    before.into_iter().filter_map(of).collect()
}

/// The scores as a table of the report.
pub(super) fn table(scores: &[Measured], trial: &Trial) -> Table {
    let cell = |Measured { name, before, after }: &Measured| {
        let change = format!("{:+.2}", after - before);
        vec![name.clone(), format!("{before:.2}"), format!("{after:.2}"), change]
    };
    let columns = ["score", "without it", "with it", "change"];
    Table {
        title: format!("{} users of the group, with and without the expert", trial.cases.len()),
        columns: columns.map(String::from).to_vec(),
        rows: scores.iter().map(cell).collect(),
    }
}
