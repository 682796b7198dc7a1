//! Fits the estimate of quality that a model has to sentences with references.

use std::collections::BTreeMap;

use dragoman_core::{
    quality::{Calibration, Estimate, Signals},
    translate::{Translate, TranslationJob},
};

use crate::{
    Error, Result,
    evaluate::TestSet,
    experts::general_set,
    metrics::{
        Chrf,
        correlation::{pearson, spearman},
    },
    translation::{DevConfig, DevSet, load_test_sets},
};

/// Sentences that are translated together.
const TOGETHER: usize = 64;
/// Sentences of a direction that an estimate is fitted to, at the least.
const MIN_SENTENCES: usize = 40;

/// How good the estimate of a direction is on sentences that it was not fitted to.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// The direction, such as `en-de`.
    pub direction: String,
    /// Sentences in all.
    pub sentences: usize,
    /// Correlation of estimate and chrF++ of a sentence.
    pub pearson: f64,
    /// The same of their ranks.
    pub spearman: f64,
    /// Mean chrF++ of the sentences that were held out.
    pub score: f64,
    /// Mean of their estimates.
    pub estimate: f64,
}

/// Loads the sets `dev`, files with `{pair}` or folders with a file for each language, for these
/// directions, at most `sentences` of each.
///
/// # Errors
/// Fails when a file cannot be read, or none is of these directions.
pub fn load_sets(
    dev: &[String],
    directions: &[(String, String)],
    sentences: usize,
) -> Result<Vec<TestSet>> {
    let set = |path: &String| DevSet { sentences, ..general_set(path) };
    let config = DevConfig { sets: dev.iter().map(set).collect() };
    load_test_sets(&config, "".as_ref(), directions)
}

/// Translates `sets` with `model` and fits an estimate for each of their directions, in place of that
/// in `old`. Every other sentence is held out to measure it; what is kept is fitted to all.
///
/// # Errors
/// Fails when a set cannot be translated, or has too few sentences.
pub fn calibrate(
    model: &impl Translate,
    sets: &[TestSet],
    old: Calibration,
) -> Result<(Calibration, Vec<Calibrated>)> {
    let mut cases: BTreeMap<String, Vec<(Signals, f64)>> = BTreeMap::new();
    for set in sets {
        cases.entry(set.pair.to_string()).or_default().extend(observe(model, set)?);
    }
    let (mut calibration, mut found) = (old, Vec::new());
    for (direction, cases) in cases {
        if cases.len() < MIN_SENTENCES {
            return Err(Error::Translate(format!(
                "{direction} has {} sentences, and an estimate needs {MIN_SENTENCES}",
                cases.len()
            )));
        }
        let part = |first| cases.iter().skip(first).step_by(2).copied().collect::<Vec<_>>();
        let (learned, held_out) = (part(0), part(1));
        let estimate = Estimate::fit(&learned);
        let estimates: Vec<f64> = held_out.iter().map(|(s, _)| f64::from(estimate.of(s))).collect();
        let scores: Vec<f64> = held_out.iter().map(|(_, score)| *score).collect();
        let mean = |xs: &[f64]| xs.iter().sum::<f64>() / xs.len() as f64;
        found.push(Calibrated {
            direction: direction.clone(),
            sentences: cases.len(),
            pearson: pearson(&estimates, &scores),
            spearman: spearman(&estimates, &scores),
            score: mean(&scores),
            estimate: mean(&estimates),
        });
        calibration.directions.insert(direction, Estimate::fit(&cases));
    }
    Ok((calibration, found))
}

/// What the model knows of each sentence, and its chrF++; those that no model translates are left
/// out.
fn observe(model: &impl Translate, set: &TestSet) -> Result<Vec<(Signals, f64)>> {
    let mut cases = Vec::new();
    let chunks = set.sources.chunks(TOGETHER).zip(set.references.chunks(TOGETHER));
    for (sources, references) in chunks {
        let job = |text: &String| TranslationJob {
            source: set.pair.source.clone(),
            target: set.pair.target.clone(),
            domains: Vec::new(),
            text: text.clone(),
            num_hypotheses: 1,
            trace: false,
            wanted: Default::default(),
        };
        let jobs: Vec<TranslationJob> = sources.iter().map(job).collect();
        for (found, reference) in model.translate(&jobs)?.iter().zip(references) {
            let best = &found.hypotheses[0];
            let score = Chrf::plus_plus().sentence_score(&best.text, reference);
            cases.extend(best.signals.map(|signals| (signals, score)));
        }
    }
    Ok(cases)
}
