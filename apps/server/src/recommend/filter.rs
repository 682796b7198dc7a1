//! Which items may be in a list.

use std::collections::HashSet;

use super::item_index::ItemIndex;

/// What a request asks of the items of its list.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Filter {
    /// Categories that an item must have, all of them.
    pub(crate) categories: Vec<String>,
    /// Flattened labels that an item must have, all of them; `!` before one means must not.
    pub(crate) labels: Vec<String>,
    /// Identifiers of items that are not wanted.
    pub(crate) exclude: Vec<String>,
}

/// A filter in the numbers of a catalogue.
#[derive(Debug)]
pub(crate) struct CompiledFilter {
    categories: Vec<u32>,
    labels: Vec<u32>,
    without: Vec<u32>,
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
        compiled
    }
}

impl CompiledFilter {
    /// Whether the item `number` may be in the list.
    pub(crate) fn passes(&self, catalogue: &ItemIndex, number: u32) -> bool {
        let entry = catalogue.entry(number);
        let has = |list: &[u32], word: &u32| list.binary_search(word).is_ok();
        !self.is_closed
            && entry.is_shown
            && self.categories.iter().all(|word| has(&entry.categories, word))
            && self.labels.iter().all(|word| has(&entry.labels, word))
            && !self.without.iter().any(|word| has(&entry.labels, word))
            && !self.excluded.get(number as usize).is_some_and(|&excluded| excluded)
    }
}

#[cfg(test)]
mod tests {
    use dragoman_store::Item;
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
}
