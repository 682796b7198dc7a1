//! Finds texts that are like a text.
//!
//! A text is known by its words, and a short one by its trigrams as well. The rarest of those that a
//! text has lead to the texts that share them; the ones that share most are compared letter by
//! letter. How much is looked at is bounded, so an answer takes as long in a large memory as in one
//! of middling size.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, DefaultHasher, Hasher},
};

use rapidfuzz::distance::levenshtein;

/// What a text is known by.
pub(super) type Hash = [u8; 16];

/// Places that are looked at for one text at most.
const MAX_PLACES: usize = 20_000;

/// Texts that are compared at most.
const MAX_COMPARED: usize = 48;

/// Words of a short text at most.
const SHORT: usize = 4;

/// Which texts have which features.
#[derive(Debug, Default)]
pub(crate) struct Index {
    texts: Vec<(Hash, u32)>,
    places: HashMap<u32, Vec<u32>, BuildHasherDefault<Same>>,
}

/// The features are hashes already.
#[derive(Debug, Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u32(&mut self, feature: u32) {
        self.0 = u64::from(feature).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// Adds a text that is not there yet.
    pub(super) fn add(&mut self, hash: Hash, text: &str) {
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push((hash, u32::try_from(text.chars().count()).unwrap_or(u32::MAX)));
        for feature in features(text) {
            self.places.entry(feature).or_default().push(number);
        }
    }

    /// The texts that may be like `text` by `threshold` percent, those that share most first.
    pub(super) fn candidates(&self, text: &str, threshold: u8) -> Vec<Hash> {
        let mut lists: Vec<&Vec<u32>> =
            features(text).iter().filter_map(|feature| self.places.get(feature)).collect();
        lists.sort_by_key(|list| list.len());
        let mut shared: HashMap<u32, u32, BuildHasherDefault<Same>> = HashMap::default();
        let mut left = MAX_PLACES;
        for list in lists {
            // Of a word that is everywhere the newest places, and only while there is room.
            let newest = &list[list.len() - list.len().min(left)..];
            for &number in newest {
                *shared.entry(number).or_default() += 1;
            }
            left -= newest.len();
            if left == 0 {
                break;
            }
        }
        let length = text.chars().count();
        let can_reach = |number: u32| {
            let other = self.texts[number as usize].1 as usize;
            100 * length.min(other) >= usize::from(threshold) * length.max(other)
        };
        let mut found: Vec<(u32, u32, u32)> = shared
            .into_iter()
            .filter(|(number, _)| can_reach(*number))
            .map(|(number, count)| {
                let other = self.texts[number as usize].1;
                (
                    u32::MAX - count,
                    other.abs_diff(u32::try_from(length).unwrap_or(u32::MAX)),
                    number,
                )
            })
            .collect();
        if found.len() > MAX_COMPARED {
            found.select_nth_unstable(MAX_COMPARED);
            found.truncate(MAX_COMPARED);
        }
        found.sort_unstable();
        found.into_iter().map(|(_, _, number)| self.texts[number as usize].0).collect()
    }
}

/// What a text has: each feature once.
fn features(text: &str) -> BTreeSet<u32> {
    let lower = text.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut features: BTreeSet<u32> = words.iter().map(feature).collect();
    if words.len() <= SHORT {
        let padded: Vec<char> = format!(" {} ", words.join(" ")).chars().collect();
        let trigrams = padded.windows(3).map(feature);
        features.extend(trigrams);
    }
    features
}

fn feature(part: impl std::hash::Hash) -> u32 {
    let mut hasher = DefaultHasher::new();
    part.hash(&mut hasher);
    hasher.finish() as u32
}

/// Compares texts with one text.
pub(super) struct Scorer {
    letters: usize,
    comparator: levenshtein::BatchComparator<char>,
}

impl Scorer {
    pub(super) fn new(text: &str) -> Self {
        let comparator = levenshtein::BatchComparator::new(text.chars());
        Self { letters: text.chars().count(), comparator }
    }

    /// How much of `other` is the same, in percent, if that is `threshold` or more. All of it is only
    /// what is the same letter by letter.
    pub(super) fn score(&self, other: &str, threshold: u8) -> Option<u8> {
        let longest = self.letters.max(other.chars().count());
        if longest == 0 {
            return None;
        }
        let cutoff = longest * usize::from(100 - threshold.min(100)) / 100;
        let args = levenshtein::Args::default().score_cutoff(cutoff);
        let distance = self.comparator.distance_with_args(other.chars(), &args)?;
        let same = 100 * (longest - distance) / longest;
        u8::try_from(same).ok().filter(|score| *score >= threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_what_looking_at_all_would_find() {
        // Sentences of a small grammar, so that many are alike.
        let nouns = ["contract", "house", "printer", "invoice", "report", "window"];
        let verbs = ["ends", "begins", "fails", "is late", "is ready"];
        let mut texts = Vec::new();
        for a in nouns {
            for b in nouns {
                for verb in verbs {
                    texts.push(format!("The {a} of the {b} {verb} on day {}.", texts.len()));
                }
            }
        }
        let mut index = Index::default();
        for (number, text) in texts.iter().enumerate() {
            let mut hash = Hash::default();
            hash[..8].copy_from_slice(&(number as u64).to_be_bytes());
            index.add(hash, text);
        }
        for query in ["The contract of the house ends on day 9.", "The reports of the window fail."]
        {
            let scorer = Scorer::new(query);
            let best = texts.iter().filter_map(|text| scorer.score(text, 60)).max();
            let of = |hash: &Hash| {
                let number: [u8; 8] = hash[..8].try_into().expect("eight bytes");
                scorer.score(&texts[u64::from_be_bytes(number) as usize], 60)
            };
            let found = index.candidates(query, 60).iter().filter_map(of).max();
            assert_eq!(found, best, "{query}");
        }
    }

    #[test]
    fn nothing_is_like_nothing() {
        let mut index = Index::default();
        index.add([1; 16], "...");
        assert!(index.candidates("", 0).is_empty());
        assert!(index.candidates("...", 100).is_empty());
        assert_eq!(Scorer::new("abc").score("abd", 0), Some(66));
        assert_eq!(Scorer::new("abc").score("abd", 67), None);
    }
}
