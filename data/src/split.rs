//! Divides sentences into train, dev and test by a stable hash of the source.
//!
//! A sentence falls into the same part wherever and whenever it is met: in another corpus, in a
//! later version, with another translation.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The part of a corpus that a sentence belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// For learning.
    Train,
    /// For choosing checkpoints.
    Dev,
    /// For the final figures.
    Test,
}

/// How large the parts are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Split {
    /// Share of dev, from 0 to 1.
    pub dev: f64,
    /// Share of test, from 0 to 1.
    pub test: f64,
}

impl Default for Split {
    fn default() -> Self {
        Self { dev: 0.01, test: 0.01 }
    }
}

impl Split {
    /// The part that the sentence `source` belongs to.
    pub fn part(&self, source: &str) -> Part {
        let place = stable_hash(&[source]) as f64 / u64::MAX as f64;
        match place {
            place if place < self.dev => Part::Dev,
            place if place < self.dev + self.test => Part::Test,
            _ => Part::Train,
        }
    }
}

/// A hash that is the same on every machine and in every version: the first eight bytes of the
/// SHA-256 of the parts, each followed by a zero byte.
pub fn stable_hash(parts: &[&str]) -> u64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
        hasher.update([0]);
    }
    let digest = hasher.finalize();
    digest.iter().take(8).fold(0, |hash, &byte| hash << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        // printf 'good\0morning\0' | sha256sum | head -c 16
        assert_eq!(format!("{:016x}", stable_hash(&["good", "morning"])), "d44dc3c8a97c49be");
    }

    #[test]
    fn the_parts_have_about_the_sizes_asked_for() {
        let split = Split { dev: 0.1, test: 0.2 };
        let sentences: Vec<String> = (0..10_000).map(|i| format!("Sentence {i}.")).collect();
        let count = |part| sentences.iter().filter(|text| split.part(text) == part).count();
        assert!((900..1100).contains(&count(Part::Dev)), "{}", count(Part::Dev));
        assert!((1850..2150).contains(&count(Part::Test)), "{}", count(Part::Test));
    }
}
