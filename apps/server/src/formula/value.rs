//! The values of formulas.

use dragoman_store::{Feedback, Item, Timestamp};

use super::Operator;

/// What a part of a formula is worth.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Nothing, such as a label that an item does not have.
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// Seconds since 1970.
    Time(f64),
    /// Seconds.
    Duration(f64),
    List(Vec<Value>),
    Object(serde_json::Map<String, serde_json::Value>),
}

impl Value {
    /// A field of an item by Gorse's name.
    pub(super) fn of_item(item: &Item, name: &str) -> Self {
        match name {
            "ItemId" => Self::Text(item.item_id.clone()),
            "IsHidden" => Self::Bool(item.is_hidden),
            "Categories" => Self::List(item.categories.iter().cloned().map(Self::Text).collect()),
            "Timestamp" => Self::of_time(item.timestamp),
            "Labels" => Self::of_json(&item.labels),
            "Comment" => Self::Text(item.comment.clone()),
            _ => Self::Null,
        }
    }

    /// A field of a row of feedback by Gorse's name.
    pub(super) fn of_feedback(row: &Feedback, name: &str) -> Self {
        match name {
            "FeedbackType" => Self::Text(row.feedback_type.clone()),
            "UserId" => Self::Text(row.user_id.clone()),
            "ItemId" => Self::Text(row.item_id.clone()),
            "Value" => Self::Number(row.value),
            "Timestamp" => Self::of_time(row.timestamp),
            "Comment" => Self::Text(row.comment.clone()),
            _ => Self::Null,
        }
    }

    fn of_time(time: Timestamp) -> Self {
        Self::Time(time.seconds as f64 + f64::from(time.nanos) / 1e9)
    }

    fn of_json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => number.as_f64().map_or(Self::Null, Self::Number),
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Array(list) => Self::List(list.iter().map(Self::of_json).collect()),
            serde_json::Value::Object(fields) => Self::Object(fields.clone()),
        }
    }

    /// The calendar's year of a time.
    pub(super) fn year(seconds: f64) -> Self {
        let text = Timestamp::from_seconds(seconds as i64).to_string();
        let year = text.split('-').next().and_then(|year| year.parse().ok());
        year.map_or(Self::Null, Self::Number)
    }

    /// A field of an object.
    pub(super) fn field(&self, name: &str) -> Self {
        match self {
            Self::Object(fields) => fields.get(name).map_or(Self::Null, Self::of_json),
            _ => Self::Null,
        }
    }

    /// How many parts a list or a text has.
    pub(super) fn len(&self) -> Self {
        match self {
            Self::List(list) => Self::Number(list.len() as f64),
            Self::Text(text) => Self::Number(text.chars().count() as f64),
            _ => Self::Null,
        }
    }

    /// The number that this is; true is 1 and false 0.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            _ => None,
        }
    }

    /// What an operator makes of two values; nothing where it makes no sense.
    pub(super) fn with(&self, operator: Operator, other: &Self) -> Self {
        match operator {
            Operator::Equal => return Self::Bool(self == other),
            Operator::Unequal => return Self::Bool(self != other),
            Operator::In => {
                return match other {
                    Self::List(list) => Self::Bool(list.contains(self)),
                    _ => Self::Null,
                };
            }
            _ => {}
        }
        match (self, other) {
            (Self::Time(a), Self::Time(b)) if operator == Operator::Minus => Self::Duration(a - b),
            (Self::Time(a), Self::Duration(b)) => match operator {
                Operator::Plus => Self::Time(a + b),
                Operator::Minus => Self::Time(a - b),
                _ => Self::Null,
            },
            (Self::Time(a), Self::Time(b)) | (Self::Duration(a), Self::Duration(b)) => {
                compared(operator, a.partial_cmp(b))
            }
            (Self::Text(a), Self::Text(b)) => match operator {
                Operator::Plus => Self::Text(format!("{a}{b}")),
                _ => compared(operator, Some(a.cmp(b))),
            },
            (Self::Number(a), Self::Number(b)) => match operator {
                Operator::Plus => Self::Number(a + b),
                Operator::Minus => Self::Number(a - b),
                Operator::Times => Self::Number(a * b),
                Operator::Divide => Self::Number(a / b),
                Operator::Remainder => Self::Number(a % b),
                Operator::Power => Self::Number(a.powf(*b)),
                _ => compared(operator, a.partial_cmp(b)),
            },
            _ => Self::Null,
        }
    }
}

fn compared(operator: Operator, order: Option<std::cmp::Ordering>) -> Value {
    let Some(order) = order else { return Value::Bool(false) };
    match operator {
        Operator::Less => Value::Bool(order.is_lt()),
        Operator::LessOrEqual => Value::Bool(order.is_le()),
        Operator::Greater => Value::Bool(order.is_gt()),
        Operator::GreaterOrEqual => Value::Bool(order.is_ge()),
        _ => Value::Null,
    }
}
