//! Embeddings that clients send as labels: lists of numbers, compared by their distance.

mod log;
mod cells;
mod indexes;
#[cfg(test)]
mod measured;

use std::sync::Arc;

use dragoman_core::recommend::labels::is_vector;
use serde_json::Value;

pub(crate) use self::{
    indexes::{Kind, MANY, VectorIndexes},
    log::VectorLog,
};

/// The longest vector that is kept.
const MAX_NUMBERS: usize = 4096;

/// Vectors of one item at most.
const MAX_VECTORS: usize = 8;

/// How two vectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Distance {
    /// The length of their difference, as Gorse compares embeddings.
    Euclidean,
    /// One minus the cosine of their angle.
    Cosine,
}

/// A vector with the path of its label.
type AtPath = (Box<str>, Arc<[f32]>);

/// The vectors of an item, by the path of their label.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vectors(Box<[AtPath]>);

impl Vectors {
    /// The vector at `path`.
    pub(crate) fn get(&self, path: &str) -> Option<&Arc<[f32]>> {
        self.iter().find(|(known, _)| *known == path).map(|(_, vector)| vector)
    }

    /// All of them with their paths.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Arc<[f32]>)> {
        self.0.iter().map(|(path, vector)| (&**path, vector))
    }
}

/// The vectors among `labels`: `embedding` of an object, `a.b` of a nested one, and the empty path
/// for labels that are one vector.
pub(crate) fn of(labels: &Value) -> Vectors {
    let mut vectors = Vec::new();
    collect(labels, "", &mut vectors);
    Vectors(vectors.into())
}

fn collect(label: &Value, path: &str, vectors: &mut Vec<AtPath>) {
    match label {
        Value::Array(list) if is_vector(label) && list.len() <= MAX_NUMBERS => {
            let numbers = list.iter().filter_map(Value::as_f64).map(|number| number as f32);
            let numbers: Arc<[f32]> = numbers.collect();
            if vectors.len() < MAX_VECTORS && numbers.iter().all(|number| number.is_finite()) {
                vectors.push((path.into(), numbers));
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(value, &path, vectors);
            }
        }
        _ => {}
    }
}

impl Distance {
    /// The distance of two vectors; none if their lengths differ or if one has no direction.
    pub(crate) fn between(self, a: &[f32], b: &[f32]) -> Option<f32> {
        if a.len() != b.len() {
            return None;
        }
        let distance = match self {
            Self::Euclidean => cells::sum(a, b, |a, b| (a - b) * (a - b)).sqrt(),
            Self::Cosine => {
                let norm = |x: &[f32]| cells::sum(x, x, |x, _| x * x).sqrt();
                1.0 - cells::sum(a, b, |a, b| a * b) / (norm(a) * norm(b))
            }
        };
        distance.is_finite().then_some(distance)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_of_numbers_are_vectors() {
        let labels = json!({ "embedding": [1, 0.5], "size": 3, "age": [4], "a": { "b": [0, 0, 1] },
            "tags": ["x", "y"] });
        let found = of(&labels);
        let mut paths: Vec<&str> = found.iter().map(|(path, _)| path).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["a.b", "embedding"]);
        assert_eq!(found.get("embedding").map(|vector| &**vector), Some(&[1.0, 0.5][..]));
        assert_eq!(of(&json!([1, 2])).iter().next().map(|(path, _)| path), Some(""));
        assert!(of(&json!([1e300, 2])).iter().next().is_none(), "single precision cannot hold it");
    }

    #[test]
    fn distances_are_those_of_the_books() {
        let (a, b) = ([3.0, 0.0], [0.0, 4.0]);
        assert_eq!(Distance::Euclidean.between(&a, &b), Some(5.0));
        assert_eq!(Distance::Cosine.between(&a, &b), Some(1.0));
        assert_eq!(Distance::Cosine.between(&a, &[9.0, 0.0]), Some(0.0));
        assert_eq!(Distance::Cosine.between(&a, &[0.0, 0.0]), None);
        assert_eq!(Distance::Euclidean.between(&a, &[1.0]), None);
    }
}
