//! Feedback types with a bound on their value, such as `read>=3`.

use std::str::FromStr;

/// A feedback type, and which values of it count.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression {
    pub(crate) kind: String,
    bound: Option<(Operator, f64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
}

const OPERATORS: [(&str, Operator); 4] = [
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Expression {
    /// Whether feedback of `kind` and `value` counts.
    pub(crate) fn holds(&self, kind: &str, value: f64) -> bool {
        kind == self.kind
            && self.bound.is_none_or(|(operator, bound)| match operator {
                Operator::LessOrEqual => value <= bound,
                Operator::GreaterOrEqual => value >= bound,
                Operator::Less => value < bound,
                Operator::Greater => value > bound,
            })
    }
}

impl Expression {
    /// Whether the value matters.
    pub(crate) fn is_bounded(&self) -> bool {
        self.bound.is_some()
    }
}

impl FromStr for Expression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse =
            || format!("invalid feedback type expression `{text}`; write `read` or `read>=3`");
        let at = text.find(['<', '>']).unwrap_or(text.len());
        let (kind, rest) = (text[..at].trim(), &text[at..]);
        let bound = match OPERATORS.iter().find_map(|(sign, operator)| {
            Some((*operator, rest.strip_prefix(sign)?.trim().parse::<f64>()))
        }) {
            None => None,
            Some((operator, Ok(bound))) if bound.is_finite() => Some((operator, bound)),
            Some(_) => return Err(refuse()),
        };
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts_well = kind.starts_with(|c: char| c.is_ascii_alphabetic());
        // A type alone may be any text: feedback is stored under whatever clients call it.
        let is_good =
            !kind.is_empty() && (bound.is_none() || starts_well && kind.chars().all(is_word));
        if !is_good {
            return Err(refuse());
        }
        Ok(Self { kind: kind.into(), bound })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_as_they_are_written() -> Result<(), String> {
        for (text, values) in [
            ("read", [true, true, true]),
            ("read>=3", [false, true, true]),
            ("read > 3", [false, false, true]),
            ("read<=3.0", [true, true, false]),
            ("read<3", [true, false, false]),
        ] {
            let expression: Expression = text.parse()?;
            let found = [2.0, 3.0, 4.0].map(|value| expression.holds("read", value));
            assert_eq!(found, values, "{text}");
            assert!(!expression.holds("like", 3.0));
        }
        Ok(())
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in
            ["", ">=3", "read>=", "read>=x", "9read>1", "re ad>1", "read>=nan", "read>=3>=4"]
        {
            assert!(text.parse::<Expression>().is_err(), "{text}");
        }
        assert!("re-ad".parse::<Expression>().is_ok());
    }
}
