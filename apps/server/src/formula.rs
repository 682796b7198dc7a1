//! Formulas over an item and its feedback, such as `count(feedback, .FeedbackType == "star")`: the part
//! of Gorse's expression language (expr-lang) that leaderboards use.

mod parse;
mod value;

use std::str::FromStr;

use dragoman_store::{Feedback, Item};

use value::Value;

/// A formula that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Formula {
    node: Node,
}

/// A part of a formula.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Value(Value),
    /// `item`, `feedback`, or what stands before the point in `.FeedbackType`.
    Name(Name),
    Field(Box<Node>, String),
    Method(Box<Node>, Method),
    Call(Function, Vec<Node>),
    List(Vec<Node>),
    Not(Box<Node>),
    Minus(Box<Node>),
    Binary(Box<Node>, Operator, Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Item,
    Feedback,
    /// The row of feedback that a condition is about.
    Row,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Hours,
    Minutes,
    Seconds,
    Unix,
    Year,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Now,
    /// Of a list, those for which the condition holds.
    Count,
    Sum,
    Mean,
    Len,
    Max,
    Min,
    Abs,
    Round,
    Floor,
    Ceil,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Plus,
    Minus,
    Times,
    Divide,
    Remainder,
    Power,
}

/// What a formula is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    item: &'a Item,
    feedback: &'a [Feedback],
    /// The row that a condition is about.
    row: Option<&'a Feedback>,
    /// Seconds since 1970.
    now: f64,
}

impl<'a> Scope<'a> {
    /// An item with its feedback, at `now` in seconds since 1970.
    pub(crate) fn new(item: &'a Item, feedback: &'a [Feedback], now: f64) -> Self {
        Self { item, feedback, row: None, now }
    }
}

impl Formula {
    /// The value for an item, if it is a number that is finite; true counts 1.
    pub(crate) fn number(&self, scope: &Scope<'_>) -> Option<f64> {
        self.node.value(scope).number().filter(|number| number.is_finite())
    }

    /// Whether it holds for an item.
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> bool {
        self.node.value(scope) == Value::Bool(true)
    }
}

impl FromStr for Formula {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let node = parse::formula(text).map_err(|reason| format!("`{text}`: {reason}"))?;
        Ok(Self { node })
    }
}

impl Node {
    fn value(&self, scope: &Scope<'_>) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Name(_) => Value::Null, // rows have fields, and are no values themselves
            Self::List(nodes) => Value::List(nodes.iter().map(|node| node.value(scope)).collect()),
            Self::Field(of, name) => match (&**of, scope.row) {
                (Self::Name(Name::Item), _) => Value::of_item(scope.item, name),
                (Self::Name(Name::Row), Some(row)) => Value::of_feedback(row, name),
                (of, _) => of.value(scope).field(name),
            },
            Self::Method(of, method) => match (of.value(scope), method) {
                (Value::Duration(seconds), Method::Hours) => Value::Number(seconds / 3600.0),
                (Value::Duration(seconds), Method::Minutes) => Value::Number(seconds / 60.0),
                (Value::Duration(seconds), Method::Seconds) => Value::Number(seconds),
                (Value::Time(seconds), Method::Unix) => Value::Number(seconds.floor()),
                (Value::Time(seconds), Method::Year) => Value::year(seconds),
                _ => Value::Null,
            },
            Self::Not(node) => match node.value(scope) {
                Value::Bool(value) => Value::Bool(!value),
                _ => Value::Null,
            },
            Self::Minus(node) => {
                node.value(scope).number().map_or(Value::Null, |number| Value::Number(-number))
            }
            Self::Binary(left, operator, right) => binary(left, *operator, right, scope),
            Self::Call(function, arguments) => call(*function, arguments, scope),
        }
    }
}

fn binary(left: &Node, operator: Operator, right: &Node, scope: &Scope<'_>) -> Value {
    let first = left.value(scope);
    match (operator, &first) {
        (Operator::And, Value::Bool(false)) | (Operator::Or, Value::Bool(true)) => return first,
        (Operator::And | Operator::Or, Value::Bool(_)) => return right.value(scope),
        _ => {}
    }
    first.with(operator, &right.value(scope))
}

fn call(function: Function, arguments: &[Node], scope: &Scope<'_>) -> Value {
    let numbers = || arguments.iter().filter_map(|node| node.value(scope).number());
    let of_first =
        |f: fn(f64) -> f64| numbers().next().map_or(Value::Null, |x| Value::Number(f(x)));
    match function {
        Function::Now => Value::Time(scope.now),
        Function::Count => Value::Number(rows(arguments, scope).filter(|is| is.0).count() as f64),
        Function::Sum => Value::Number(rows(arguments, scope).map(|row| row.1).sum()),
        Function::Mean => {
            let values: Vec<f64> = rows(arguments, scope).map(|row| row.1).collect();
            Value::Number(values.iter().sum::<f64>() / values.len().max(1) as f64)
        }
        Function::Len => match arguments.first() {
            Some(Node::Name(Name::Feedback)) => Value::Number(scope.feedback.len() as f64),
            Some(node) => node.value(scope).len(),
            None => Value::Null,
        },
        Function::Max => numbers().reduce(f64::max).map_or(Value::Null, Value::Number),
        Function::Min => numbers().reduce(f64::min).map_or(Value::Null, Value::Number),
        Function::Abs => of_first(f64::abs),
        Function::Round => of_first(f64::round),
        Function::Floor => of_first(f64::floor),
        Function::Ceil => of_first(f64::ceil),
    }
}

/// For each row of feedback whether the second argument holds, and what it is as a number.
fn rows(arguments: &[Node], scope: &Scope<'_>) -> impl Iterator<Item = (bool, f64)> {
    let of_row = move |row| {
        let scope = Scope { row: Some(row), ..*scope };
        let value = arguments.get(1).map_or(Value::Bool(true), |node| node.value(&scope));
        (value == Value::Bool(true), value.number().unwrap_or(0.0))
    };
    scope.feedback.iter().map(of_row)
}

#[cfg(test)]
mod tests {
    use dragoman_store::Timestamp;
    use serde_json::json;

    use super::*;

    fn number(text: &str) -> Option<f64> {
        let item = Item {
            item_id: "i".into(),
            categories: vec!["tea".into()],
            labels: json!({ "price": 5, "brand": { "name": "x" } }),
            timestamp: Timestamp::from_seconds(1_000_000),
            ..Item::default()
        };
        let row = |kind: &str, value: f64, time: i64| Feedback {
            feedback_type: kind.into(),
            user_id: "u".into(),
            item_id: "i".into(),
            value,
            timestamp: Timestamp::from_seconds(time),
            ..Feedback::default()
        };
        let feedback =
            [row("star", 4.0, 2_000_000), row("read", 1.0, 1_990_000), row("star", 2.0, 1_000)];
        let formula: Formula = text.parse().expect(text);
        formula.number(&Scope::new(&item, &feedback, 2_000_000.0))
    }

    #[test]
    fn formulas_are_computed_as_gorse_computes_them() {
        for (text, expected) in [
            ("count(feedback, .FeedbackType == 'star')", 2.0),
            ("count(feedback, .FeedbackType == \"star\" && .Value > 3)", 1.0),
            ("count(feedback, #.FeedbackType in ['star', 'read'])", 3.0),
            ("count(feedback, (now() - .Timestamp).Hours() < 24)", 2.0),
            ("sum(feedback, .Value)", 7.0),
            ("mean(feedback, .Value) * 3", 7.0),
            ("len(feedback) + len(item.Categories)", 4.0),
            ("item.Timestamp.Unix()", 1_000_000.0),
            ("item.Timestamp.Year()", 1970.0),
            ("item.Labels.price - 2 ** 2", 1.0),
            ("item.Labels.brand.name == 'x' and not item.IsHidden", 1.0),
            ("'tea' in item.Categories", 1.0),
            ("(now() - item.Timestamp).Hours() < 168", 0.0),
            ("max(1, -2 * -3, 4) / 4 % 1", 0.5),
            ("1 + 2 * 3 - -1", 8.0),
            ("false || 2 > 1", 1.0),
        ] {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        for text in ["item.Labels.size", "1 / 0", "item.Comment", "item.Timestamp"] {
            assert_eq!(number(text), None, "{text} is no number");
        }
    }

    #[test]
    fn what_is_no_formula_is_named() {
        for (text, named) in [
            ("", "ends"),
            ("count(feedback", "`)`"),
            ("counts(feedback)", "`counts`"),
            ("item.Timestamp.Week()", "`Week()`"),
            ("user.Labels", "`user`"),
            ("1 +", "ends"),
            ("1 2", "`2`"),
            ("'open", "quotation"),
            ("a $ b", "`$`"),
            (&"(".repeat(500), "nested"),
        ] {
            let error = text.parse::<Formula>().expect_err(text);
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
