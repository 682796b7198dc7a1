//! Which items may be in a list.

use std::{collections::HashSet, str::FromStr};

use super::item_index::{Entry, ItemIndex};

/// What a request asks of the items of its list.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Filter {
    /// Categories that an item must have, all of them.
    pub(crate) categories: Vec<String>,
    /// Flattened labels that an item must have, all of them; `!` before one means must not.
    pub(crate) labels: Vec<String>,
    /// Numbers that the labels of an item must be within, all of them.
    pub(crate) ranges: Vec<Range>,
    /// Identifiers of items that are not wanted.
    pub(crate) exclude: Vec<String>,
    /// When an item must have appeared, or later, in seconds since 1970; an item without a time passes.
    pub(crate) oldest: Option<i64>,
}

/// Numbers that a label may be, such as `price:10..20`; either end may be missing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Range {
    path: String,
    least: f64,
    most: f64,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("`range` does not understand `{text}`; write `price:10..20`");
        let (path, ends) = text.rsplit_once(':').ok_or_else(refuse)?;
        let (least, most) = ends.split_once("..").ok_or_else(refuse)?;
        let number = |text: &str, none: f64| match text.trim() {
            "" => Ok(none),
            text => text.parse().ok().filter(|number: &f64| !number.is_nan()).ok_or_else(refuse),
        };
        let (least, most) = (number(least, f64::NEG_INFINITY)?, number(most, f64::INFINITY)?);
        match path.is_empty() || least > most {
            true => Err(refuse()),
            false => Ok(Self { path: path.to_owned(), least, most }),
        }
    }
}

/// Times before this, in the year 1, are those of items without one.
const BEFORE_ANY: i64 = -60_000_000_000;

/// A filter in the numbers of a catalogue.
#[derive(Debug)]
pub(crate) struct CompiledFilter {
    categories: Vec<u32>,
    labels: Vec<u32>,
    without: Vec<u32>,
    /// For each range, the labels that are within it.
    within: Vec<HashSet<u32>>,
    oldest: Option<i64>,
    /// Whether each item is excluded; those behind the end are not.
    excluded: Vec<bool>,
    /// Whether no item can pass, because none ever had what is asked for.
    is_closed: bool,
}

impl Filter {
    /// The filter in the numbers of `catalogue`, which also keeps `seen` out.
    pub(crate) fn compile(&self, catalogue: &ItemIndex, seen: &HashSet<u32>) -> CompiledFilter {
        let mut compiled = CompiledFilter {
            categories: Vec::new(),
            labels: Vec::new(),
            without: Vec::new(),
            within: Vec::new(),
            oldest: self.oldest,
            excluded: vec![false; catalogue.entries().len()],
            is_closed: false,
        };
        let named = self.exclude.iter().filter_map(|id| catalogue.number(id));
        for number in named.chain(seen.iter().copied()) {
            compiled.excluded[number as usize] = true;
        }
        for name in &self.categories {
            match catalogue.category(name) {
                Some(number) => compiled.categories.push(number),
                None => compiled.is_closed = true,
            }
        }
        for name in &self.labels {
            match (name.strip_prefix('!'), catalogue.label(name)) {
                (Some(name), _) => compiled.without.extend(catalogue.label(name)),
                (None, Some(number)) => compiled.labels.push(number),
                (None, None) => compiled.is_closed = true,
            }
        }
        for Range { path, least, most } in &self.ranges {
            compiled.within.push(catalogue.labels_within(path, *least..=*most));
        }
        compiled
    }
}

impl CompiledFilter {
    /// Whether the item `number` may be in the list.
    pub(crate) fn passes(&self, catalogue: &ItemIndex, number: u32) -> bool {
        if self.is_closed
            || self.excluded.get(number as usize).is_some_and(|&excluded| excluded)
            || !catalogue.is_shown(number)
        {
            return false;
        }
        self.asks_nothing() || self.passes_entry(catalogue.entry(number))
    }

    /// Whether any item passes that is shown and not excluded.
    fn asks_nothing(&self) -> bool {
        let words = [&self.categories, &self.labels, &self.without];
        words.iter().all(|words| words.is_empty())
            && self.within.is_empty()
            && self.oldest.is_none()
    }

    fn passes_entry(&self, entry: &Entry) -> bool {
        let has = |list: &[u32], word: &u32| list.binary_search(word).is_ok();
        self.categories.iter().all(|word| has(&entry.categories, word))
            && self.labels.iter().all(|word| has(&entry.labels, word))
            && !self.without.iter().any(|word| has(&entry.labels, word))
            && self.within.iter().all(|words| entry.labels.iter().any(|word| words.contains(word)))
            && self.oldest.is_none_or(|oldest| entry.time >= oldest || entry.time < BEFORE_ANY)
    }
}

#[cfg(test)]
mod tests {
    use dragoman_store::{Item, Timestamp};
    use serde_json::json;

    use super::*;

    #[test]
    fn items_pass_that_have_all_and_nothing_else() {
        let mut catalogue = ItemIndex::new(1.0);
        let mut put = |id: &str, categories: &[&str], colour: &str, is_hidden| {
            catalogue.put(&Item {
                item_id: id.into(),
                categories: categories.iter().map(|word| word.to_string()).collect(),
                labels: json!({ "colour": colour }),
                is_hidden,
                ..Item::default()
            })
        };
        let red = put("red", &["x", "y"], "red", false);
        let blue = put("blue", &["x"], "blue", false);
        let hidden = put("hidden", &["x"], "red", true);
        let passing = |filter: Filter, seen: &[u32]| -> Vec<u32> {
            let compiled = filter.compile(&catalogue, &seen.iter().copied().collect());
            [red, blue, hidden].into_iter().filter(|&n| compiled.passes(&catalogue, n)).collect()
        };
        let words = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
        let categories = |list| Filter { categories: words(list), ..Filter::default() };
        let labels = |list| Filter { labels: words(list), ..Filter::default() };

        assert_eq!(passing(Filter::default(), &[]), [red, blue]);
        assert_eq!(passing(Filter::default(), &[red]), [blue]);
        assert_eq!(passing(categories(&["x", "y"]), &[]), [red]);
        assert_eq!(passing(categories(&["nothing has this"]), &[]), [0u32; 0]);
        assert_eq!(passing(labels(&["colour:red"]), &[]), [red]);
        assert_eq!(passing(labels(&["!colour:red"]), &[]), [blue]);
        assert_eq!(passing(labels(&["!colour:green"]), &[]), [red, blue]);
        let exclude = Filter { exclude: words(&["blue", "unknown"]), ..Filter::default() };
        assert_eq!(passing(exclude, &[]), [red]);
    }

    #[test]
    fn ranges_and_ages_are_kept_within() -> Result<(), String> {
        let mut catalogue = ItemIndex::new(1.0);
        let mut put = |id: &str, price: f64, time: &str| {
            catalogue.put(&Item {
                item_id: id.into(),
                labels: json!({ "price": price, "size": { "cm": 10 } }),
                timestamp: Timestamp::parse(time).unwrap_or_default(),
                ..Item::default()
            })
        };
        let all = [put("a", 5.0, "2020-01-01"), put("b", 12.5, "2024-01-01"), put("c", 20.0, "")];
        let passing = |ranges: &[&str], oldest| -> Result<Vec<usize>, String> {
            let ranges = ranges.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
            let filter = Filter { ranges, oldest, ..Filter::default() };
            let compiled = filter.compile(&catalogue, &HashSet::new());
            Ok((0..3).filter(|&i| compiled.passes(&catalogue, all[i])).collect())
        };
        assert_eq!(passing(&["price:10..20"], None)?, [1, 2]);
        assert_eq!(passing(&["price:..12.5"], None)?, [0, 1]);
        assert_eq!(passing(&["price:13..", "size.cm:10..10"], None)?, [2]);
        assert_eq!(passing(&["weight:1.."], None)?, [0usize; 0]);
        assert_eq!(passing(&[], Some(1_600_000_000))?, [1, 2], "an item without a time is not old");
        for bad in ["price", "price:3", "price:5..1", ":1..2", "price:a..b", "price:nan.."] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
        Ok(())
    }
}
