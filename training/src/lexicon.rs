//! Makes the lexicon of a model: what words become, counted in sentence pairs.
//!
//! Words are aligned in both directions, and what both agree on is counted; see
//! [`dragoman_core::lexicon`] for what it is used for.

mod align;

use std::collections::{BTreeMap, HashMap};

use dragoman_core::lexicon::{Entries, Entry, with_small_initial, words};

use align::align;

/// Words of a sentence at most: longer ones take the square of the time and are hard to align.
const LONGEST: usize = 80;

/// What of the counts is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LexiconConfig {
    /// Links between two words at least.
    pub min_count: u32,
    /// Probability of a translation at least.
    pub min_probability: f32,
    /// Words that are more than one in so many count as common: the model knows them.
    pub rarer_than: usize,
    /// Translations of a word at most.
    pub max_forms: usize,
}

impl Default for LexiconConfig {
    fn default() -> Self {
        Self { min_count: 2, min_probability: 0.1, rarer_than: 10_000, max_forms: 4 }
    }
}

/// Gathers sentence pairs of two languages.
#[derive(Debug, Default)]
pub struct Counter {
    sides: [Side; 2],
    /// Pairs, and where their words end on each side.
    ends: Vec<[usize; 2]>,
}

/// One side of all pairs.
#[derive(Debug, Default)]
struct Side {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
    /// How often each word stands within a sentence, and how often at its beginning.
    within: Vec<u32>,
    first: Vec<u32>,
    /// The words of all sentences, one behind the other.
    tokens: Vec<u32>,
}

impl Counter {
    /// Adds a pair, unless it is too long or one side is much longer.
    pub fn add(&mut self, source: &str, target: &str) {
        let split = [source, target].map(|text| words(text).collect::<Vec<_>>());
        let lengths = [split[0].len(), split[1].len()];
        let (short, long) = (lengths[0].min(lengths[1]), lengths[0].max(lengths[1]));
        if short == 0 || long > LONGEST || 2 * long > 5 * short + 8 {
            return;
        }
        for (side, words) in self.sides.iter_mut().zip(&split) {
            side.add(words);
        }
        self.ends.push([0, 1].map(|i: usize| self.sides[i].tokens.len()));
    }

    /// Pairs that were added.
    pub fn pairs(&self) -> usize {
        self.ends.len()
    }

    /// What words of the first language become in the second, and the other way round.
    pub fn finish(mut self, config: &LexiconConfig) -> [Entries; 2] {
        for i in 0..2 {
            let begins =
                (0..self.ends.len()).map(|n| n.checked_sub(1).map_or(0, |n| self.ends[n][i]));
            let begins: Vec<usize> = begins.collect();
            self.sides[i].settle_initials(&begins);
        }
        let slices: Vec<(&[u32], &[u32])> = (0..self.ends.len()).map(|n| self.pair(n)).collect();
        let swapped: Vec<(&[u32], &[u32])> = slices.iter().map(|(a, b)| (*b, *a)).collect();
        let (there, back) = rayon::join(|| align(&slices), || align(&swapped));
        let mut links: HashMap<(u32, u32), u32> = HashMap::new();
        for ((source, target), (there, back)) in slices.iter().zip(there.iter().zip(&back)) {
            for (j, from) in there.iter().enumerate() {
                let Some(i) = from.map(usize::from) else { continue };
                if back[i] == Some(j as u16) {
                    *links.entry((source[i], target[j])).or_default() += 1;
                }
            }
        }
        let there = entries(
            links.iter().map(|(&(a, b), &n)| (a, b, n)),
            [0, 1].map(|i| &self.sides[i]),
            config,
        );
        let back = entries(
            links.iter().map(|(&(a, b), &n)| (b, a, n)),
            [1, 0].map(|i| &self.sides[i]),
            config,
        );
        [there, back]
    }

    fn pair(&self, n: usize) -> (&[u32], &[u32]) {
        let before = n.checked_sub(1).map_or([0, 0], |before| self.ends[before]);
        let of = |i: usize| &self.sides[i].tokens[before[i]..self.ends[n][i]];
        (of(0), of(1))
    }
}

impl Side {
    fn number(&mut self, word: &str) -> u32 {
        if let Some(&number) = self.numbers.get(word) {
            return number;
        }
        let number = self.names.len() as u32;
        self.numbers.insert(word.into(), number);
        self.names.push(word.into());
        self.within.push(0);
        self.first.push(0);
        number
    }

    fn add(&mut self, words: &[&str]) {
        for (place, word) in words.iter().enumerate() {
            let number = self.number(word);
            let counts = if place == 0 { &mut self.first } else { &mut self.within };
            counts[number as usize] += 1;
            self.tokens.push(number);
        }
    }

    /// Gives words at the beginning of a sentence a small initial where they mostly have one elsewhere.
    fn settle_initials(&mut self, begins: &[usize]) {
        for &at in begins {
            let word = self.tokens[at];
            let small = with_small_initial(&self.names[word as usize]);
            let Some(&number) = self.numbers.get(&small) else { continue };
            let within = |number: u32| self.within[number as usize];
            if number != word && within(number) > 0 && within(number) >= within(word) {
                self.tokens[at] = number;
                self.first[word as usize] -= 1;
                self.first[number as usize] += 1;
            }
        }
    }

    fn count(&self, number: u32) -> usize {
        (self.within[number as usize] + self.first[number as usize]) as usize
    }
}

/// The translations of every word, likeliest first.
fn entries(
    links: impl Iterator<Item = (u32, u32, u32)>,
    [source, target]: [&Side; 2],
    config: &LexiconConfig,
) -> Entries {
    let mut of: BTreeMap<u32, Vec<(u32, u32)>> = BTreeMap::new();
    for (word, form, count) in links {
        of.entry(word).or_default().push((form, count));
    }
    let mut found = Entries::new();
    for (word, mut forms) in of {
        let name = &source.names[word as usize];
        let is_common = source.count(word) * config.rarer_than > source.tokens.len();
        if !name.contains(char::is_alphabetic) {
            continue;
        }
        let all: u32 = forms.iter().map(|(_, count)| count).sum();
        forms.sort_by(|a, b| {
            b.1.cmp(&a.1).then(target.names[a.0 as usize].cmp(&target.names[b.0 as usize]))
        });
        let kept = forms.into_iter().filter_map(|(form, count)| {
            let (form, p) = (&target.names[form as usize], count as f32 / all as f32);
            let is_kept = count >= config.min_count && p >= config.min_probability;
            (is_kept && form.contains(char::is_alphabetic)).then(|| (form.clone(), p))
        });
        let kept: Vec<(String, f32)> = kept.take(config.max_forms).collect();
        if is_common || !kept.is_empty() {
            found.insert(name.clone(), Entry { is_common, forms: kept });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_both_directions_align_are_counted() {
        let mut counter = Counter::default();
        let pairs = [
            ("The dog sleeps.", "Der Hund schläft."),
            ("A dog eats.", "Ein Hund frisst."),
            ("The cat sleeps.", "Die Katze schläft."),
            ("Dogs sleep.", "Hunde schlafen."),
            ("My cat eats the fish.", "Meine Katze frisst den Fisch."),
        ];
        for _ in 0..4 {
            pairs.iter().for_each(|(source, target)| counter.add(source, target));
        }
        counter.add("One word", &"viele Wörter ".repeat(20));
        counter.add("", "nichts");
        assert_eq!(counter.pairs(), 20);
        let config = LexiconConfig { rarer_than: 1, ..LexiconConfig::default() };
        let [there, back] = counter.finish(&config);
        assert_eq!(there["dog"].forms[0].0, "Hund");
        assert_eq!(there["cat"].forms[0].0, "Katze");
        assert_eq!(back["frisst"].forms[0].0, "eats");
        assert!(!there.contains_key("word"));
    }

    #[test]
    fn common_words_are_marked_and_single_links_left_out() {
        let mut counter = Counter::default();
        (0..50).for_each(|_| counter.add("the sea", "das Meer"));
        counter.add("rare", "selten");
        let [there, _] =
            counter.finish(&LexiconConfig { rarer_than: 10, ..LexiconConfig::default() });
        assert_eq!(there.keys().collect::<Vec<_>>(), ["sea", "the"]);
        assert!(there.values().all(|entry| entry.is_common), "{there:?}");
    }
}
