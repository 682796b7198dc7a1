//! A small shop whose customers are easy to see through: a run learns them, can be stopped, and
//! leaves a model that says the same when it is loaded.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use candle::Device;
use dragoman_core::{
    directory::Files,
    recommend::{Event, Item, Query},
};
use dragoman_data::interactions::{Interactions, User};
use dragoman_training::{
    control::Control,
    recommendation::{metrics::Scores, ranking::Outcome, trial::Trial},
    schedule::Schedule,
    tasks::recommendation::{Protocol, RunPaths, TrainConfig, train},
};

const ITEMS: u32 = 24;

/// Everybody walks around one of three circles of eight items, from a place of their own.
fn shop() -> Interactions {
    let user = |i: u32| User { id: format!("u{i}"), labels: vec![format!("circle:{}", i % 3)] };
    let item = |i: u32| Item {
        id: format!("i{i:02}"),
        categories: vec![format!("circle {}", i / 8)],
        ..Item::default()
    };
    let events = (0..48u32).flat_map(|user| {
        (0..6 + user % 7).map(move |step| {
            let item = user % 3 * 8 + (user / 3 + step) % 8;
            let time = 1_000_000 + i64::from(step) * 3600 + i64::from(user);
            (user, Event { item, kind: 0, value: 1.0, time })
        })
    });
    let kinds = vec!["view".to_string()];
    Interactions::new((0..48).map(user).collect(), (0..ITEMS).map(item).collect(), kinds, events)
}

fn config(steps: u64) -> TrainConfig {
    let mut config = TrainConfig { batch_users: 16, ..TrainConfig::default() };
    config.model.d_model = 16;
    config.model.d_ff = 32;
    config.model.max_history = 8;
    config.segments.d_ff = 8;
    config.objective.item_dropout = 0.1;
    config.objective.truncate = 0.2;
    config.run.dropout = 0.05;
    config.run.budget.steps = steps;
    config.run.schedule = Schedule::Cosine { warmup: 10.0, floor: 0.1 };
    config.run.optimizer.learning_rate = 1e-2;
    config.run.evaluate.steps = 60;
    config.run.checkpoints.every.steps = 20;
    config.run.loss.label_smoothing = 0.0;
    config
}

fn paths(out: &Path) -> RunPaths {
    RunPaths { out: out.into(), quiet: true }
}

/// Scores of every item for some users, from a model on disk.
fn scores(model: &Path, log: &Interactions) -> Result<Vec<Vec<f32>>> {
    let recommender = Files::Folder(model.into()).load_recommender()?;
    assert_eq!(recommender.items().len(), ITEMS as usize);
    let popularity = vec![1.0; ITEMS as usize];
    let query = |user: usize| Query {
        history: &log.histories[user],
        labels: &log.users[user].labels,
        now: 2_000_000,
        popularity: &popularity,
    };
    let queries: Vec<Query<'_>> = (0..10).map(query).collect();
    let rankings = recommender.rank(&queries)?;
    for ranking in &rankings {
        for parts in [&ranking.segments, &ranking.blend] {
            let sum: f32 = parts.iter().map(|(_, share)| share).sum();
            assert!((sum - 1.0).abs() < 1e-5, "{parts:?}");
        }
    }
    Ok(rankings.into_iter().map(|ranking| ranking.scores).collect())
}

#[test]
fn a_model_learns_where_customers_go_next() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let log = shop();
    let done = train(
        &config(240),
        &log,
        Protocol::LeaveOneOut,
        None,
        &paths(dir.path()),
        &Control::default(),
    )?;
    let model = done.model.context("a model was written")?;
    let recommender = Files::Folder(model).load_recommender()?;
    let trial = Trial::leave_one_out(&log, 0, false);
    let ndcg = Scores::mean(&Outcome::of_model(&trial, recommender.as_ref())?.scores).ndcg;
    assert!(ndcg > 0.8, "NDCG@10 {ndcg}");

    // Same user, same bits, alone or with others, and with one event more another answer.
    let popularity = vec![0.0; ITEMS as usize];
    let query = |history| Query { history, labels: &[], now: 2_000_000, popularity: &popularity };
    let queries = [query(&log.histories[0][..3]), query(&log.histories[1]), query(&[])];
    let together = recommender.rank(&queries)?;
    for (one, together) in queries.iter().zip(&together) {
        assert_eq!(&recommender.rank(&[*one])?[0], together);
        assert!(together.scores.iter().all(|score| score.is_finite()));
    }
    assert_ne!(recommender.rank(&[query(&log.histories[0][..4])])?[0], together[0]);

    let next = log.histories[0][3].item;
    let explanation = recommender.explain(&queries[0], next)?;
    assert_eq!(explanation.contributions.len(), 3);
    assert!(explanation.contributions[2] > 0.0, "{explanation:?}");
    assert!(recommender.explain(&queries[0], ITEMS).is_err());

    let similar = recommender.similar(0)?;
    let mean = |items: std::ops::Range<usize>| similar[items].iter().sum::<f32>();
    assert!(mean(1..8) > mean(8..16) && mean(1..8) > mean(16..24), "{similar:?}");

    let new = Item { id: "new".into(), categories: vec!["circle 1".into()], ..Item::default() };
    let extended = recommender.extend(std::slice::from_ref(&new))?;
    let similar = extended.similar(ITEMS)?;
    let best = (0..24).max_by(|&a, &b| similar[a].total_cmp(&similar[b])).unwrap_or_default();
    assert!((8..16).contains(&best), "{similar:?}");
    let popularity = vec![0.0; ITEMS as usize + 1];
    let query = Query { popularity: &popularity, ..queries[1] };
    assert_eq!(extended.rank(&[query])?[0].scores.len(), ITEMS as usize + 1);
    assert!(extended.extend(&[new]).is_err(), "it is there already");
    Ok(())
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let log = shop();
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    let run = |out: &Path, control: &Control| {
        train(&config(60), &log, Protocol::All, None, &paths(out), control)
    };
    let first = run(&whole, &Control::default())?;
    let mut second = run(&parts, &Control::default().with_step_limit(25))?;
    for _ in 0..20 {
        if second.model.as_deref().is_some_and(|model| model == parts.join("model")) {
            break;
        }
        second = run(&parts, &Control::default().with_step_limit(25))?;
    }
    let model = |summary: &dragoman_training::trainer::Summary| {
        summary.model.clone().context("a model was written")
    };
    let (first, second) = (model(&first)?, model(&second)?);
    for name in ["shared.safetensors", "scorers.safetensors", "blend.json", "items.json"] {
        let read = |folder: &Path| fs_err::read(folder.join(name));
        assert_eq!(read(&first)?, read(&second)?, "{name}");
    }
    assert_eq!(scores(&first, &log)?, scores(&second, &log)?);
    Ok(())
}

#[test]
fn titles_are_content_unless_their_words_are_left_out() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let plain = shop();
    let mut titled = plain.clone();
    for (item, number) in titled.items.iter_mut().zip(0..) {
        item.title = format!("Thing of pair{}", number / 2); // a word for every two
    }
    let run = |name: &str, log: &Interactions, title_words: bool| -> Result<PathBuf> {
        let mut config = config(20);
        config.model.title_words = title_words;
        let paths = paths(&dir.path().join(name));
        let protocol = Protocol::LeaveOneOut;
        let done = train(&config, log, protocol, None, &paths, &Control::default())?;
        done.model.context("a model was written")
    };
    let features = |model: &Path| -> Result<Vec<String>> {
        let loaded = Files::Folder(model.into()).load_recommendation(&Device::Cpu)?;
        Ok(loaded.catalogue.features)
    };
    // A new item beside the others, by a model that may know words.
    let similar = |model: &Path, title: &str| -> Result<Vec<f32>> {
        let new = Item { id: "new".into(), title: title.into(), ..Item::default() };
        let recommender = Files::Folder(model.into()).load_recommender()?;
        Ok(recommender.extend(&[new])?.similar(ITEMS)?)
    };

    let circles = ["category:circle 0", "category:circle 1", "category:circle 2"];
    let (without, untitled) = (run("without", &titled, false)?, run("untitled", &plain, true)?);
    assert_eq!(features(&without)?, circles);
    assert_eq!(scores(&without, &titled)?, scores(&untitled, &plain)?);
    assert_eq!(similar(&without, "pair3")?, similar(&without, "")?);

    let with = run("with", &titled, true)?;
    let words = (0..12).map(|pair| format!("word:pair{pair}"));
    let described: BTreeSet<_> = circles.map(str::to_owned).into_iter().chain(words).collect();
    assert_eq!(features(&with)?.into_iter().collect::<BTreeSet<_>>(), described);
    assert_ne!(similar(&with, "pair3")?, similar(&with, "")?);
    Ok(())
}

#[test]
fn the_best_weights_can_be_chosen_by_files() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (before, after) = (dir.path().join("input.txt"), dir.path().join("output.txt"));
    fs_err::write(&before, "i00 i01 nobody\ni08\n")?;
    fs_err::write(&after, "i02\ni09\n")?;
    let log = shop();
    let dev = Trial::of_lines(log.clone(), &before, &after, false)?;
    let paths = paths(&dir.path().join("run"));
    let done =
        train(&config(20), &log, Protocol::LeaveOneOut, Some(dev), &paths, &Control::default())?;
    assert!(done.best.is_some() && done.model.is_some_and(|model| model.exists()));
    Ok(())
}
