//! Lists of regular expressions and what stands in for what they find, applied one after another.

use regex::Regex;

/// Replacements in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules(Vec<(Regex, String)>);

impl Rules {
    /// The rules of `list`: expressions, and replacements that name groups as `${1}`.
    pub(super) fn new<S: AsRef<str>>(list: impl IntoIterator<Item = (S, &'static str)>) -> Self {
        let rule = |(expression, by): (S, &str)| {
            let expression = Regex::new(expression.as_ref());
            (expression.expect("the expressions here are valid"), by.to_string())
        };
        Self(list.into_iter().map(rule).collect())
    }

    /// Applies all of them.
    pub(super) fn apply(&self, text: &str) -> String {
        let mut text = text.to_string();
        for (expression, by) in &self.0 {
            text = expression.replace_all(&text, by.as_str()).into_owned();
        }
        text
    }
}
