//! What recommenders are worth to groups of users, beside each other.

use super::{
    metrics::Scores,
    report::{Group, Pair},
};
use crate::{
    Result,
    metrics::significance::{Bootstrap, Interval},
};

/// A recommender by name, and what it is worth to each user.
pub(super) type Scored<'a> = (&'a str, &'a [Scores]);

/// Who is compared, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comparison<'a> {
    /// Groups with the places of their users.
    pub(super) groups: &'a [(String, Vec<usize>)],
    /// The group by which the best baseline is found.
    pub(super) main: &'a str,
    /// How intervals are drawn.
    pub(super) bootstrap: &'a Bootstrap,
}

impl Comparison<'_> {
    /// The figures of each of `systems`, the first of which are baselines, for each group: beside
    /// the best baseline of the main group, and beside Pop-30d.
    pub(super) fn figures(
        &self,
        systems: &[Scored<'_>],
        num_baselines: usize,
    ) -> Result<Vec<Vec<Group>>> {
        let main = self.groups.iter().find(|(name, _)| name == self.main);
        let best = main.and_then(|(_, places)| {
            let baselines = systems[..num_baselines].iter();
            baselines.max_by(|(_, a), (_, b)| mean(a, places).total_cmp(&mean(b, places)))
        });
        let recent = systems.iter().find(|(name, _)| *name == "Pop-30d");
        let group = |system: &Scored<'_>, name: &str, places: &[usize]| -> Result<Group> {
            let scores: Vec<Scores> = places.iter().map(|&place| system.1[place]).collect();
            Ok(Group {
                name: name.to_owned(),
                users: places.len(),
                mean: Scores::mean(&scores),
                ndcg_interval: self.bootstrap.mean(&ndcg(system.1, places))?,
                beside_best: self.beside(system, best, places)?,
                beside_recent: self.beside(system, recent, places)?,
                debiased_ndcg: None,
            })
        };
        let of = |system: &Scored<'_>| {
            self.groups.iter().map(|(name, places)| group(system, name, places)).collect()
        };
        systems.iter().map(of).collect()
    }

    /// How much more each of `models` but the first is worth than the first, for each group.
    pub(super) fn beside_first(&self, models: &[Scored<'_>]) -> Result<Vec<Pair>> {
        let Some((first, others)) = models.split_first() else { return Ok(Vec::new()) };
        let pair = |other: &Scored<'_>| -> Result<Pair> {
            let difference = |(name, places): &(String, Vec<usize>)| -> Result<_> {
                let (other, first) = (ndcg(other.1, places), ndcg(first.1, places));
                Ok((name.clone(), self.bootstrap.difference(&first, &other)?))
            };
            let groups = self.groups.iter().map(difference).collect::<Result<_>>()?;
            Ok(Pair { model: other.0.to_owned(), beside: first.0.to_owned(), groups })
        };
        others.iter().map(pair).collect()
    }

    /// How much more `system` is worth than another, paired by user; none beside itself.
    fn beside(
        &self,
        (name, scores): &Scored<'_>,
        other: Option<&Scored<'_>>,
        places: &[usize],
    ) -> Result<Option<(String, Interval)>> {
        let Some((other, of_other)) = other.filter(|(other, _)| other != name) else {
            return Ok(None);
        };
        let difference =
            self.bootstrap.difference(&ndcg(of_other, places), &ndcg(scores, places))?;
        Ok(Some(((*other).to_owned(), difference)))
    }
}

fn ndcg(scores: &[Scores], places: &[usize]) -> Vec<f64> {
    places.iter().map(|&place| scores[place].ndcg).collect()
}

fn mean(scores: &[Scores], places: &[usize]) -> f64 {
    ndcg(scores, places).iter().sum::<f64>() / places.len().max(1) as f64
}
