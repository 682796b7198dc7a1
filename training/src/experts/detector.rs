//! Trains what tells the texts of a domain from others: logistic regression, one against the rest.

use candle::{Device, Tensor};
use dragoman_core::{
    detector::{BUCKETS, features, probability},
    register::ExpertEntry,
};
use dragoman_data::{shuffle::Shuffle, split::stable_hash};
use rayon::prelude::*;

use super::{request::AddRequest, scores};
use crate::{
    Result,
    checkpoint::Tensors,
    translation::{DevConfig, DevSet, load_test_sets},
};

/// Name of a detector's weights in the file of its expert.
pub(super) const DETECTOR: &str = "detector.weight";

/// Texts of each kind at most.
const TEXTS: usize = 20_000;
/// Texts of each kind at the least.
const MIN_TEXTS: usize = 30;
const EPOCHS: u64 = 5;
const RATE: f32 = 4.0;
/// Keeps weights of rare features small.
const DECAY: f32 = 1e-5;

/// Weights of a detector, and how good they are on texts that they have not seen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Learned {
    /// A weight for each bucket, and the bias.
    pub(super) weights: Vec<f32>,
    /// Share of the domain's texts that are found.
    pub(super) recall: f64,
    /// Share of other texts that are taken for the domain's.
    pub(super) false_alarms: f64,
}

type Features = Vec<(usize, f32)>;

/// Adds a detector of the texts `sources` to an expert, if the request names others and there are
/// enough of both.
pub(super) fn add(
    request: &AddRequest,
    directions: &[(String, String)],
    sources: &[String],
    (entry, tensors): (&mut ExpertEntry, &mut Tensors),
) -> Result<()> {
    let set = |path: &String| DevSet { sentences: 0, ..scores::general_set(path) };
    let config = DevConfig { sets: request.general.iter().map(set).collect() };
    let sets = load_test_sets(&config, "".as_ref(), directions)?;
    let other: Vec<String> = sets.into_iter().flat_map(|set| set.sources).collect();
    let Some(learned) = learn(sources, &other, request.seed) else { return Ok(()) };
    entry.detector = Some(BUCKETS);
    entry.metrics.insert("detector recall".into(), learned.recall);
    entry.metrics.insert("detector false alarms".into(), learned.false_alarms);
    let weights = Tensor::from_vec(learned.weights, BUCKETS + 1, &Device::Cpu)?;
    tensors.insert(DETECTOR.into(), weights);
    Ok(())
}

/// Learns to tell `domain` from `other`; none if there are too few of either.
pub(super) fn learn(domain: &[String], other: &[String], seed: u64) -> Option<Learned> {
    let [(train, test), (other_train, other_test)] = [domain, other].map(divided);
    if [&train, &test, &other_train, &other_test].iter().any(|texts| texts.len() * 10 < MIN_TEXTS) {
        return None;
    }
    let kinds = [(1.0, train), (0.0, other_train)];
    let mut weights = vec![0.0; BUCKETS + 1];
    // Both kinds count the same, however many texts each has.
    let longest = kinds.iter().map(|(_, texts)| texts.len()).max().unwrap_or(0);
    for epoch in 0..EPOCHS {
        let orders = kinds.each_ref().map(|(_, t)| Shuffle::new(t.len() as u64, seed, epoch));
        let rate = RATE * (1.0 - epoch as f32 / EPOCHS as f32);
        for i in 0..longest {
            for ((label, texts), order) in kinds.iter().zip(&orders) {
                let text = &texts[order.get((i % texts.len()) as u64) as usize];
                update(&mut weights, text, *label, rate);
            }
        }
    }
    let found = |texts: &[Features]| {
        let hits = texts.iter().filter(|text| probability(&weights, text) > 0.5).count();
        hits as f64 / texts.len() as f64
    };
    let (recall, false_alarms) = (found(&test), found(&other_test));
    Some(Learned { weights, recall, false_alarms })
}

/// Features of some of `texts`, to learn from and to test on.
fn divided(texts: &[String]) -> (Vec<Features>, Vec<Features>) {
    let every = texts.len().div_ceil(TEXTS).max(1);
    let texts: Vec<&String> = texts.iter().step_by(every).collect();
    let features: Vec<(bool, Features)> = (texts.par_iter())
        .map(|text| (stable_hash(&[text]).is_multiple_of(10), features(text, BUCKETS)))
        .filter(|(_, features)| !features.is_empty())
        .collect();
    let (test, train): (Vec<_>, Vec<_>) = features.into_iter().partition(|(is_test, _)| *is_test);
    let plain = |part: Vec<(bool, Features)>| part.into_iter().map(|(_, f)| f).collect();
    (plain(train), plain(test))
}

fn update(weights: &mut [f32], text: &Features, label: f32, rate: f32) {
    let error = label - probability(weights, text);
    for &(bucket, value) in text {
        weights[bucket] += rate * (error * value - DECAY * weights[bucket]);
    }
    if let Some(bias) = weights.last_mut() {
        *bias += 0.1 * rate * error;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_told_from_other_texts() {
        let texts = |words: &[&str]| -> Vec<String> {
            let word = |i: usize| words[i * 7 % words.len()];
            (0..400).map(|i| format!("the {} of a {} {i}", word(i), word(i / 3 + 1))).collect()
        };
        let domain = texts(&["kernel", "module", "cursor", "socket", "buffer"]);
        let other = texts(&["garden", "kitchen", "mother", "weather", "holiday"]);
        let learned = learn(&domain, &other, 1).expect("there are enough");
        assert!(learned.recall > 0.95 && learned.false_alarms < 0.05, "{learned:?}");
        assert_eq!(learn(&domain, &other, 1).expect("as before"), learned, "same seed, same bits");
        assert_eq!(learn(&domain[..5], &other, 1), None);
    }
}
