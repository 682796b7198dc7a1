//! How many items of a kind a list may hold, such as `category*2,label:brand*1`.

use std::{collections::HashMap, str::FromStr};

use super::item_index::ItemIndex;

/// Caps of one list at most.
const MAX_CAPS: usize = 16;

/// What the items of a list must not have too often in common.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Caps(Vec<(Subject, usize)>);

#[derive(Debug, Clone, PartialEq)]
enum Subject {
    /// Any one category.
    Category,
    /// Any one value of the label with this path.
    Label(String),
}

impl FromStr for Caps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let terms = text.split(',').map(str::trim).filter(|term| !term.is_empty());
        let caps: Vec<_> = terms.map(parse_term).collect::<Result<_, _>>()?;
        match caps.len() {
            0..=MAX_CAPS => Ok(Self(caps)),
            count => Err(format!("`cap` has {count} terms; at most {MAX_CAPS} are taken")),
        }
    }
}

fn parse_term(term: &str) -> Result<(Subject, usize), String> {
    let refuse =
        || format!("`cap` does not understand `{term}`; write `category*2`, or `label:brand*1`");
    let (subject, most) = term.rsplit_once('*').ok_or_else(refuse)?;
    let most = most.trim().parse().ok().filter(|&most| most > 0).ok_or_else(refuse)?;
    match subject.trim().split_once(':') {
        None if subject.trim() == "category" => Ok((Subject::Category, most)),
        Some(("label", path)) if !path.is_empty() => Ok((Subject::Label(path.to_owned()), most)),
        _ => Err(refuse()),
    }
}

impl Caps {
    /// Whether a list may hold anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A judge of the items of one list, which are shown to it from the first on: it says whether the
    /// item `number` has a place.
    pub(crate) fn judge<'a>(&'a self, catalogue: &'a ItemIndex) -> impl FnMut(u32) -> bool + 'a {
        let mut counts: HashMap<(usize, u32), usize> = HashMap::new();
        move |number| {
            let entry = catalogue.entry(number);
            let mut words: Vec<(usize, u32, usize)> = Vec::new();
            for (place, (subject, most)) in self.0.iter().enumerate() {
                match subject {
                    Subject::Category => {
                        words.extend(entry.categories.iter().map(|&word| (place, word, *most)));
                    }
                    Subject::Label(path) => {
                        let is_named = |word: &&u32| {
                            catalogue
                                .label_text(**word)
                                .strip_prefix(path.as_str())
                                .is_some_and(|rest| rest.starts_with(':'))
                        };
                        let named = entry.labels.iter().filter(is_named);
                        words.extend(named.map(|&word| (place, word, *most)));
                    }
                }
            }
            let is_full = |&(place, word, most): &(usize, u32, usize)| {
                counts.get(&(place, word)).is_some_and(|&count| count >= most)
            };
            if words.iter().any(is_full) {
                return false;
            }
            for (place, word, _) in words {
                *counts.entry((place, word)).or_default() += 1;
            }
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use dragoman_store::Item;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_holds_so_many_of_each_kind() -> Result<(), String> {
        let mut catalogue = ItemIndex::new(1.0);
        let mut put = |id: &str, category: &str, brand: &str| {
            catalogue.put(&Item {
                item_id: id.into(),
                categories: vec![category.into()],
                labels: json!({ "brand": brand, "brand2": "same" }),
                ..Item::default()
            })
        };
        let numbers =
            [put("1", "a", "x"), put("2", "a", "x"), put("3", "a", "y"), put("4", "b", "y")];
        let kept = |caps: &str| -> Result<Vec<usize>, String> {
            let caps: Caps = caps.parse()?;
            let mut judge = caps.judge(&catalogue);
            Ok((0..4).filter(|&i| judge(numbers[i])).map(|i| i + 1).collect())
        };
        assert_eq!(kept("category*2")?, [1, 2, 4]);
        assert_eq!(kept("label:brand*1")?, [1, 3]);
        assert_eq!(kept("category*1, label:brand*1")?, [1, 4]);
        assert_eq!(kept("")?, [1, 2, 3, 4]);
        for bad in ["category", "category*0", "label*1", "label:*1", "item:a*1", "category*-1"] {
            assert!(bad.parse::<Caps>().is_err(), "{bad}");
        }
        Ok(())
    }
}
