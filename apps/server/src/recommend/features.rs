//! Items as models know them, and which labels clients may send.

use dragoman_core::recommend;
use dragoman_store::Item;
use serde_json::Value;

/// `item` as models know items: in training and in serving alike.
pub(crate) fn item(item: &Item) -> recommend::Item {
    recommend::Item {
        categories: item.categories.clone(),
        time: if item.timestamp.is_zero() { 0 } else { item.timestamp.seconds },
        ..recommend::Item::described(item.item_id.clone(), &item.labels, &item.comment)
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
