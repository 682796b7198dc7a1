//! What a user's items are made of, their categories and labels, and which items have of it.

use super::item_index::ItemIndex;

/// The words of a user's items.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// How many of the user's items have each word. Whole numbers: a sum does not depend on the order of words.
    counts: Vec<u32>,
    /// Items of the user.
    items: usize,
    /// The items that have any of these words, with their scores, by number.
    pub(super) found: Vec<(u32, f32)>,
    /// The greatest of these scores.
    pub(super) most: f32,
}

impl Content {
    /// Looks through all items for words of the items `numbers`.
    pub(super) fn new(catalogue: &ItemIndex, numbers: &[u32]) -> Self {
        let mut content = Self { most: f32::MIN_POSITIVE, items: numbers.len(), ..Self::default() };
        let mut counts = vec![0u32; catalogue.words()];
        for &number in numbers {
            let entry = catalogue.entry(number);
            for &word in entry.categories.iter().chain(&entry.labels) {
                counts[word as usize] += 1;
            }
        }
        content.counts = counts;
        if content.counts.iter().all(|&count| count == 0) {
            return content;
        }
        let mut found = Vec::new();
        catalogue.each_words(|number, words| {
            let score = content.of_words(words);
            if score > 0.0 {
                found.push((number, score));
            }
        });
        content.most = found.iter().fold(content.most, |most, (_, score)| most.max(*score));
        content.found = found;
        content
    }

    /// How much the item `number` has of the words.
    pub(super) fn of(&self, catalogue: &ItemIndex, number: u32) -> f32 {
        match self.found.is_empty() {
            true => 0.0,
            false => catalogue.with_words(number, |words| self.of_words(words)),
        }
    }

    fn of_words(&self, words: &[u32]) -> f32 {
        // Scores outlive the lock they were made under: a word that came after them is none of the user's.
        let count = |&word: &u32| self.counts.get(word as usize).copied().unwrap_or(0);
        match words.iter().map(count).sum::<u32>() {
            0 => 0.0,
            sum => sum as f32 / self.items as f32 / (words.len() as f32).sqrt(),
        }
    }
}
