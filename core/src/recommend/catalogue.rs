//! The items of a model with what is known of them, and the words that it describes them by.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{Bags, Item, titles};

/// Items, and the vocabularies of a model: the file `items.json` of a model directory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Names of the kinds of event, by index.
    pub kinds: Vec<String>,
    /// Names of the features of items, by index.
    pub features: Vec<String>,
    /// Names of the features of users, by index.
    pub user_features: Vec<String>,
    /// The items, by index.
    pub items: Vec<Item>,
}

/// Which features a new catalogue has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureRules {
    /// Those of fewer items, or of fewer users, are left out.
    pub min_count: usize,
    /// Whether titles count: their words, without those of more than a tenth of the items, and
    /// decades.
    pub title_words: bool,
}

impl FeatureRules {
    /// Whether a feature of `count` out of `all` items is one of the catalogue's.
    fn admit(&self, name: &str, count: usize, all: usize) -> bool {
        let is_word = name.starts_with(titles::WORD);
        let is_of_title = is_word || name.starts_with(titles::DECADE);
        let says_little = is_word && count * 10 > all;
        count >= self.min_count && (self.title_words || !is_of_title) && !says_little
    }
}

impl Catalogue {
    /// Describes `items` and `users` by the features that `rules` admit.
    pub fn new(
        items: Vec<Item>,
        kinds: Vec<String>,
        users: impl Iterator<Item = impl AsRef<[String]>>,
        rules: FeatureRules,
    ) -> Self {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for item in &items {
            features_of(item).for_each(|feature| *counts.entry(feature).or_default() += 1);
        }
        counts.retain(|name, count| rules.admit(name, *count, items.len()));
        let mut user_counts: BTreeMap<String, usize> = BTreeMap::new();
        for labels in users {
            let mut labels = labels.as_ref().to_vec();
            labels.sort_unstable();
            labels.dedup();
            labels.into_iter().for_each(|label| *user_counts.entry(label).or_default() += 1);
        }
        user_counts.retain(|_, count| *count >= rules.min_count);
        let (features, user_features) = (counts.into_keys(), user_counts.into_keys());
        Self { kinds, features: features.collect(), user_features: user_features.collect(), items }
    }

    /// The features of every item, those of [`Self::features`] alone: a model that learned no words
    /// of titles gets none.
    pub fn content(&self) -> Bags {
        let index = index(&self.features);
        let bag = |item: &Item| -> Vec<u32> {
            features_of(item).filter_map(|feature| index.get(feature.as_str()).copied()).collect()
        };
        let mut bags = Bags::default();
        self.items.iter().for_each(|item| bags.push(&bag(item)));
        bags
    }

    /// Finds the features of users by their names.
    pub fn user_index(&self) -> HashMap<&str, u32> {
        index(&self.user_features)
    }
}

fn index(names: &[String]) -> HashMap<&str, u32> {
    names.iter().map(String::as_str).zip(0..).collect()
}

/// Features of an item by name, each once: categories are kept apart from labels and from words.
fn features_of(item: &Item) -> impl Iterator<Item = String> {
    let categories = item.categories.iter().map(|name| format!("category:{name}"));
    let labels = item.labels.iter().map(|name| format!("label:{name}"));
    let mut features: Vec<String> =
        categories.chain(labels).chain(titles::features(item)).collect();
    features.sort_unstable();
    features.dedup();
    features.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, categories: &[&str], labels: &[&str]) -> Item {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Item {
            id: id.into(),
            categories: owned(categories),
            labels: owned(labels),
            ..Item::default()
        }
    }

    #[test]
    fn what_few_items_have_describes_none() {
        let items = vec![
            item("1", &["crime", "crime"], &["year:1995"]),
            item("2", &["love", "crime"], &["year:1995"]),
            item("3", &[], &[]),
        ];
        let rules = FeatureRules { min_count: 2, title_words: true };
        let catalogue = Catalogue::new(items, vec![], [["f".to_string()]].iter(), rules);
        assert_eq!(catalogue.features, ["category:crime", "decade:1990", "label:year:1995"]);
        assert!(catalogue.user_features.is_empty());
        let content = catalogue.content();
        assert_eq!(
            (content.get(0), content.get(1), content.get(2)),
            (&[0, 1, 2][..], &[0, 1, 2][..], &[][..])
        );
    }

    /// Thirty films: three stars, four that are the same everywhere, one of each number.
    fn films() -> Vec<Item> {
        let title = |i: usize| match i {
            0..3 => format!("A Star, part {i}"),
            3..7 => format!("The Same Film {i} (1984)"),
            _ => format!("Number {i}"),
        };
        (0..30).map(|i| Item { title: title(i), ..item(&i.to_string(), &["film"], &[]) }).collect()
    }

    fn catalogue(rules: FeatureRules) -> Catalogue {
        Catalogue::new(films(), vec![], std::iter::empty::<Vec<String>>(), rules)
    }

    #[test]
    fn words_describe_items_if_neither_too_few_nor_too_many_have_them() {
        let rules = FeatureRules { min_count: 2, title_words: true };
        let found = catalogue(rules);
        assert_eq!(found.features, ["category:film", "decade:1980", "word:part", "word:star"]);
        let content = found.content();
        assert_eq!((content.get(0), content.get(3)), (&[0, 2, 3][..], &[0, 1][..]));
        let rules = FeatureRules { title_words: false, ..rules };
        assert_eq!(catalogue(rules).features, ["category:film"]);
    }

    #[test]
    fn a_catalogue_without_words_gets_none() {
        let old =
            r#"{"kinds": [], "features": ["category:film"], "user_features": [], "items": []}"#;
        let mut old: Catalogue = serde_json::from_str(old).expect("a catalogue as it was written");
        old.items = films();
        let titled = old.content();
        old.items.iter_mut().for_each(|item| item.title.clear());
        assert_eq!(titled, old.content());
        assert_eq!(titled.get(0), [0]);
    }
}
