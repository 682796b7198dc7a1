//! What is asked of the categories, labels and titles of the items.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::RangeInclusive,
    sync::Arc,
};

use super::{Entry, ItemIndex};

impl ItemIndex {
    /// The number of a category, if an item has it.
    pub(crate) fn category(&self, name: &str) -> Option<u32> {
        self.words.get(&format!("c:{name}"))
    }

    /// The number of a flattened label, if an item has it.
    pub(crate) fn label(&self, name: &str) -> Option<u32> {
        self.words.get(&format!("l:{name}"))
    }

    /// The numbers of the labels at `path` whose values are numbers in `range`.
    pub(crate) fn labels_within(&self, path: &str, range: RangeInclusive<f64>) -> HashSet<u32> {
        let is_within = |word: &str| {
            let value = word.strip_prefix("l:").and_then(|word| word.strip_prefix(path));
            let value = value.and_then(|rest| rest.strip_prefix(':'));
            value.and_then(|value| value.parse().ok()).is_some_and(|value| range.contains(&value))
        };
        let numbers = 0..u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        numbers.filter(|&number| is_within(self.words.name(number))).collect()
    }

    /// The flattened label with this number.
    pub(crate) fn label_text(&self, number: u32) -> &str {
        let word = self.words.name(number);
        word.strip_prefix("l:").unwrap_or(word)
    }

    /// Categories of the shown items, with how many items have each.
    pub(crate) fn categories(&self) -> BTreeMap<String, usize> {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for entry in self.entries.iter().filter(|entry| entry.is_shown) {
            entry.categories.iter().for_each(|&word| *counts.entry(word).or_default() += 1);
        }
        counts.into_iter().map(|(word, count)| (self.word(word).to_owned(), count)).collect()
    }

    /// How many labels the shown items have, each counted once.
    pub(crate) fn labels(&self) -> usize {
        let shown = self.entries.iter().filter(|entry| entry.is_shown);
        shown.flat_map(|entry| entry.labels.iter()).collect::<HashSet<_>>().len()
    }

    /// Names of the categories of the item `number`.
    pub(crate) fn categories_of(&self, number: u32) -> Vec<String> {
        self.entry(number).categories.iter().map(|&word| self.word(word).to_owned()).collect()
    }

    /// A category or a label by its number.
    fn word(&self, number: u32) -> &str {
        self.words.name(number).get(2..).unwrap_or_default()
    }

    /// The first `n` shown items that have every word of `text`, in any case and in any order, in
    /// their identifier, title, categories or labels. Those with the whole text in identifier or title
    /// come first; each part is in the order of identifiers.
    pub(crate) fn search(&self, text: &str, n: usize) -> Vec<u32> {
        let text = text.to_lowercase();
        let wanted: Vec<&str> = text.split_whitespace().collect();
        let rank = |entry: &Entry| {
            let mut all = format!("{}\n{}", entry.id, entry.title).to_lowercase();
            let is_whole = all.contains(&text);
            for &word in entry.categories.iter().chain(&entry.labels) {
                all.push('\n');
                all.push_str(&self.word(word).to_lowercase());
            }
            let is_found = is_whole || wanted.iter().all(|word| all.contains(word));
            is_found.then_some(!is_whole)
        };
        let shown = self.entries.iter().zip(0u32..).filter(|(entry, _)| entry.is_shown);
        let mut found: Vec<(bool, &Arc<str>, u32)> =
            shown.filter_map(|(entry, number)| Some((rank(entry)?, &entry.id, number))).collect();
        found.sort_unstable();
        found.into_iter().take(n).map(|(_, _, number)| number).collect()
    }

    /// How alike two items are by categories and labels: shared words by all words, 0 to 1.
    pub(crate) fn likeness(&self, a: u32, b: u32) -> f32 {
        let (a, b) = (self.entry(a), self.entry(b));
        let shared = shared(&a.categories, &b.categories) + shared(&a.labels, &b.labels);
        let all =
            a.categories.len() + a.labels.len() + b.categories.len() + b.labels.len() - shared;
        if all == 0 { 0.0 } else { shared as f32 / all as f32 }
    }
}

/// How many numbers two ascending lists share.
fn shared(mut a: &[u32], mut b: &[u32]) -> usize {
    let mut count = 0;
    while let ([x, rest_a @ ..], [y, rest_b @ ..]) = (a, b) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => a = rest_a,
            std::cmp::Ordering::Greater => b = rest_b,
            std::cmp::Ordering::Equal => {
                count += 1;
                (a, b) = (rest_a, rest_b);
            }
        }
    }
    count
}
