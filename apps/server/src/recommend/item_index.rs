//! The items of a tenant in memory: what lists and filters need, and the order of popularity and
//! of time.

mod query;

use std::{
    cmp::Reverse,
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use ahash::AHashMap;
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
    numbers: AHashMap<Arc<str>, u32>,
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

    /// Shows `see` the words of each item, its categories and labels, by number.
    pub(crate) fn each_words(&self, mut see: impl FnMut(u32, &[u32])) {
        for ((bag, entry), number) in self.bags.iter().zip(&self.entries).zip(0u32..) {
            match bag {
                Some(words) => see(number, words),
                None => see(number, &[&*entry.categories, &*entry.labels].concat()),
            }
        }
    }

    /// What `of` makes of the words of the item `number`, its categories and labels.
    pub(crate) fn with_words<T>(&self, number: u32, of: impl FnOnce(&[u32]) -> T) -> T {
        match self.bags.words(number) {
            Some(words) => of(words),
            None => {
                let entry = self.entry(number);
                of(&[&*entry.categories, &*entry.labels].concat())
            }
        }
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
}

#[cfg(test)]
mod tests;
