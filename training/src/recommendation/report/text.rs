//! The tables of the terminal, which the page shows too.

use std::fmt;

use super::{Evaluation, Group, Pair, Questions, System};
use crate::{
    metrics::significance::Interval,
    recommendation::{protocol::Protocol, trial::WARM},
};

/// A title, and rows of cells, the first of which names the columns.
pub(super) struct Table {
    pub(super) title: String,
    pub(super) rows: Vec<Vec<String>>,
}

impl Evaluation {
    /// What was asked, in a few lines.
    pub(super) fn summary(&self) -> Vec<String> {
        let setup = &self.setup;
        let split = match (setup.protocol, setup.cuts) {
            (Protocol::Time { quantile }, Some(cuts)) => format!(
                "global time split at the {quantile} quantile: validation from {}, test from {} \
                 (seconds since 1970)",
                cuts.valid, cuts.test
            ),
            _ => "leave one out".to_owned(),
        };
        let seen = match setup.keeps_seen {
            true => "items that a user has met may be recommended",
            false => "items that a user has met are left out",
        };
        let mut lines = vec![
            format!(
                "{} users, {} items, {} events (sha256 {:.12})",
                setup.users, setup.items, setup.events, setup.sha256
            ),
            split,
            format!(
                "{} events to learn from, {} items ranked, {} users asked about; {seen}; 95 % \
                 intervals from {} resamples of users, seed {}",
                setup.train_events,
                setup.known_items,
                setup.test_users,
                setup.bootstrap.resamples,
                setup.bootstrap.seed
            ),
        ];
        lines.extend(self.caution().map(str::to_owned));
        lines
    }

    /// All tables.
    pub(super) fn tables(&self) -> Vec<Table> {
        let mut tables = vec![self.main_table(), self.group_table()];
        if !self.pairs.is_empty() {
            tables.push(self.pair_table());
        }
        tables.extend(self.successive.map(|questions| self.successive_table(questions)));
        if self.curve_users > 0 {
            tables.push(self.curve_table());
        }
        tables
    }

    fn main_table(&self) -> Table {
        let titles = [
            "",
            "NDCG@10",
            "95 %",
            "Recall@10",
            "HR@10",
            "MRR@10",
            "beside the best baseline",
            "beside Pop-30d",
            "debiased",
            "coverage",
            "Gini",
            "novelty",
            "popularity",
            "drift",
            "diversity",
        ];
        let row = |system: &System| {
            let Some(group) = self.main_of(&system.groups) else {
                return vec![system.name.clone()];
            };
            let (Group { mean, .. }, beyond) = (group, &system.beyond);
            vec![
                system.name.clone(),
                score(mean.ndcg),
                interval(&group.ndcg_interval),
                score(mean.recall),
                score(mean.hit),
                score(mean.reciprocal_rank),
                difference(group.beside_best.as_ref()),
                difference(group.beside_recent.as_ref()),
                group.debiased_ndcg.map_or("–".into(), score),
                format!("{:.3}", beyond.coverage),
                format!("{:.3}", beyond.gini),
                format!("{:.2}", beyond.novelty),
                format!("{:.3}", beyond.popularity),
                beyond.drift.map_or("–".into(), |drift| format!("{drift:+.3}")),
                beyond.diversity.map_or("–".into(), |diversity| format!("{diversity:.3}")),
            ]
        };
        let title = format!(
            "{} (coverage and what follows: all users)",
            self.main_title(|system| &system.groups)
        );
        self.table(title, &titles, row)
    }

    fn group_table(&self) -> Table {
        let names = self.names(|system| &system.groups, |_| true);
        let mut titles = vec![""];
        titles.extend(names.iter().map(String::as_str));
        titles.extend(["worst segment", "gap"]);
        let row = |system: &System| {
            let mut cells = vec![system.name.clone()];
            cells.extend(system.groups.iter().map(|group| score(group.mean.ndcg)));
            let extremes = system.extremes();
            cells.push(extremes.map_or("–".into(), |(worst, _)| worst.name.clone()));
            cells.push(
                extremes
                    .map_or("–".into(), |(worst, best)| score(best.mean.ndcg - worst.mean.ndcg)),
            );
            cells
        };
        self.table("NDCG@10 by group of users (how many)".into(), &titles, row)
    }

    fn pair_table(&self) -> Table {
        let is_shown = |(name, _): &&(String, Interval)| !name.ends_with("events");
        let cells = |pair: &Pair| -> Vec<String> {
            let intervals = pair.groups.iter().filter(is_shown);
            let cells = intervals.map(|(_, interval)| plus(interval));
            [pair.model.clone()].into_iter().chain(cells).collect()
        };
        let first = &self.pairs[0];
        let names = first.groups.iter().filter(is_shown).map(|(name, _)| name.clone());
        let head = [String::new()].into_iter().chain(names).collect();
        let rows = [head].into_iter().chain(self.pairs.iter().map(cells)).collect();
        let title = format!("NDCG@10 beside the model {}, paired by user", first.beside);
        Table { title, rows }
    }

    fn successive_table(&self, questions: Questions) -> Table {
        // A group is in the table once, and the numbers of events are in the JSON alone.
        let is_other =
            |group: &&Group| group.name != self.setup.main_group && !group.name.ends_with("events");
        let names = self.names(|system| &system.successive, is_other);
        let mut titles = vec![
            "",
            "NDCG@10",
            "95 %",
            "HR@10",
            "MRR@10",
            "beside the best baseline",
            "beside Pop-30d",
        ];
        titles.extend(names.iter().map(String::as_str));
        let row = |system: &System| {
            let Some(group) = self.main_of(&system.successive) else {
                return vec![system.name.clone()];
            };
            let mut cells = vec![
                system.name.clone(),
                score(group.mean.ndcg),
                interval(&group.ndcg_interval),
                score(group.mean.hit),
                score(group.mean.reciprocal_rank),
                difference(group.beside_best.as_ref()),
                difference(group.beside_recent.as_ref()),
            ];
            let others = system.successive.iter().filter(is_other);
            cells.extend(others.map(|group| score(group.mean.ndcg)));
            cells
        };
        let Questions { most, events } = questions;
        let title = format!(
            "One event after another, with all before it revealed: {} ({events} events of all users, \
             at most {most} of each; means over a user's events, then over users); then NDCG@10 of \
             other groups",
            self.main_title(|system| &system.successive)
        );
        self.table(title, &titles, row)
    }

    fn curve_table(&self) -> Table {
        let revealed: Vec<String> =
            self.systems[0].curve.iter().map(|(k, _)| format!("k = {k}")).collect();
        let mut titles = vec![""];
        titles.extend(revealed.iter().map(String::as_str));
        let row = |system: &System| {
            let scores = system.curve.iter().map(|&(_, ndcg)| score(ndcg));
            [system.name.clone()].into_iter().chain(scores).collect()
        };
        let title = format!("NDCG@10 of {} new users after their first k events", self.curve_users);
        self.table(title, &titles, row)
    }

    /// The figures for the group that tables are about.
    fn main_of<'a>(&self, groups: &'a [Group]) -> Option<&'a Group> {
        groups.iter().find(|group| group.name == self.setup.main_group)
    }

    /// What that group is called, and how many it has.
    fn main_title(&self, groups: impl Fn(&System) -> &Vec<Group>) -> String {
        let first = self.systems.first().and_then(|system| self.main_of(groups(system)));
        let name = match self.setup.main_group == WARM {
            true => "users with a history",
            false => "all users",
        };
        format!("{name}, {} users", first.map_or(0, |group| group.users))
    }

    /// The names of groups with their numbers of users.
    fn names(
        &self,
        groups: impl Fn(&System) -> &Vec<Group>,
        is_named: impl Fn(&&Group) -> bool,
    ) -> Vec<String> {
        let all = self.systems.first().into_iter().flat_map(groups);
        all.filter(is_named).map(|group| format!("{} ({})", group.name, group.users)).collect()
    }

    fn table(&self, title: String, titles: &[&str], row: impl Fn(&System) -> Vec<String>) -> Table {
        let head = titles.iter().map(|&title| title.to_owned()).collect();
        let rows = [head].into_iter().chain(self.systems.iter().map(row)).collect();
        Table { title, rows }
    }
}

/// Aligned for the terminal.
impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.summary() {
            writeln!(f, "{line}")?;
        }
        for Table { title, rows } in self.tables() {
            writeln!(f, "\n{title}")?;
            let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
            let cell =
                |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
            let width = |column| rows.iter().map(|row| cell(row, column).chars().count()).max();
            let widths: Vec<usize> =
                (0..columns).map(|column| width(column).unwrap_or(0)).collect();
            for row in &rows {
                let mut line = format!("{:<1$}", cell(row, 0), widths[0]);
                for (column, width) in widths.iter().enumerate().skip(1) {
                    line += &format!("  {:>width$}", cell(row, column));
                }
                writeln!(f, "{}", line.trim_end())?;
            }
        }
        Ok(())
    }
}

/// Four digits without the zero before the point, as papers print them.
fn score(value: f64) -> String {
    let text = format!("{value:.4}");
    text.strip_prefix('0').map_or(text.clone(), str::to_owned)
}

fn interval(of: &Interval) -> String {
    format!("{} to {}", score(of.low), score(of.high))
}

fn difference(beside: Option<&(String, Interval)>) -> String {
    beside.map_or("–".into(), |(_, interval)| plus(interval))
}

fn plus(interval: &Interval) -> String {
    format!("{:+.3} [{:+.3}, {:+.3}]", interval.mean, interval.low, interval.high)
}
