//! What the labels of a user or an item, which are JSON, say about it in words.

use serde_json::Value;

use super::Item;

/// Texts taken of one row at most: huge labels cost memory and say little more.
const MAX_TEXTS: usize = 128;

/// The labels as texts: `red` of a list, `colour:red` of an object, `a.b:red` of nested ones.
pub fn flatten(labels: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    collect(labels, "", &mut texts);
    texts
}

fn collect(labels: &Value, path: &str, texts: &mut Vec<String>) {
    if texts.len() >= MAX_TEXTS {
        return;
    }
    let named = |text: &str| match path {
        "" => text.to_owned(),
        path => format!("{path}:{text}"),
    };
    match labels {
        Value::Null => {}
        Value::Bool(value) => texts.push(named(&value.to_string())),
        Value::Number(value) => texts.push(named(&value.to_string())),
        Value::String(text) => texts.push(named(text)),
        vector if is_vector(vector) => {} // of another model, not words
        Value::Array(list) => list.iter().for_each(|value| collect(value, path, texts)),
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(value, &path, texts);
            }
        }
    }
}

/// Whether a label is a vector: a list of two numbers or more.
pub fn is_vector(label: &Value) -> bool {
    label.as_array().is_some_and(|list| list.len() > 1 && list.iter().all(Value::is_number))
}

/// What a person would call something: its label `title` or `name`, else the `comment` on it.
pub fn title<'a>(labels: &'a Value, comment: &'a str) -> &'a str {
    let label = |name| labels.get(name).and_then(Value::as_str);
    label("title").or_else(|| label("name")).unwrap_or(comment)
}

impl Item {
    /// The item called `id`, as its labels and the comment on it describe it.
    pub fn described(id: String, labels: &Value, comment: &str) -> Self {
        let title = title(labels, comment).into();
        Self { id, title, labels: flatten(labels), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_become_texts() {
        let labels =
            json!({ "colour": ["red", "blue"], "size": 3, "a": { "b": "x" }, "none": null });
        assert_eq!(flatten(&labels), ["colour:red", "colour:blue", "size:3", "a.b:x"]);
        assert_eq!(flatten(&json!(["x", "y"])), ["x", "y"]);
        assert!(flatten(&json!({ "embedding": vec![0.5; 64] })).is_empty());
        assert_eq!(flatten(&json!({ "embedding": [0.5, 2], "age": [3] })), ["age:3"]);
        assert_eq!(flatten(&json!(vec!["x"; 1000])).len(), MAX_TEXTS);
    }

    #[test]
    fn an_item_is_titled_by_its_labels_or_the_comment_on_it() {
        let of = |labels| Item::described("7".into(), &labels, "a comment").title;
        assert_eq!(of(json!({ "title": "Dune", "name": "dune.epub" })), "Dune");
        assert_eq!(of(json!({ "name": "dune.epub" })), "dune.epub");
        assert_eq!(of(json!(["novel"])), "a comment");
    }
}
