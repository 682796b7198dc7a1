//! The items of a tenant in memory: what lists and filters need, and the order of popularity and
//! of time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use dragoman_store::Item;

use super::{features, popularity::Popularity};

/// An item as lists and filters see it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: Arc<str>,
    /// What a person would call it.
    pub(crate) title: Arc<str>,
    /// Neither hidden nor deleted.
    pub(crate) is_shown: bool,
    /// When it appeared, in seconds since 1970; 0 if unknown.
    pub(crate) time: i64,
    /// Numbers of its categories, ascending.
    pub(crate) categories: Box<[u32]>,
    /// Numbers of its labels, ascending.
    pub(crate) labels: Box<[u32]>,
}

/// All items by number; numbers are never used again.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    entries: Vec<Entry>,
    numbers: HashMap<Arc<str>, u32>,
    words: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
    latest: BTreeSet<(Reverse<i64>, Arc<str>, u32)>,
    popularity: Popularity,
    changes: u64,
}

impl Catalogue {
    /// A catalogue whose popularity fades by half in `half_life` seconds.
    pub(crate) fn new(half_life: f64) -> Self {
        Self { popularity: Popularity::new(half_life), ..Self::default() }
    }

    /// Adds `item`, or changes what is known of it; returns its number.
    pub(crate) fn put(&mut self, item: &Item) -> u32 {
        let id: Arc<str> = item.item_id.as_str().into();
        let mut categories: Vec<u32> =
            item.categories.iter().map(|word| self.word(&format!("c:{word}"))).collect();
        let texts = features::flatten(&item.labels);
        let mut labels: Vec<u32> =
            texts.iter().map(|word| self.word(&format!("l:{word}"))).collect();
        for numbers in [&mut categories, &mut labels] {
            numbers.sort_unstable();
            numbers.dedup();
        }
        let entry = Entry {
            title: features::title(item).into(),
            is_shown: !item.is_hidden,
            time: if item.timestamp.is_zero() { 0 } else { item.timestamp.seconds },
            categories: categories.into(),
            labels: labels.into(),
            id: Arc::clone(&id),
        };
        self.changes += 1;
        let number = match self.numbers.get(&id) {
            Some(&number) => {
                self.retire(number);
                self.entries[number as usize] = entry;
                number
            }
            None => {
                let number = u32::try_from(self.entries.len()).expect("fewer than 4 billion items");
                self.numbers.insert(Arc::clone(&id), number);
                self.entries.push(entry);
                self.popularity.grow(self.entries.len());
                number
            }
        };
        let entry = &self.entries[number as usize];
        if entry.is_shown {
            self.latest.insert((Reverse(entry.time), id, number));
        }
        number
    }

    /// Takes `id` out of all lists.
    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(&number) = self.numbers.get(id) {
            self.retire(number);
            self.entries[number as usize].is_shown = false;
            self.popularity.forget(number, id);
            self.changes += 1;
        }
    }

    fn retire(&mut self, number: u32) {
        let Entry { time, id, .. } = &self.entries[number as usize];
        self.latest.remove(&(Reverse(*time), Arc::clone(id), number));
    }

    /// The number of the item `id`.
    pub(crate) fn number(&self, id: &str) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// The item of a number.
    pub(crate) fn entry(&self, number: u32) -> &Entry {
        &self.entries[number as usize]
    }

    /// All items by number, removed ones too.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many categories and labels have numbers.
    pub(crate) fn words(&self) -> usize {
        self.names.len()
    }

    /// Counts the changes of items.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Notes `weight` of events with the item `number` at `time`; negative takes them back.
    pub(crate) fn touch(&mut self, number: u32, weight: f64, time: i64) {
        let id = Arc::clone(&self.entries[number as usize].id);
        self.popularity.add(number, &id, weight, time);
    }

    /// How popular each item is.
    pub(crate) fn popularity(&self) -> &Popularity {
        &self.popularity
    }

    /// Numbers of the shown items, latest first, ties by identifier.
    pub(crate) fn latest(&self) -> impl Iterator<Item = u32> + '_ {
        self.latest.iter().map(|(_, _, number)| *number)
    }

    /// Numbers of the shown items that anybody touched, most popular first, ties by identifier.
    pub(crate) fn popular(&self) -> impl Iterator<Item = u32> + '_ {
        self.popularity.ranked().filter(|&number| self.entry(number).is_shown)
    }

    /// The number of a category, if an item ever had it.
    pub(crate) fn category(&self, name: &str) -> Option<u32> {
        self.words.get(format!("c:{name}").as_str()).copied()
    }

    /// The number of a flattened label, if an item ever had it.
    pub(crate) fn label(&self, name: &str) -> Option<u32> {
        self.words.get(format!("l:{name}").as_str()).copied()
    }

    /// Categories of the shown items, with how many items have each.
    pub(crate) fn categories(&self) -> BTreeMap<String, usize> {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for entry in self.entries.iter().filter(|entry| entry.is_shown) {
            entry.categories.iter().for_each(|&word| *counts.entry(word).or_default() += 1);
        }
        counts.into_iter().map(|(word, count)| (self.category_name(word), count)).collect()
    }

    /// Names of the categories of the item `number`.
    pub(crate) fn categories_of(&self, number: u32) -> Vec<String> {
        self.entry(number).categories.iter().map(|&word| self.category_name(word)).collect()
    }

    fn category_name(&self, word: u32) -> String {
        let name = &self.names[word as usize];
        name.strip_prefix("c:").unwrap_or(name).to_owned()
    }

    /// Items whose identifier or title has `text` in it, whatever the case, at most `n`.
    pub(crate) fn search(&self, text: &str, n: usize) -> Vec<u32> {
        let text = text.to_lowercase();
        let is_found = |entry: &&Entry| {
            entry.is_shown
                && (entry.id.to_lowercase().contains(&text)
                    || entry.title.to_lowercase().contains(&text))
        };
        let found = self.entries.iter().filter(is_found).take(n);
        found.filter_map(|entry| self.number(&entry.id)).collect()
    }

    /// How alike two items are by categories and labels: shared words by all words, 0 to 1.
    pub(crate) fn likeness(&self, a: u32, b: u32) -> f32 {
        let (a, b) = (self.entry(a), self.entry(b));
        let shared = shared(&a.categories, &b.categories) + shared(&a.labels, &b.labels);
        let all =
            a.categories.len() + a.labels.len() + b.categories.len() + b.labels.len() - shared;
        if all == 0 { 0.0 } else { shared as f32 / all as f32 }
    }

    fn word(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.words.get(text) {
            return number;
        }
        let number = u32::try_from(self.names.len()).expect("fewer than 4 billion words");
        let text: Arc<str> = text.into();
        self.words.insert(Arc::clone(&text), number);
        self.names.push(text);
        number
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

#[cfg(test)]
mod tests {
    use dragoman_store::Timestamp;
    use serde_json::json;

    use super::*;

    fn item(id: &str, time: i64, categories: &[&str]) -> Item {
        Item {
            item_id: id.into(),
            timestamp: Timestamp::from_seconds(time),
            categories: categories.iter().map(|word| word.to_string()).collect(),
            labels: json!({ "shop": "x" }),
            ..Item::default()
        }
    }

    fn ids(catalogue: &Catalogue, numbers: impl Iterator<Item = u32>) -> Vec<String> {
        numbers.map(|number| catalogue.entry(number).id.to_string()).collect()
    }

    #[test]
    fn lists_follow_changes() {
        let mut catalogue = Catalogue::new(100.0);
        let a = catalogue.put(&item("a", 1, &["x"]));
        let b = catalogue.put(&item("b", 2, &["x", "y"]));
        catalogue.put(&item("c", 2, &[]));
        assert_eq!(ids(&catalogue, catalogue.latest()), ["b", "c", "a"]);
        assert_eq!(catalogue.popular().count(), 0, "nobody touched anything");

        catalogue.touch(a, 1.0, 1000);
        catalogue.touch(b, 1.0, 1001);
        assert_eq!(ids(&catalogue, catalogue.popular()), ["b", "a"]);
        catalogue.touch(a, 1.0, 1000);
        assert_eq!(ids(&catalogue, catalogue.popular()), ["a", "b"]);

        assert_eq!(catalogue.put(&item("a", 9, &["y"])), a, "the number stays");
        assert_eq!(ids(&catalogue, catalogue.latest()), ["a", "b", "c"]);
        catalogue.put(&Item { is_hidden: true, ..item("a", 9, &["y"]) });
        catalogue.remove("c");
        assert_eq!(ids(&catalogue, catalogue.latest()), ["b"]);
        assert_eq!(ids(&catalogue, catalogue.popular()), ["b"]);
        assert_eq!(catalogue.categories(), BTreeMap::from([("x".into(), 1), ("y".into(), 1)]));
        catalogue.put(&item("d", 9, &["c:c"]));
        assert!(catalogue.categories().contains_key("c:c"));
    }

    #[test]
    fn likeness_is_the_share_of_words() {
        let mut catalogue = Catalogue::new(100.0);
        let a = catalogue.put(&item("a", 1, &["x", "y"]));
        let b = catalogue.put(&item("b", 2, &["y", "z"]));
        assert!(
            (catalogue.likeness(a, b) - 2.0 / 4.0).abs() < 1e-6,
            "y and the shop of x, y, z, shop"
        );
        assert!((catalogue.likeness(a, a) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_search_looks_at_identifiers_and_titles() {
        let mut catalogue = Catalogue::new(100.0);
        catalogue.put(&Item { comment: "Blue Lamp".into(), ..item("i1", 1, &[]) });
        catalogue.put(&item("lamp-2", 1, &[]));
        catalogue.put(&item("chair", 1, &[]));
        assert_eq!(catalogue.search("LAMP", 10).len(), 2);
        assert_eq!(catalogue.search("lamp", 1).len(), 1);
    }
}
