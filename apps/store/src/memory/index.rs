//! Finds texts that are like a text.
//!
//! A text is known by its words, and a short one by its trigrams as well. The rarest of those that a
//! text has lead to the texts that share them. How often these have which letters says how alike they
//! can be at most, and only the best of them are read and compared letter by letter. How much is looked
//! at is bounded, so an answer takes as long in a large memory as in one of middling size.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, DefaultHasher, Hasher},
    time::Instant,
};

use rapidfuzz::distance::levenshtein;

/// What a text is known by.
pub(super) type Hash = [u8; 16];

/// Places that are looked at for one text at most.
const MAX_PLACES: usize = 20_000;

/// Texts of which is looked up how alike they can be, at most.
const MAX_BOUNDED: usize = 2000;

/// Texts that are compared at most.
const MAX_COMPARED: usize = 48;

/// Words of a short text at most.
const SHORT: usize = 4;

/// Which texts have which features.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Up to where the log of changes is in it, and when that was read.
    pub(super) followed: Option<(i64, Instant)>,
    texts: Vec<Text>,
    places: HashMap<u32, Vec<u32>, BuildHasherDefault<Same>>,
}

/// What is known of a text without reading it.
#[derive(Debug)]
struct Text {
    hash: Hash,
    letters: u32,
    bag: Bag,
}

/// A text that may be like another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    /// How alike it can be at most, in percent.
    pub(super) bound: u8,
    /// What it is known by.
    pub(super) hash: Hash,
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
        let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        self.texts.push(Text { hash, letters, bag: Bag::of(text) });
        for feature in features(text) {
            self.places.entry(feature).or_default().push(number);
        }
    }

    /// The texts that may be like `text` by `threshold` percent, those that can be most alike first.
    pub(super) fn candidates(&self, text: &str, threshold: u8) -> Vec<Candidate> {
        let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let bag = Bag::of(text);
        let candidate = |number: u32| {
            let other = &self.texts[number as usize];
            let longest = letters.max(other.letters);
            let differs = letters.abs_diff(other.letters).max(bag.distance(&other.bag));
            let same = 100 * u64::from(longest.saturating_sub(differs)) / u64::from(longest.max(1));
            let bound = u8::try_from(same).unwrap_or(100);
            (bound >= threshold).then_some(Candidate { bound, hash: other.hash })
        };
        let mut found: Vec<Candidate> =
            self.sharing(text).into_iter().filter_map(candidate).collect();
        // Stable: of two that can be equally alike, the one that shares more comes first.
        found.sort_by_key(|candidate| std::cmp::Reverse(candidate.bound));
        found.truncate(MAX_COMPARED);
        found
    }

    /// The numbers of the texts that share most with `text`, best first; what is shared counts by its
    /// rarity.
    fn sharing(&self, text: &str) -> Vec<u32> {
        let mut lists: Vec<&Vec<u32>> =
            features(text).iter().filter_map(|feature| self.places.get(feature)).collect();
        lists.sort_by_key(|list| list.len());
        let mut shared: Vec<(u32, u32)> = Vec::new();
        for list in lists {
            // Of a word that is everywhere the newest places, and only while there is room.
            let left = MAX_PLACES - shared.len();
            let weight = 1 + (self.texts.len() / list.len().max(1)).ilog2();
            shared.extend(list[list.len() - list.len().min(left)..].iter().map(|&at| (at, weight)));
        }
        shared.sort_unstable();
        let mut summed: Vec<(u32, u32)> = shared
            .chunk_by(|a, b| a.0 == b.0)
            .map(|same| (same.iter().map(|(_, weight)| weight).sum(), same[0].0))
            .collect();
        let best = |one: &(u32, u32), other: &(u32, u32)| other.cmp(one);
        if summed.len() > MAX_BOUNDED {
            summed.select_nth_unstable_by(MAX_BOUNDED, best);
            summed.truncate(MAX_BOUNDED);
        }
        summed.sort_unstable_by(best);
        summed.into_iter().map(|(_, number)| number).collect()
    }
}

/// How often a text has letters of each of 32 kinds, up to 15 times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bag(u128);

impl Bag {
    fn of(text: &str) -> Self {
        let mut counts = [0u8; 32];
        for c in text.chars() {
            // Capitals and small letters of ASCII are of one kind.
            let count = &mut counts[c as usize % 32];
            *count = (*count + 1).min(15);
        }
        Self(counts.iter().fold(0, |bag, count| bag << 4 | u128::from(*count)))
    }

    /// A number of edits that two texts with these letters need at least.
    fn distance(&self, other: &Self) -> u32 {
        let (mut more, mut fewer) = (0, 0);
        let (mut own, mut others) = (self.0, other.0);
        for _ in 0..32 {
            let (a, b) = ((own & 15) as u32, (others & 15) as u32);
            more += a.saturating_sub(b);
            fewer += b.saturating_sub(a);
            (own, others) = (own >> 4, others >> 4);
        }
        more.max(fewer)
    }
}

/// What a text has: each feature once.
fn features(text: &str) -> Vec<u32> {
    let lower = text.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut features: Vec<u32> = words.iter().map(feature).collect();
    if words.len() <= SHORT {
        let padded: Vec<char> = format!(" {} ", words.join(" ")).chars().collect();
        features.extend(padded.windows(3).map(feature));
    }
    features.sort_unstable();
    features.dedup();
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
    use proptest::prelude::*;

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
            let of = |candidate: &Candidate| {
                let number: [u8; 8] = candidate.hash[..8].try_into().expect("eight bytes");
                let score = scorer.score(&texts[u64::from_be_bytes(number) as usize], 60)?;
                assert!(score <= candidate.bound);
                Some(score)
            };
            let found = index.candidates(query, 60).iter().filter_map(of).max();
            assert_eq!(found, best, "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_more_alike_than_its_bound(one in "[a-e A-E字é]{1,40}", other in "\\PC{1,40}|[a-e A-E字é]{1,40}") {
            let distance = levenshtein::distance(one.chars(), other.chars());
            prop_assert!(Bag::of(&one).distance(&Bag::of(&other)) as usize <= distance);
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
