//! The items of a tenant in memory: what lists and filters need, and the order of popularity and
//! of time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant},
};

use dragoman_core::recommend::labels;
use dragoman_store::Item;

use super::{
    bags::Bags,
    popularity::Popularity,
    vectors::{self, VectorLog, Vectors},
    words::Words,
};

/// How long the number of a deleted item is not given to another: longer than any request that may
/// still hold it.
const QUARANTINE: Duration = Duration::from_secs(120);

/// An item as lists and filters see it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) id: Arc<str>,
    /// What a person would call it.
    pub(crate) title: Arc<str>,
    /// Neither hidden nor deleted.
    pub(crate) is_shown: bool,
    /// When it appeared, in seconds since 1970; long before any date if unknown.
    pub(crate) time: i64,
    /// Numbers of its categories, ascending.
    pub(crate) categories: Box<[u32]>,
    /// Numbers of its labels, ascending.
    pub(crate) labels: Box<[u32]>,
    /// Its labels that are vectors.
    pub(crate) vectors: Vectors,
    /// How many items were added before it: it tells apart two items that had the same number.
    pub(crate) serial: u64,
}

/// All items by number.
#[derive(Debug, Default)]
pub(crate) struct ItemIndex {
    entries: Vec<Entry>,
    numbers: HashMap<Arc<str>, u32>,
    /// Numbers of deleted items, and since when.
    free: VecDeque<(Instant, u32)>,
    words: Words,
    bags: Bags,
    latest: BTreeSet<(Reverse<i64>, Arc<str>, u32)>,
    popularity: Popularity,
    changes: u64,
    serial: u64,
    vectors: VectorLog,
}

impl ItemIndex {
    /// An index whose popularity fades by half in `half_life` seconds.
    pub(crate) fn new(half_life: f64) -> Self {
        Self { popularity: Popularity::new(half_life), ..Self::default() }
    }

    /// An empty index in the place of this one. What was counted goes on, and the numbers of this
    /// one are those of deleted items: whoever still holds one finds an empty entry.
    pub(crate) fn renewed(&self, half_life: f64) -> Self {
        let (changes, serial) = (self.changes + 1, self.serial);
        let vectors = VectorLog::from_change(changes);
        let mut renewed = Self { changes, serial, vectors, ..Self::new(half_life) };
        renewed.entries.resize_with(self.entries.len(), Entry::default);
        renewed.popularity.grow(self.entries.len());
        renewed.bags.grow(self.entries.len());
        renewed.free =
            (0..).take(self.entries.len()).map(|number| (Instant::now(), number)).collect();
        renewed
    }

    /// Adds `item`, or changes what is known of it; returns its number.
    pub(crate) fn put(&mut self, item: &Item) -> u32 {
        let id: Arc<str> = item.item_id.as_str().into();
        let categories = item.categories.iter().map(|word| format!("c:{word}"));
        let labels = labels::flatten(&item.labels).into_iter().map(|word| format!("l:{word}"));
        let mut entry = Entry {
            title: labels::title(&item.labels, &item.comment).into(),
            is_shown: !item.is_hidden,
            time: item.timestamp.seconds,
            categories: self.words.acquire(categories),
            labels: self.words.acquire(labels),
            vectors: vectors::of(&item.labels),
            id: Arc::clone(&id),
            serial: self.serial,
        };
        self.changes += 1;
        let number = match self.numbers.get(&id) {
            Some(&number) => {
                entry.serial = self.entries[number as usize].serial;
                self.retire(number);
                number
            }
            None => {
                let number = self.new_number();
                self.numbers.insert(Arc::clone(&id), number);
                self.serial += 1;
                number
            }
        };
        if entry.is_shown {
            self.latest.insert((Reverse(entry.time), id, number));
        }
        if entry.vectors.iter().next().is_some() {
            self.vectors.count(&entry.vectors, 1);
            self.vectors.note(self.changes, number);
        }
        self.bags.put(number, [&entry.categories, &entry.labels], entry.is_shown);
        self.entries[number as usize] = entry;
        number
    }

    /// Whether the item `number` is neither hidden nor deleted.
    pub(crate) fn is_shown(&self, number: u32) -> bool {
        self.bags.is_shown(number)
    }

    /// What `of` makes of the words of each item, its categories and labels.
    pub(crate) fn map_words<T>(&self, of: impl Fn(&[u32]) -> T) -> Vec<T> {
        let parts = self.bags.iter().zip(&self.entries);
        let of_item = |(bag, entry): (Option<&[u32]>, &Entry)| match bag {
            Some(words) => of(words),
            None => of(&[&*entry.categories, &*entry.labels].concat()),
        };
        parts.map(of_item).collect()
    }

    /// How many items have a vector of `len` numbers at `path`.
    pub(crate) fn vectors(&self, path: &str, len: usize) -> usize {
        self.vectors.of(path, len)
    }

    /// Numbers of items whose vectors came after the change `at`; none if that is too long ago to say.
    pub(crate) fn vectors_since(&self, at: u64) -> Option<impl Iterator<Item = u32> + '_> {
        self.vectors.since(at)
    }

    /// A number that no item has, of an empty entry.
    fn new_number(&mut self) -> u32 {
        if let Some((since, number)) = self.free.front()
            && since.elapsed() >= QUARANTINE
        {
            let number = *number;
            self.free.pop_front();
            return number;
        }
        self.entries.push(Entry::default());
        self.popularity.grow(self.entries.len());
        self.bags.grow(self.entries.len());
        u32::try_from(self.entries.len() - 1).expect("fewer than 4 billion items")
    }

    /// Forgets the item `id`.
    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(number) = self.numbers.remove(id) {
            self.popularity.forget(number, &id.into());
            self.retire(number);
            self.free.push_back((Instant::now(), number));
            self.changes += 1;
        }
    }

    /// Takes the entry of a number out of the lists and empties it.
    fn retire(&mut self, number: u32) {
        self.bags.clear(number);
        let entry = std::mem::take(&mut self.entries[number as usize]);
        self.words.release(&entry.categories);
        self.words.release(&entry.labels);
        self.vectors.count(&entry.vectors, -1);
        self.latest.remove(&(Reverse(entry.time), entry.id, number));
    }

    /// The number of the item `id`.
    pub(crate) fn number(&self, id: &str) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// The item of a number.
    pub(crate) fn entry(&self, number: u32) -> &Entry {
        &self.entries[number as usize]
    }

    /// All items by number; those of deleted items are empty.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Numbers of categories and labels are below this.
    pub(crate) fn words(&self) -> usize {
        self.words.len()
    }

    /// Counts the changes of items.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// How many items were ever added.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
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
        self.popularity.ranked().filter(|&number| self.is_shown(number))
    }

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

    fn ids(catalogue: &ItemIndex, numbers: impl Iterator<Item = u32>) -> Vec<String> {
        numbers.map(|number| catalogue.entry(number).id.to_string()).collect()
    }

    #[test]
    fn lists_follow_changes() {
        let mut catalogue = ItemIndex::new(100.0);
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
        let mut catalogue = ItemIndex::new(100.0);
        let a = catalogue.put(&item("a", 1, &["x", "y"]));
        let b = catalogue.put(&item("b", 2, &["y", "z"]));
        assert!(
            (catalogue.likeness(a, b) - 2.0 / 4.0).abs() < 1e-6,
            "y and the index of x, y, z, index"
        );
        assert!((catalogue.likeness(a, a) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_search_looks_at_identifiers_and_titles() {
        let mut catalogue = ItemIndex::new(100.0);
        catalogue.put(&Item { comment: "Blue Lamp".into(), ..item("i1", 1, &[]) });
        catalogue.put(&item("lamp-2", 1, &[]));
        catalogue.put(&item("chair", 1, &["Sea Blue"]));
        assert_eq!(catalogue.search("LAMP", 10).len(), 2);
        assert_eq!(catalogue.search("lamp", 1).len(), 1);
        let found = |text: &str| ids(&catalogue, catalogue.search(text, 10).into_iter());
        assert_eq!(found("lamp  BLUE"), ["i1"], "words in any order");
        assert_eq!(found("blue"), ["i1", "chair"], "categories count, after titles");
        assert_eq!(found("shop:x chair"), ["chair"], "so do labels");
    }

    #[test]
    fn deleted_items_and_old_labels_are_forgotten() {
        let mut catalogue = ItemIndex::new(100.0);
        for round in 0..1000 {
            let labels = json!({ "round": round.to_string() });
            catalogue.put(&Item { labels, ..item("a", 1, &[]) });
        }
        assert!(catalogue.words() <= 3, "{} words for one label", catalogue.words());
        let a = catalogue.number("a").expect("it was put");
        catalogue.touch(a, 1.0, 1000);
        catalogue.remove("a");
        assert_eq!((catalogue.number("a"), catalogue.latest().count()), (None, 0));
        assert_eq!((catalogue.popular().count(), catalogue.label("round:999")), (0, None));
        let again = catalogue.put(&item("a", 1, &[]));
        assert!(again != a && catalogue.entry(again).serial > 0, "the old number is in quarantine");
        assert_eq!(ids(&catalogue, catalogue.latest()), ["a"]);
    }
}
