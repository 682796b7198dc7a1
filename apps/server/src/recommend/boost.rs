//! Expressions that move items up or down a list, such as `category:books*2,label:colour:red*0.5`.

use std::str::FromStr;

use super::item_index::ItemIndex;

/// What to favour, and by how much.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Boost {
    terms: Vec<(Subject, f32)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Subject {
    Category(String),
    Label(String),
    Item(String),
}

/// A boost in the numbers of a catalogue: words and items with the logarithms of their factors.
#[derive(Debug, Default)]
pub(crate) struct Weights {
    categories: Vec<(u32, f32)>,
    labels: Vec<(u32, f32)>,
    items: Vec<(u32, f32)>,
}

/// Terms of one expression at most.
const MAX_TERMS: usize = 64;

/// Factors at most, and one by it at least.
const MAX_FACTOR: f32 = 1e6;

impl FromStr for Boost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let terms = text.split(',').map(str::trim).filter(|term| !term.is_empty());
        let terms: Vec<_> = terms.map(parse_term).collect::<Result<_, _>>()?;
        match terms.len() {
            0..=MAX_TERMS => Ok(Self { terms }),
            count => Err(format!("`boost` has {count} terms; at most {MAX_TERMS} are taken")),
        }
    }
}

fn parse_term(term: &str) -> Result<(Subject, f32), String> {
    let refuse =
        || format!("`boost` does not understand `{term}`; write terms such as `category:books*2`");
    let (subject, factor) = term.rsplit_once('*').ok_or_else(refuse)?;
    let factor: f32 = factor.trim().parse().map_err(|_| refuse())?;
    if !(1.0 / MAX_FACTOR..=MAX_FACTOR).contains(&factor) {
        return Err(format!(
            "the factor {factor} of `boost` must be positive, and at most 1000000"
        ));
    }
    let (kind, name) = subject.split_once(':').ok_or_else(refuse)?;
    let name = name.trim().to_owned();
    let subject = match kind.trim() {
        "category" => Subject::Category(name),
        "label" => Subject::Label(name),
        "item" => Subject::Item(name),
        _ => return Err(refuse()),
    };
    Ok((subject, factor))
}

impl Boost {
    /// Whether it changes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The boost in the numbers of `catalogue`.
    pub(crate) fn weights(&self, catalogue: &ItemIndex) -> Weights {
        let mut weights = Weights::default();
        for (subject, factor) in &self.terms {
            let (list, number) = match subject {
                Subject::Category(name) => (&mut weights.categories, catalogue.category(name)),
                Subject::Label(name) => (&mut weights.labels, catalogue.label(name)),
                Subject::Item(id) => (&mut weights.items, catalogue.number(id)),
            };
            list.extend(number.map(|number| (number, factor.ln())));
        }
        weights
    }
}

impl Weights {
    /// What is added to the score of the item `number`, in standard deviations of all scores.
    pub(crate) fn of(&self, catalogue: &ItemIndex, number: u32) -> f32 {
        let entry = catalogue.entry(number);
        let sum = |list: &[(u32, f32)], has: &dyn Fn(&u32) -> bool| -> f32 {
            list.iter().filter(|(word, _)| has(word)).map(|(_, weight)| weight).sum()
        };
        sum(&self.categories, &|word| entry.categories.binary_search(word).is_ok())
            + sum(&self.labels, &|word| entry.labels.binary_search(word).is_ok())
            + sum(&self.items, &|word| *word == number)
    }
}

#[cfg(test)]
mod tests {
    use dragoman_store::Item;
    use serde_json::json;

    use super::*;

    #[test]
    fn terms_add_up_as_logarithms() -> Result<(), String> {
        let mut catalogue = ItemIndex::new(1.0);
        let item = catalogue.put(&Item {
            item_id: "a".into(),
            categories: vec!["books".into()],
            labels: json!({ "colour": "red" }),
            ..Item::default()
        });
        let other = catalogue.put(&Item { item_id: "b".into(), ..Item::default() });
        let boost: Boost = "category:books*2, label:colour:red*3,item:b*0.5,item:c*9".parse()?;
        let weights = boost.weights(&catalogue);
        assert!((weights.of(&catalogue, item) - 6f32.ln()).abs() < 1e-6);
        assert!((weights.of(&catalogue, other) - 0.5f32.ln()).abs() < 1e-6);
        assert!("".parse::<Boost>()?.is_empty());
        Ok(())
    }

    #[test]
    fn what_is_no_boost_is_refused() {
        for text in [
            "books",
            "category:x",
            "category:x*y",
            "colour:x*2",
            "item:a*0",
            "item:a*-1",
            "item:a*nan",
            "item:a*inf",
        ] {
            assert!(text.parse::<Boost>().is_err(), "{text}");
        }
        assert!(vec!["item:a*2"; 65].join(",").parse::<Boost>().is_err());
    }
}
