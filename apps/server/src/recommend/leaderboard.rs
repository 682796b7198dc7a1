//! Leaderboards: lists for everybody whose order a formula gives, such as what was starred most in a week.
//!
//! A formula reads all feedback of all items, so a leaderboard is kept for some minutes and then made anew,
//! the old one being served meanwhile. Hidden and deleted items leave it at once.

use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use dragoman_store::{Result, Tenant, Timestamp};

use crate::formula::{Formula, Scope};

/// How long a leaderboard is served before it is made anew.
const FRESH: Duration = Duration::from_secs(60);

/// A list for everybody as the settings define it: `NAME = SCORE where FILTER`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaderboard {
    pub(crate) name: String,
    score: Formula,
    filter: Option<Formula>,
}

/// Identifiers of items with their scores, the greatest first.
pub(crate) type Ranked = Arc<Vec<(Arc<str>, f64)>>;

struct Made {
    ranked: Ranked,
    since: Instant,
    /// Whether another is being made.
    is_renewed: bool,
}

/// The leaderboards of a tenant as they were last made; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Leaderboards(Arc<Mutex<HashMap<String, Made>>>);

impl FromStr for Leaderboard {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (name, formulas) =
            text.split_once('=').filter(|(name, _)| !name.trim().is_empty()).ok_or_else(|| {
                format!("`{text}` must be `name = score` or `name = score where filter`")
            })?;
        let (score, filter) = match formulas.rsplit_once(" where ") {
            Some((score, filter)) => (score, Some(filter)),
            None => (formulas, None),
        };
        let filter = filter.map(str::parse).transpose()?;
        Ok(Self { name: name.trim().into(), score: score.parse()?, filter })
    }
}

impl Leaderboard {
    /// Scores all items of `tenant` that pass the filter; those whose score is no number are left out.
    fn rank(&self, tenant: &Tenant, now: Timestamp) -> Result<Vec<(Arc<str>, f64)>> {
        let seconds = now.seconds as f64;
        let mut ranked: Vec<(Arc<str>, f64)> = Vec::new();
        for item in tenant.items("") {
            let item = item?;
            let mut feedback = tenant.feedback_of_item(&item.item_id, None)?;
            feedback.retain(|row| row.timestamp <= now);
            let scope = Scope::new(&item, &feedback, seconds);
            let passes = self.filter.as_ref().is_none_or(|filter| filter.holds(&scope));
            if passes && let Some(score) = self.score.number(&scope) {
                ranked.push((Arc::from(item.item_id.as_str()), score));
            }
        }
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(ranked)
    }
}

impl Leaderboards {
    /// The items of `board`, as of a minute ago at most if somebody asked since then. Blocks.
    pub(crate) fn get(&self, board: &Leaderboard, tenant: &Tenant) -> Result<Ranked> {
        let mut boards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = boards.get_mut(&board.name) {
            if made.since.elapsed() > FRESH && !made.is_renewed {
                made.is_renewed = true;
                self.renew(board.clone(), tenant.clone());
            }
            return Ok(Arc::clone(&made.ranked));
        }
        drop(boards);
        self.make(board, tenant)
    }

    fn make(&self, board: &Leaderboard, tenant: &Tenant) -> Result<Ranked> {
        let ranked = Arc::new(board.rank(tenant, Timestamp::now())?);
        let made = Made { ranked: Arc::clone(&ranked), since: Instant::now(), is_renewed: false };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(board.name.clone(), made);
        Ok(ranked)
    }

    fn renew(&self, board: Leaderboard, tenant: Tenant) {
        let boards = self.clone();
        let make = move || {
            if let Err(error) = boards.make(&board, &tenant) {
                tracing::warn!(%error, board = board.name, "the leaderboard stays as it was");
            }
        };
        if let Err(error) = thread::Builder::new().name("leaderboard".into()).spawn(make) {
            tracing::warn!(%error, "the leaderboard stays as it was");
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_name_a_leaderboard_with_its_formulas() {
        let text = "starred = count(feedback, .FeedbackType == 'star') where item.Comment != ''";
        let board: Leaderboard = text.parse().expect(text);
        assert_eq!((board.name.as_str(), board.filter.is_some()), ("starred", true));
        let board: Leaderboard = "n=len(feedback)".parse().expect("no filter");
        assert!(board.filter.is_none());
        for (text, named) in [("len(feedback)", "name = score"), ("= 1", "name"), ("a = b", "`b`")]
        {
            let error = text.parse::<Leaderboard>().expect_err(text);
            assert!(error.contains(named), "{error}");
        }
    }
}
