//! The tables of the terminal, which the page shows too.

use std::fmt;

use super::{Evaluation, Group, System};
use crate::{metrics::significance::Interval, recommendation::protocol::Protocol};

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
        if self.curve_users > 0 {
            tables.push(self.curve_table());
        }
        tables
    }

    fn main_table(&self) -> Table {
        let main = &self.setup.main_group;
        let users = self.groups().iter().find(|(name, _)| name == main).map_or(0, |group| group.1);
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
            let Some(group) = system.group(main) else { return vec![system.name.clone()] };
            let Group { mean, ndcg_interval: interval, .. } = group;
            let beyond = &system.beyond;
            vec![
                system.name.clone(),
                score(mean.ndcg),
                format!("{} to {}", score(interval.low), score(interval.high)),
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
            "{}, {users} users (coverage and what follows: all users)",
            if main == "warm" { "users with a history" } else { "all users" }
        );
        self.table(title, &titles, row)
    }

    fn group_table(&self) -> Table {
        let groups = self.groups();
        let names: Vec<String> =
            groups.iter().map(|(name, users)| format!("{name} ({users})")).collect();
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

fn difference(beside: Option<&(String, Interval)>) -> String {
    beside.map_or("–".into(), |(_, interval)| {
        format!("{:+.3} [{:+.3}, {:+.3}]", interval.mean, interval.low, interval.high)
    })
}
