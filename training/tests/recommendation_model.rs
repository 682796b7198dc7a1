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
    recommend::{Blend, Event, Item, Query},
    recommender::Recommender,
};
use dragoman_data::{
    interactions::{Interactions, User},
    shop::ShopConfig,
};
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

/// The shop in which everybody is shown the next circle before each choice, and never chooses from it.
fn shop_with_reads() -> Interactions {
    let mut log = shop();
    let reads = |(user, history): (u32, &Vec<Event>)| -> Vec<Event> {
        let first = (user + 1) % 3 * 8;
        let shown = |event: Event| (0..8).map(move |i| Event { item: first + i, ..event });
        history.iter().copied().flat_map(shown).collect()
    };
    log.reads = (0..).zip(&log.histories).map(reads).collect();
    log
}

/// How often an item of the circle that a user is shown ranks below one of the circle that the user never
/// sees.
fn below_unseen(model: &Path, log: &Interactions) -> Result<f64> {
    let recommender = Files::Folder(model.into()).load_recommender()?;
    let popularity = vec![1.0; log.items.len()];
    let query = |user: usize| Query {
        history: &log.histories[user],
        labels: &log.users[user].labels,
        now: 2_000_000,
        popularity: &popularity,
    };
    let rankings = recommender.rank(&(0..48).map(query).collect::<Vec<_>>())?;
    let below = |(user, scores): (usize, &[f32])| {
        let circle = |of: usize| scores[of % 3 * 8..][..8].iter();
        let pairs =
            circle(user + 1).flat_map(|shown| circle(user + 2).map(move |other| shown < other));
        pairs.filter(|is_below| *is_below).count() as f64 / 64.0
    };
    let scores = rankings.iter().map(|ranking| ranking.scores.as_slice()).enumerate();
    Ok(scores.map(below).sum::<f64>() / 48.0)
}

#[test]
fn what_is_always_read_and_never_chosen_ranks_lower() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let log = shop_with_reads();
    let train = |name: &str, read_weight: f32, log: &Interactions| -> Result<PathBuf> {
        let mut config = config(60);
        config.blend.enabled = false;
        config.objective.read_weight = read_weight;
        let out = dir.path().join(name);
        let summary =
            train(&config, log, Protocol::LeaveOneOut, None, &paths(&out), &Control::default())?;
        summary.model.context("a run leaves a model")
    };
    let without = Interactions { reads: Vec::new(), ..log.clone() };
    let [none, off, on] =
        [train("none", 1.0, &without)?, train("off", 0.0, &log)?, train("on", 4.0, &log)?];
    let weights = |model: &Path| -> Result<Vec<Vec<u8>>> {
        let mut files: Vec<PathBuf> =
            fs_err::read_dir(model)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        files.retain(|path| path.extension().is_some_and(|end| end == "safetensors"));
        files.sort();
        assert!(!files.is_empty(), "no weights in {}", model.display());
        files.into_iter().map(|path| Ok(fs_err::read(path)?)).collect()
    };
    assert!(weights(&none)? == weights(&off)?, "without a weight the reads change nothing");
    assert!(weights(&on)? != weights(&off)?);

    let [off, on] = [below_unseen(&off, &log)?, below_unseen(&on, &log)?];
    assert!(on > 0.75 && on > off + 0.2, "{on} with what was read, {off} without");
    Ok(())
}

/// NDCG@10 on the generated shop with weights of what was shown, paired by user: `SEEDS=1,2 WEIGHTS=0,0.3,1
/// STEPS=300 cargo test --release -p dragoman-training --test recommendation_model -- --ignored --nocapture`.
#[test]
#[ignore = "it measures, for minutes"]
fn what_reads_are_worth_in_the_generated_shop() -> Result<()> {
    let numbers = |name: &str, usual: &str| -> Result<Vec<f32>> {
        let text = std::env::var(name).unwrap_or_else(|_| usual.to_owned());
        text.split(',').map(|number| Ok(number.trim().parse()?)).collect()
    };
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/recommend-shop.toml");
    for seed in numbers("SEEDS", "1,2")? {
        let seed = seed as u64;
        let shop =
            ShopConfig { seed, items: 600, users: 500, impressions: 5, ..Default::default() };
        let log = shop.generate().log.with_read_feedback(&["shown".into()]);
        let test = Trial::in_time(&log, log.cuts(0.9)?.test, None, false);
        let reads = log.reads.iter().map(Vec::len).sum::<usize>();
        println!(
            "seed {seed}: {} events, {reads} shown, {} users asked",
            log.len(),
            test.cases.len()
        );
        let mut first: Vec<[f64; 2]> = Vec::new();
        for weight in numbers("WEIGHTS", "0,0.1,0.3,1")? {
            let mut config = TrainConfig::load(&config)?;
            config.run.seed = seed;
            config.run.budget.steps = numbers("STEPS", "300")?[0] as u64;
            config.objective.read_weight = weight;
            let dir = tempfile::tempdir()?;
            let protocol = Protocol::Time { quantile: 0.9 };
            let done =
                train(&config, &log, protocol, None, &paths(dir.path()), &Control::default())?;
            let files = Files::Folder(done.model.context("a run leaves a model")?);
            let mut alone = files.load_recommendation(&Device::Cpu)?;
            alone.blend = Blend { rules: alone.blend.rules, ..Blend::default() };
            let mixed = Outcome::of_model(&test, files.load_recommender()?.as_ref())?;
            let alone = Outcome::of_model(&test, &Recommender::new(alone)?)?;
            let users: Vec<[f64; 2]> = (mixed.scores.iter().zip(&alone.scores))
                .map(|(mixed, alone)| [mixed.ndcg, alone.ndcg])
                .collect();
            if first.is_empty() {
                first.clone_from(&users);
            }
            for (place, name) in ["mixture", "transformer"].into_iter().enumerate() {
                let count = users.len() as f64;
                let mean = users.iter().map(|user| user[place]).sum::<f64>() / count;
                let differences: Vec<f64> = users
                    .iter()
                    .zip(&first)
                    .map(|(now, first)| now[place] - first[place])
                    .collect();
                let more = differences.iter().sum::<f64>() / count;
                let squares = differences.iter().map(|one| (one - more).powi(2)).sum::<f64>();
                let error = squares.sqrt() / count;
                println!("weight {weight}, {name}: {mean:.4}, {more:+.4} ± {error:.4}");
            }
        }
    }
    Ok(())
}
