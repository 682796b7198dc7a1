//! Tells the texts of a domain from others: a linear model over hashed words and parts of words.
//!
//! Each domain expert may carry one, trained when it was added (one against the rest). It is light:
//! some thousand numbers, and a sum over the features of a text. Features are words, pairs of
//! words, and runs of three to five characters within a word, in lower case, each hashed into a
//! bucket (Weinberger et al. 2009); a text's feature vector has length one.

use crate::{
    Result,
    params::{Builder, Init, Param},
};

/// Buckets of a new detector.
pub const BUCKETS: usize = 8192;

/// Lengths of the runs of characters, the marks around a word included.
const RUNS: std::ops::RangeInclusive<usize> = 3..=5;

/// Words of a text that are looked at.
const MAX_WORDS: usize = 2000;

/// A model of one domain.
#[derive(Debug, Clone)]
pub struct DomainDetector {
    name: String,
    /// A weight for each bucket, and at last the bias.
    weight: Param,
}

impl DomainDetector {
    /// Creates the detector of the expert called `name`, with `buckets + 1` weights named `weight`.
    pub fn new(name: &str, buckets: usize, vb: &Builder<'_>) -> Result<Self> {
        Ok(Self { name: name.into(), weight: vb.get(buckets + 1, "weight", Init::Zeros)? })
    }

    /// Name of the expert.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The probability that `text` is of the domain.
    pub fn probability(&self, text: &str) -> Result<f32> {
        self.weight.with_value(|weights| probability(weights, &features(text, weights.len() - 1)))
    }
}

/// The probability that weights (one for each bucket, and the bias) give to these features.
pub fn probability(weights: &[f32], features: &[(usize, f32)]) -> f32 {
    let bias = weights.last().copied().unwrap_or_default();
    let logit = bias + features.iter().map(|&(bucket, value)| weights[bucket] * value).sum::<f32>();
    1.0 / (1.0 + (-logit).exp())
}

/// The features of `text` by bucket, sorted, as a vector of length one.
pub fn features(text: &str, buckets: usize) -> Vec<(usize, f32)> {
    let mut found: Vec<usize> = Vec::new();
    let mut add = |kind: u8, parts: &[&str]| {
        let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
        found.push((fnv(std::iter::once(kind).chain(bytes)) % buckets as u64) as usize);
    };
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric() && c != '_');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).take(MAX_WORDS).collect();
    for (i, word) in words.iter().enumerate() {
        add(b'w', &[word]);
        if let Some(next) = words.get(i + 1) {
            add(b'p', &[word, next]);
        }
        let marked: Vec<char> = format!("<{word}>").chars().collect();
        for length in RUNS {
            for run in marked.windows(length) {
                let run: String = run.iter().collect();
                add(b'c', &[&run]);
            }
        }
    }
    found.sort_unstable();
    let mut features: Vec<(usize, f32)> = Vec::new();
    for bucket in found {
        match features.last_mut() {
            Some((last, count)) if *last == bucket => *count += 1.0,
            _ => features.push((bucket, 1.0)),
        }
    }
    let length = features.iter().map(|(_, count)| count * count).sum::<f32>().sqrt().max(1e-9);
    features.iter_mut().for_each(|(_, count)| *count /= length);
    features
}

/// FNV-1a, 64 bits: the same on every machine and in every version.
fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_have_length_one_and_never_change() {
        let found = features("Open the file, open the File!", 4096);
        let squares: f32 = found.iter().map(|(_, value)| value * value).sum();
        assert!((squares - 1.0).abs() < 1e-5);
        assert_eq!(found, features("open THE file open the file", 4096));
        assert_eq!(fnv(b"abc".iter().copied()), 0xe71f_a219_0541_574b);
        assert!(features(" … ", 4096).is_empty());
    }

    #[test]
    fn weights_make_a_probability() {
        let weights = [2.0, 0.0, -1.0];
        assert!((probability(&weights, &[(0, 0.5)]) - 0.5).abs() < 1e-6);
        assert!(probability(&weights, &[(0, 1.0)]) > 0.7);
    }
}
