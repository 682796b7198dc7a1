//! An expert for a group of users: a copy changes nothing, and nobody else ever sees it.

use std::path::Path;

use anyhow::Result;
use candle::Device;
use dragoman_core::{
    config::RecommendationConfig,
    directory::{
        Files, Fresh, LoadedRecommendation, RecommendationParts, WeightFormat, save_recommendation,
    },
    models::recommendation::RecommendationModel,
    params::ParamStore,
    recommend::{
        Blend, Catalogue, Event, FeatureRules, Item, Query, Recommend, Scorers, ScorersConfig,
        behaviour::Behaviour,
    },
    recommender::Recommender,
    register::{ExpertEntry, ExpertKind, Register, Route},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FRESH: Fresh<'_> = Fresh { device: &Device::Cpu, seed: 1 };
const ITEMS: usize = 30;
const SEGMENTS: [&str; 4] = ["segment.new", "segment.power", "segment.trend", "segment.consistent"];
const NOW: i64 = 1_000_000;

/// Users of 0 to 14 events.
fn histories() -> Vec<Vec<Event>> {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut event = |step: usize| Event {
        item: rng.random_range(0..ITEMS as u32),
        kind: 0,
        value: 1.0,
        time: step as i64 * 3600,
    };
    (0..15).map(|count| (0..count).map(&mut event).collect()).collect()
}

/// Writes a model with random weights.
fn write(folder: &Path) -> Result<Register> {
    let item = |i: usize| Item {
        id: format!("i{i}"),
        categories: vec![format!("c{}", i % 4)],
        ..Item::default()
    };
    let users = [["job:writer".to_string()], ["job:student".to_string()]];
    let items = (0..ITEMS).map(item).collect();
    let rules = FeatureRules { min_count: 1, title_words: true };
    let catalogue = Catalogue::new(items, vec!["view".into()], users.iter(), rules);
    let config = RecommendationConfig {
        num_items: ITEMS,
        num_features: catalogue.features.len(),
        num_user_features: catalogue.user_features.len(),
        num_gaps: 6,
        num_statistics: Behaviour::FEATURES,
        d_model: 16,
        d_ff: 24,
        max_history: 12,
        ..RecommendationConfig::default()
    };
    let params = ParamStore::new(&Device::Cpu, 1);
    let register = Register::for_segments(&SEGMENTS, 6, &config.layers());
    RecommendationModel::new(&config, &register, catalogue.content(), &params)?;
    let scorers = Scorers::fit(&histories(), ITEMS, &ScorersConfig::default())?;
    let parts = RecommendationParts {
        config: &config,
        register: &register,
        catalogue: &catalogue,
        blend: &Blend::default(),
        scorers: &scorers,
    };
    Ok(save_recommendation(folder, parts, &params, WeightFormat::F32)?)
}

/// A copy of `parent` for the users of `rule`.
fn with_expert(
    folder: &Path,
    (register, parent, rule): (&Register, &str, &str),
) -> Result<LoadedRecommendation> {
    let layers = register.experts[0].layers.clone();
    let mut entry = ExpertEntry::new("segment.lead".into(), ExpertKind::Segment, &layers, 6);
    entry.parent = Some(parent.into());
    let mut route = Route { name: "lead".into(), ..register.routes[0].clone() };
    route.rule = Some(rule.parse().map_err(anyhow::Error::msg)?);
    for name in route.group.iter_mut().filter(|name| **name == parent) {
        *name = "segment.lead".into();
    }
    let files = Files::Folder(folder.into());
    Ok(files.load_recommendation_with(&entry, &route, FRESH)?)
}

/// Scores of all items and names of the segments, for every user.
fn answers(model: &Recommender, label: &str) -> Result<Vec<(Vec<f32>, Vec<String>)>> {
    let (histories, labels) = (histories(), [label.to_string()]);
    let popularity = [0.0; ITEMS];
    let query = |history| Query { history, labels: &labels, now: NOW, popularity: &popularity };
    let queries: Vec<Query<'_>> = histories.iter().map(|history| query(history)).collect();
    let rankings = model.rank(&queries)?;
    let names = |segments: Vec<(String, f32)>| segments.into_iter().map(|(name, _)| name).collect();
    Ok(rankings.into_iter().map(|ranking| (ranking.scores, names(ranking.segments))).collect())
}

#[test]
fn a_copy_changes_no_bit_and_what_it_learns_reaches_its_users_alone() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let register = write(dir.path())?;
    let files = Files::Folder(dir.path().into());
    let base = Recommender::new(files.load_recommendation(&Device::Cpu)?)?;
    let before = answers(&base, "job:student")?;
    for parent in SEGMENTS {
        let new = (&register, parent, "events >= 8 and label = job:student");
        let copy = Recommender::new(with_expert(dir.path(), new)?)?;
        let after = answers(&copy, "job:student")?;
        for (events, ((before, _), (after, names))) in before.iter().zip(&after).enumerate() {
            assert_eq!(before, after, "step 0, {events} events");
            let is_meant = names.iter().any(|name| name == "segment.lead");
            assert_eq!(is_meant, events >= 8);
            assert_eq!(names.iter().any(|name| name == parent), events < 8);
        }

        let loaded = with_expert(dir.path(), new)?;
        for param in loaded.params.iter().filter(|p| p.name().contains("segment.lead")) {
            param.set(&(param.tensor()?.detach() + 0.25)?)?;
        }
        let learned = Recommender::new(loaded)?;
        let after = answers(&learned, "job:student")?;
        for (events, ((before, _), (after, _))) in before.iter().zip(&after).enumerate() {
            assert_eq!(before == after, events < 8, "{parent}, {events} events");
        }
        assert_eq!(answers(&learned, "job:writer")?, answers(&base, "job:writer")?);
    }
    Ok(())
}

#[test]
fn one_batch_may_hold_users_of_several_routes_and_reasons_keep_to_one() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let register = write(dir.path())?;
    let loaded = with_expert(dir.path(), (&register, "segment.power", "events >= 8"))?;
    for param in loaded.params.iter().filter(|p| p.name().contains("segment.lead")) {
        param.set(&(param.tensor()?.detach() * 2.0)?)?;
    }
    let model = Recommender::new(loaded)?;
    let (histories, popularity) = (histories(), [0.0; ITEMS]);
    let query = |history| Query { history, labels: &[], now: NOW, popularity: &popularity };
    let queries: Vec<Query<'_>> = histories.iter().map(|history| query(history)).collect();
    for (query, together) in queries.iter().zip(model.rank(&queries)?) {
        assert_eq!(model.rank(&[*query])?[0], together, "the same bits alone");
    }
    // Eight events: without any of them, the user would take another route.
    let reasons = model.explain(&queries[8], 3)?.contributions;
    assert!(reasons.iter().all(|reason| reason.is_finite()) && reasons.iter().any(|r| *r != 0.0));
    Ok(())
}
