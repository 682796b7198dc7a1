//! Embeddings that clients send as labels: lists of numbers, compared by their distance.

use std::collections::BTreeMap;

use dragoman_core::recommend::labels::is_vector;
use serde_json::Value;

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

/// The vectors of an item, by the path of their label.
pub(crate) type Vectors = BTreeMap<Box<str>, Box<[f32]>>;

/// The vectors among `labels`: `embedding` of an object, `a.b` of a nested one, and the empty path
/// for labels that are one vector.
pub(crate) fn of(labels: &Value) -> Vectors {
    let mut vectors = Vectors::new();
    collect(labels, "", &mut vectors);
    vectors
}

fn collect(label: &Value, path: &str, vectors: &mut Vectors) {
    match label {
        Value::Array(list) if is_vector(label) && list.len() <= MAX_NUMBERS => {
            let numbers = list.iter().filter_map(Value::as_f64).map(|number| number as f32);
            let numbers: Box<[f32]> = numbers.collect();
            if vectors.len() < MAX_VECTORS && numbers.iter().all(|number| number.is_finite()) {
                vectors.insert(path.into(), numbers);
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
        let sum =
            |term: fn(f32, f32) -> f32| -> f32 { a.iter().zip(b).map(|(&a, &b)| term(a, b)).sum() };
        let distance = match self {
            Self::Euclidean => sum(|a, b| (a - b) * (a - b)).sqrt(),
            Self::Cosine => {
                let norms = sum(|a, _| a * a).sqrt() * sum(|_, b| b * b).sqrt();
                1.0 - sum(|a, b| a * b) / norms
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
        assert_eq!(found.keys().map(|path| &**path).collect::<Vec<_>>(), ["a.b", "embedding"]);
        assert_eq!(&*found["embedding"], [1.0, 0.5]);
        assert_eq!(of(&json!([1, 2])).keys().next().map(|path| &**path), Some(""));
        assert!(of(&json!([1e300, 2])).is_empty(), "single precision cannot hold it");
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
