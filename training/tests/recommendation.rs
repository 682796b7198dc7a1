//! The protocols on a log that one can see through, and a model that knows the future.

use std::sync::Arc;

use anyhow::Result;
use dragoman_core::recommend::{
    Event, Explanation, Item, Query, Ranking, Recommend, segments::Segment,
};
use dragoman_data::interactions::{Interactions, User};
use dragoman_training::{
    metrics::significance::Bootstrap,
    recommendation::{Evaluation, Options, Protocol, evaluate, report::System},
};

const DAY: i64 = 86_400;
const TASTE: u32 = 30;
const ITEMS: u32 = 2 * TASTE;
const STEPS: u32 = 14;

/// Sixty users of two tastes, who walk through thirty items in strides of their own, one a day;
/// user `u` begins on day `u`, so that some are new at any cut.
fn log() -> Interactions {
    let stride = |user: u32| [1, 7, 11, 13][(user / 2 % 4) as usize];
    let user = |id: u32| User { id: id.to_string(), labels: vec![stride(id).to_string()] };
    let item = |id: u32| Item {
        id: id.to_string(),
        categories: vec![if id < TASTE { "sea" } else { "hills" }.to_owned()],
        ..Item::default()
    };
    let events = (0..60).flat_map(|user| {
        (0..STEPS).map(move |step| {
            let item = user % 2 * TASTE + (user + step * stride(user)) % TASTE;
            let time = i64::from(user + step + 1) * DAY;
            (user, Event { item, kind: 0, value: 1.0, time })
        })
    });
    let users = (0..60).map(user).collect();
    Interactions::new(users, (0..ITEMS).map(item).collect(), vec!["read".into()], events)
}

/// Knows what everybody does next; its items stand in another order, with a stranger among them.
struct Oracle {
    ids: Vec<String>,
    kinds: Vec<String>,
    names: Vec<String>,
}

impl Oracle {
    fn new() -> Self {
        let ids = ["stranger".to_owned()].into_iter();
        let ids = ids.chain((0..ITEMS).rev().map(|id| id.to_string())).collect();
        let names = Segment::WITH_EXPERT.map(|segment| format!("segment.{}", segment.name()));
        Self { ids, kinds: vec!["other".into(), "read".into()], names: names.into() }
    }
}

impl Recommend for Oracle {
    fn items(&self) -> &[String] {
        &self.ids
    }

    fn kinds(&self) -> &[String] {
        &self.kinds
    }

    fn segments(&self) -> &[String] {
        &self.names
    }

    fn rank(&self, queries: &[Query<'_>]) -> dragoman_core::Result<Vec<Ranking>> {
        let rank = |query: &Query<'_>| {
            assert_eq!(query.popularity.len(), self.ids.len());
            let mut scores = vec![0.0; self.ids.len()];
            scores[0] = 1e9; // nobody knows the stranger
            if let Some(last) = query.history.last() {
                assert_eq!(last.kind, 1, "the kind called `read`");
                let last = ITEMS - last.item; // in the order of the log
                let stride: u32 = query.labels[0].parse().expect("the label is a stride");
                for step in 1..STEPS {
                    let item = last / TASTE * TASTE + (last + step * stride) % TASTE;
                    scores[(ITEMS - item) as usize] = (STEPS - step) as f32;
                }
            }
            Ranking { scores, segments: Vec::new(), blend: Vec::new(), segment: None }
        };
        Ok(queries.iter().map(rank).collect())
    }

    fn explain(&self, query: &Query<'_>, _: u32) -> dragoman_core::Result<Explanation> {
        Ok(Explanation { contributions: vec![0.0; query.history.len()] })
    }

    fn similar(&self, _: u32) -> dragoman_core::Result<Vec<f32>> {
        Ok(vec![0.0; self.ids.len()])
    }

    fn extend(&self, _: &[Item]) -> dragoman_core::Result<Arc<dyn Recommend>> {
        Ok(Arc::new(Self::new()))
    }

    fn experts(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

fn run(protocol: Protocol) -> Result<Evaluation> {
    let bootstrap = Bootstrap { resamples: 200, ..Bootstrap::default() };
    let options =
        Options { protocol, has_baselines: true, keeps_seen: false, successive: 5, bootstrap };
    let oracle: Arc<dyn Recommend> = Arc::new(Oracle::new());
    Ok(evaluate(&log(), &options, &[("oracle".to_owned(), oracle)], |_| ())?)
}

fn ndcg(evaluation: &Evaluation, system: &str, group: &str) -> Option<f64> {
    let system = evaluation.systems.iter().find(|known| known.name == system)?;
    Some(system.group(group)?.mean.ndcg)
}

#[test]
fn who_knows_the_future_is_right_and_the_baselines_stand_beside() -> Result<()> {
    let evaluation = run(Protocol::Time { quantile: 0.8 })?;
    let cuts = evaluation.setup.cuts.expect("a split in time has cuts");
    assert!(cuts.valid < cuts.test, "{cuts:?}");
    assert_eq!(ndcg(&evaluation, "oracle", "warm"), Some(1.0));
    for name in ["Pop", "Pop-7d", "Pop-30d", "ItemKNN", "EASE", "iALS", "Markov"] {
        let warm = ndcg(&evaluation, name, "warm");
        assert!(warm.is_some_and(|ndcg| ndcg < 1.0), "{name}: {warm:?}");
    }
    // Order is all there is: what follows the last events beats what is popular.
    assert!(ndcg(&evaluation, "Markov", "warm") > ndcg(&evaluation, "Pop", "warm"));
    let oracle = evaluation.systems.last().expect("the oracle stands last");
    let warm = oracle.group("warm").expect("there are known users");
    assert!(warm.beside_best.as_ref().is_some_and(|(_, gain)| gain.low > 0.0), "{warm:?}");
    assert_eq!(warm.beside_recent.as_ref().map(|(name, _)| name.as_str()), Some("Pop-30d"));
    // Asked event by event, who knows the stride of a user is right about each.
    let questions = evaluation.successive.expect("a cut in time has events after it");
    let users = evaluation.setup.test_users;
    assert!((users..=5 * users).contains(&questions.events), "{questions:?}");
    let one_by_one = |system: &System, group: &str| {
        system.successive.iter().find(|found| found.name == group).map(|found| found.mean.ndcg)
    };
    assert_eq!(one_by_one(oracle, "warm"), Some(1.0));
    assert!(one_by_one(oracle, "cold").is_some_and(|ndcg| ndcg > 0.7 && ndcg < 1.0));
    assert!(one_by_one(&evaluation.systems[0], "warm").is_some_and(|ndcg| ndcg < 1.0));
    assert!(warm.debiased_ndcg.is_some_and(|ndcg| (ndcg - 1.0).abs() < 1e-12), "{warm:?}");
    let text = evaluation.to_string();
    assert!(evaluation.to_html().contains("One event after another"));
    for wanted in [
        "One event after another",
        "debiased",
        "NDCG@10",
        "segment.new",
        "k = 10",
        "worst segment",
        "oracle",
    ] {
        assert!(text.contains(wanted), "{wanted} in:\n{text}");
    }
    let curve: Vec<usize> = oracle.curve.iter().map(|&(k, _)| k).collect();
    assert_eq!(curve, [0, 1, 3, 5, 10]);
    assert!(oracle.curve[0].1 < 0.9 && oracle.curve[1].1 == 1.0, "{:?}", oracle.curve);
    Ok(())
}

#[test]
fn leave_one_out_is_called_leaking() -> Result<()> {
    let evaluation = run(Protocol::LeaveOneOut)?;
    assert_eq!(ndcg(&evaluation, "oracle", "all"), Some(1.0));
    assert_eq!(ndcg(&evaluation, "Pop-30d", "all"), None);
    assert_eq!(evaluation.setup.test_users, 60);
    assert_eq!(evaluation.successive, None);
    assert!(evaluation.to_string().contains("leaks"));
    assert!(evaluation.to_html().contains("leaks"));
    Ok(())
}

#[test]
fn an_evaluation_repeats_itself_and_reads_back() -> Result<()> {
    let evaluation = run(Protocol::Time { quantile: 0.9 })?;
    assert_eq!(run(Protocol::Time { quantile: 0.9 })?, evaluation);
    let again: Evaluation = serde_json::from_str(&evaluation.to_json())?;
    assert_eq!((&again.setup, &again.settings), (&evaluation.setup, &evaluation.settings));
    assert_eq!(again.to_string(), evaluation.to_string());
    Ok(())
}
