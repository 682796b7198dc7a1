//! The items of a model with what is known of them, and the words that it describes them by.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{Bags, Item};

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

impl Catalogue {
    /// Describes `items` by the features that at least `min_count` of them have, and users by those
    /// that at least as many of them have.
    pub fn new(
        items: Vec<Item>,
        kinds: Vec<String>,
        users: impl Iterator<Item = impl AsRef<[String]>>,
        min_count: usize,
    ) -> Self {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for item in &items {
            features_of(item).for_each(|feature| *counts.entry(feature).or_default() += 1);
        }
        let mut user_counts: BTreeMap<String, usize> = BTreeMap::new();
        for labels in users {
            let mut labels = labels.as_ref().to_vec();
            labels.sort_unstable();
            labels.dedup();
            labels.into_iter().for_each(|label| *user_counts.entry(label).or_default() += 1);
        }
        let frequent = |counts: BTreeMap<String, usize>| -> Vec<String> {
            let counts = counts.into_iter().filter(|(_, count)| *count >= min_count.max(1));
            counts.map(|(name, _)| name).collect()
        };
        Self { kinds, features: frequent(counts), user_features: frequent(user_counts), items }
    }

    /// The features of every item.
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

/// Features of an item by name, each once: categories are told from labels.
fn features_of(item: &Item) -> impl Iterator<Item = String> {
    let categories = item.categories.iter().map(|name| format!("category:{name}"));
    let labels = item.labels.iter().map(|name| format!("label:{name}"));
    let mut features: Vec<String> = categories.chain(labels).collect();
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
        let catalogue = Catalogue::new(items, vec![], [["f".to_string()]].iter(), 2);
        assert_eq!(catalogue.features, ["category:crime", "label:year:1995"]);
        assert!(catalogue.user_features.is_empty());
        let content = catalogue.content();
        assert_eq!(
            (content.get(0), content.get(1), content.get(2)),
            (&[0, 1][..], &[0, 1][..], &[][..])
        );
    }
}
