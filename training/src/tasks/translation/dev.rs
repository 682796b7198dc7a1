//! Translates the development sets, to choose the best weights.

use std::{path::Path, time::Instant};

use super::{DevConfig, DevSet, TranslationTask};
use crate::{
    Error, Result,
    control::Control,
    evaluate::{Evaluation as Scores, LanguagePair, TestSet, TranslationScores, score_translations},
    report::log::Dev,
    task::Evaluation,
};

/// Reads the development sets of all `directions`; paths start from `base`.
pub(super) fn load(
    config: &DevConfig,
    base: &Path,
    directions: &[(String, String)],
) -> Result<Vec<TestSet>> {
    let mut sets = Vec::new();
    for set in &config.sets {
        let mut found = false;
        for (source, target) in directions {
            let pair = LanguagePair { source: source.clone(), target: target.clone() };
            if let Some(mut read) = load_direction(set, base, &pair)? {
                thin(&mut read, set.sentences);
                sets.push(read);
                found = true;
            }
        }
        if !found {
            let path = set.pairs.as_ref().or(set.folder.as_ref()).cloned().unwrap_or_default();
            let reason = "the development set has no file for any direction of the run".into();
            return Err(Error::TestSet { path: base.join(path), reason });
        }
    }
    Ok(sets)
}

/// Reads one set in one direction; none if it has no file for it.
fn load_direction(set: &DevSet, base: &Path, pair: &LanguagePair) -> Result<Option<TestSet>> {
    if let Some(folder) = &set.folder {
        let folder = base.join(folder);
        let has = |language: &str| folder.join(format!("{language}.txt")).exists();
        return match has(&pair.source) && has(&pair.target) {
            true => TestSet::load_folder(&set.name, &folder, pair).map(Some),
            false => Ok(None),
        };
    }
    let Some(pattern) = &set.pairs else { return Ok(None) };
    let path = |pair: &LanguagePair| base.join(pattern.replace("{pair}", &pair.to_string()));
    let (straight, reversed) = (path(pair), path(&pair.reversed()));
    if straight.exists() {
        TestSet::load_tsv(&set.name, &straight, pair).map(Some)
    } else if reversed.exists() {
        Ok(Some(TestSet::load_tsv(&set.name, &reversed, &pair.reversed())?.reversed()))
    } else {
        Ok(None)
    }
}

/// Keeps `sentences` pairs, evenly spread over the set: files are often sorted.
fn thin(set: &mut TestSet, sentences: usize) {
    let all = set.sources.len();
    if sentences == 0 || sentences >= all {
        return;
    }
    let keep = |texts: &mut Vec<String>| {
        let kept = (0..sentences).map(|i| texts[i * all / sentences].clone());
        *texts = kept.collect();
    };
    keep(&mut set.sources);
    keep(&mut set.references);
}

/// Translates every set greedily and scores it; none without sets, or when `control` says stop.
pub(super) fn evaluate(task: &TranslationTask, control: &Control) -> Result<Option<Evaluation>> {
    if task.dev.is_empty() {
        return Ok(None);
    }
    let mut rows: Vec<TranslationScores> = Vec::new();
    let mut samples = Vec::new();
    for set in &task.dev {
        if control.is_stopped() {
            return Ok(None);
        }
        let started = Instant::now();
        let hypotheses = task.translate(&set.sources, &set.pair)?;
        let seconds = started.elapsed().as_secs_f64();
        let scores =
            score_translations(&set.pair, &hypotheses, &set.references, &set.sources, seconds)?;
        rows.push(TranslationScores { test_set: set.name.clone(), ..scores });
        if let (Some(source), Some(hypothesis)) = (set.sources.first(), hypotheses.first()) {
            samples.push(format!("{}: {source} → {hypothesis}", set.pair));
        }
    }
    let scores = Scores { rows };
    let dev = Dev::from_evaluation(0, 0.0, &scores);
    Ok(Some(Evaluation {
        score: scores.mean_chrf_plus_plus(),
        chosen_by: dev.chosen_by,
        rows: dev.rows,
        samples,
    }))
}
