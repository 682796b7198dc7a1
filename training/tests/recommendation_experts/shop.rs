//! A generated shop, and a model that has learned a little of it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context, Result};
use dragoman_core::{
    directory::Files,
    recommend::{Query, Ranking},
    register::Register,
};
use dragoman_data::{
    interactions::Interactions,
    shop::{Shop, ShopConfig},
};
use dragoman_training::{
    control::Control,
    tasks::recommendation::{Protocol, RunPaths, TrainConfig, train},
};

pub(super) fn log() -> Interactions {
    let Shop { log, .. } = ShopConfig { items: 60, users: 120, ..ShopConfig::default() }.generate();
    log
}

/// A model that has learned a little of the shop, and knows nothing of one of its things.
fn trained() -> Result<&'static (tempfile::TempDir, PathBuf)> {
    static MODEL: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    if let Some(model) = MODEL.get() {
        return Ok(model);
    }
    let dir = tempfile::tempdir()?;
    let mut config = TrainConfig { batch_users: 16, choose_scorers: false, ..Default::default() };
    (config.model.d_model, config.model.d_ff, config.model.max_history) = (16, 32, 24);
    config.segments.d_ff = 8;
    config.run.budget.steps = 60;
    config.run.evaluate.steps = 30;
    config.run.optimizer.learning_rate = 1e-2;
    let mut log = log();
    let last = log.items.len() as u32 - 1;
    log.items.pop();
    log.histories.iter_mut().for_each(|history| history.retain(|event| event.item != last));
    let paths = RunPaths { out: dir.path().join("run"), quiet: true };
    let done = train(&config, &log, Protocol::LeaveOneOut, None, &paths, &Control::default())?;
    let model = done.model.context("a model was written")?;
    Ok(MODEL.get_or_init(|| (dir, model)))
}

/// A copy of the model, to change.
pub(super) fn copy(to: &Path) -> Result<PathBuf> {
    let model = to.join("model");
    fs_err::create_dir_all(model.join("experts"))?;
    for (path, content) in files(&trained()?.1)? {
        fs_err::write(model.join(path), content)?;
    }
    Ok(model)
}

/// Every file of a model by its place in the folder.
pub(super) fn files(model: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for folder in [model.to_path_buf(), model.join("experts")] {
        for entry in fs_err::read_dir(folder)? {
            let path = entry?.path();
            if path.is_file() && path.file_name().is_none_or(|name| name != ".lock") {
                files.insert(path.strip_prefix(model)?.to_path_buf(), fs_err::read(&path)?);
            }
        }
    }
    Ok(files)
}

pub(super) fn register(model: &Path) -> Result<Register> {
    Ok(Files::Folder(model.into()).register()?)
}

/// What the model ranks for every user, with how many of the user's events it knows.
pub(super) fn rankings(model: &Path) -> Result<Vec<(usize, Ranking)>> {
    let recommender = Files::Folder(model.into()).load_recommender()?;
    let log = log();
    let num_items = recommender.items().len();
    let popularity = vec![0.0; num_items];
    let known: Vec<Vec<_>> = (log.histories.iter())
        .map(|history| history.iter().filter(|e| (e.item as usize) < num_items).copied().collect())
        .collect();
    let query =
        |history| Query { history, labels: &[], now: 2_000_000_000, popularity: &popularity };
    let queries: Vec<Query<'_>> = known.iter().map(|history| query(history)).collect();
    let rankings = recommender.rank(&queries)?;
    Ok(known.iter().map(Vec::len).zip(rankings).collect())
}
