//! Labels of users and items as flat texts, such as `colour:red`.

use dragoman_core::recommend;
use dragoman_store::Item;
use serde_json::Value;

use super::vectors;

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
        vector if vectors::is_vector(vector) => {} // of another model, not words
        Value::Array(list) => list.iter().for_each(|value| collect(value, path, texts)),
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(value, &path, texts);
            }
        }
    }
}

/// What a person would call `item`: its label `title` or `name`, else its comment.
pub(crate) fn title(item: &Item) -> &str {
    let label = |name| item.labels.get(name).and_then(Value::as_str);
    label("title").or_else(|| label("name")).unwrap_or(&item.comment)
}

/// `item` as models know items: in training and in serving alike.
pub fn item(item: &Item) -> recommend::Item {
    recommend::Item {
        id: item.item_id.clone(),
        title: title(item).into(),
        categories: item.categories.clone(),
        labels: flatten(&item.labels),
        time: if item.timestamp.is_zero() { 0 } else { item.timestamp.seconds },
    }
}

/// Says why `labels` are none that clients may send: as upstream, they are null, text, numbers,
/// lists of all texts or all numbers, and objects of these.
pub(crate) fn check(labels: &Value) -> Result<(), String> {
    let refuse = |value: &Value| Err(format!("unsupported labels: {}", shorten(value)));
    match labels {
        Value::Null | Value::String(_) | Value::Number(_) => Ok(()),
        Value::Bool(_) => refuse(labels),
        Value::Array(list) => {
            match list.iter().all(Value::is_string) || list.iter().all(Value::is_number) {
                true => Ok(()),
                false => refuse(labels),
            }
        }
        Value::Object(fields) => fields.values().try_for_each(check),
    }
}

fn shorten(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
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
    fn labels_of_other_kinds_are_refused() {
        for good in
            [json!(null), json!("x"), json!(1.5), json!([]), json!({ "a": { "b": [1, 2] } })]
        {
            assert_eq!(check(&good), Ok(()), "{good}");
        }
        for bad in [json!(true), json!([1, "x"]), json!([["x"]]), json!({ "a": [false] })] {
            assert!(
                check(&bad).is_err_and(|reason| reason.starts_with("unsupported labels")),
                "{bad}"
            );
        }
        let long = check(&json!(vec![true; 1000])).expect_err("truths are no labels");
        assert!(long.len() < 200, "{long}");
    }
}
