//! Which users a route is for: `events >= 50 and label = occupation:student`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::behaviour::Behaviour;

/// Terms that must all hold of a user, written with `and` between them.
///
/// A term compares a number of the user's [`Behaviour`], as in `recency_days <= 7`, or asks for a
/// label, as in `label = occupation:student` and `label != country:de`; text with the word `and` in
/// it stands in quotes. A number that is missing (who did nothing has no more than the number of
/// events) matches nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    text: String,
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    Number { statistic: Statistic, comparison: Comparison, value: f32 },
    Label { label: String, is_wanted: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statistic {
    Events,
    AccountDays,
    RecencyDays,
    Popularity,
    Entropy,
    RepeatRate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    LessOrEqual,
    GreaterOrEqual,
    NotEqual,
    Less,
    Greater,
    Equal,
}

const STATISTICS: [(&str, Statistic); 6] = [
    ("events", Statistic::Events),
    ("account_days", Statistic::AccountDays),
    ("recency_days", Statistic::RecencyDays),
    ("popularity", Statistic::Popularity),
    ("entropy", Statistic::Entropy),
    ("repeat_rate", Statistic::RepeatRate),
];

/// The longer signs first, since they begin as the others do.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
    ("=", Comparison::Equal),
];

impl Rule {
    /// Whether a user who behaves like this and has these labels is meant.
    pub fn matches(&self, behaviour: &Behaviour, labels: &[String]) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Number { statistic, comparison, value } => {
                statistic.of(behaviour).is_some_and(|number| comparison.holds(number, *value))
            }
            Term::Label { label, is_wanted } => labels.contains(label) == *is_wanted,
        })
    }
}

impl Statistic {
    fn of(self, behaviour: &Behaviour) -> Option<f32> {
        let known = |number: f32| (behaviour.events > 0).then_some(number);
        match self {
            Self::Events => Some(behaviour.events as f32),
            Self::AccountDays => known(behaviour.account_days),
            Self::RecencyDays => known(behaviour.recency_days),
            Self::Popularity => behaviour.popularity,
            Self::Entropy => behaviour.entropy,
            Self::RepeatRate => known(behaviour.repeat_rate),
        }
    }
}

impl Comparison {
    fn holds(self, number: f32, value: f32) -> bool {
        match self {
            Self::LessOrEqual => number <= value,
            Self::GreaterOrEqual => number >= value,
            Self::NotEqual => number != value,
            Self::Less => number < value,
            Self::Greater => number > value,
            Self::Equal => number == value,
        }
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let terms = split(text)?.into_iter().map(term).collect::<Result<_, _>>();
        let terms = terms.map_err(|reason| format!("rule `{text}`: {reason}"))?;
        Ok(Self { text: text.into(), terms })
    }
}

/// The parts of a rule between the words `and` that stand outside of quotes.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut word) = (Vec::new(), 0, 0);
    let mut is_quoted = false;
    for (place, c) in text.char_indices().chain([(text.len(), ' ')]) {
        is_quoted ^= c == '"';
        if !c.is_whitespace() || is_quoted {
            continue;
        }
        if text[word..place].eq_ignore_ascii_case("and") {
            parts.push(&text[start..word]);
            start = place;
        }
        word = place + c.len_utf8();
    }
    if is_quoted {
        return Err(format!("rule `{text}`: a quote is not closed"));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// Reads one part.
fn term(text: &str) -> Result<Term, String> {
    let text = text.trim();
    if text.is_empty() {
        let example = "write for example `events >= 50 and label = occupation:student`";
        return Err(format!("a term is missing; {example}"));
    }
    let at = text.find(['<', '>', '=', '!']).unwrap_or(text.len());
    let (name, rest) = (text[..at].trim(), &text[at..]);
    let sign = COMPARISONS
        .iter()
        .find_map(|(sign, comparison)| Some((*comparison, rest.strip_prefix(sign)?.trim())));
    let statistic = STATISTICS.iter().find(|(known, _)| *known == name);
    if statistic.is_none() && name != "label" {
        let known = STATISTICS.map(|(name, _)| name).join(", ");
        return Err(format!(
            "`{name}` is nothing that is known of a user, as {known} and label are"
        ));
    }
    let Some((comparison, value)) = sign else {
        return Err(format!("`{text}` compares nothing; use one of < <= > >= = !="));
    };
    match statistic {
        Some((_, statistic)) => number(*statistic, comparison, value, text),
        None => label(comparison, value, text),
    }
}

fn number(
    statistic: Statistic,
    comparison: Comparison,
    value: &str,
    text: &str,
) -> Result<Term, String> {
    match value.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(Term::Number { statistic, comparison, value }),
        _ => Err(format!("`{value}` in `{text}` is not a number")),
    }
}

fn label(comparison: Comparison, value: &str, text: &str) -> Result<Term, String> {
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let label = quoted.unwrap_or(value);
    let is_wanted = match comparison {
        Comparison::Equal => true,
        Comparison::NotEqual => false,
        _ => return Err(format!("`{text}` compares a label; use `label = …` or `label != …`")),
    };
    match label.is_empty() || label.contains('"') {
        true => Err(format!("`{text}` names no label; write one as in `occupation:student`")),
        false => Ok(Term::Label { label: label.into(), is_wanted }),
    }
}

impl TryFrom<String> for Rule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.text
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Behaviour {
        Behaviour {
            events: 50,
            account_days: 9.5,
            recency_days: 2.0,
            popularity: Some(0.75),
            entropy: None,
            repeat_rate: 0.0,
        }
    }

    fn matches(text: &str, user: &Behaviour, labels: &[&str]) -> Result<bool, String> {
        let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
        Ok(text.parse::<Rule>()?.matches(user, &labels))
    }

    #[test]
    fn all_terms_must_hold() -> Result<(), String> {
        for (text, expected) in [
            ("events >= 50", true),
            ("events>50", false),
            ("events = 50 and repeat_rate = 0", true),
            ("events != 50", false),
            ("account_days < 9.6 AND recency_days <= 2", true),
            ("popularity >= 0.75 and events < 50", false),
            ("label = occupation:student", true),
            ("label = occupation:writer", false),
            ("label != occupation:writer and events >= 1", true),
            ("label = \"likes:rock and roll\" and events > 1", true),
            ("label = city:Rio de Janeiro and events > 1", true),
        ] {
            let labels = ["occupation:student", "likes:rock and roll", "city:Rio de Janeiro"];
            assert_eq!(matches(text, &user(), &labels)?, expected, "{text}");
        }
        Ok(())
    }

    #[test]
    fn what_is_missing_matches_nothing() -> Result<(), String> {
        for text in ["entropy >= 0", "entropy < 1", "entropy != 0.5"] {
            assert!(!matches(text, &user(), &[])?, "{text}");
        }
        let nobody = Behaviour::default();
        for text in ["recency_days >= 0", "account_days < 9", "popularity >= 0", "repeat_rate = 0"]
        {
            assert!(!matches(text, &nobody, &[])?, "{text}");
        }
        assert!(matches("events < 5 and label != a:b", &nobody, &[])?);
        Ok(())
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("", "a term is missing"),
            ("events > 1 and", "a term is missing"),
            ("and events > 1", "a term is missing"),
            ("evnts > 1", "`evnts` is nothing that is known"),
            ("events", "compares nothing"),
            ("events ! 5", "compares nothing"),
            ("events > many", "`many`"),
            ("events > 1 or popularity > 0.5", "`1 or popularity > 0.5`"),
            ("popularity > nan", "`nan`"),
            ("label > a", "compares a label"),
            ("label =", "names no label"),
            ("label = \"a:b", "quote"),
        ] {
            let error = text.parse::<Rule>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
        let error = "evnts > 1".parse::<Rule>().expect_err("no such number");
        assert!(error.contains("account_days") && error.contains("label"), "{error}");
    }

    #[test]
    fn a_rule_is_stored_as_its_text() -> Result<(), Box<dyn std::error::Error>> {
        let rule: Rule = " events >= 50 ".parse()?;
        assert_eq!(serde_json::to_string(&rule)?, "\"events >= 50\"");
        assert_eq!(serde_json::from_str::<Rule>("\"events >= 50\"")?, rule);
        assert!(serde_json::from_str::<Rule>("\"events >= x\"").is_err());
        Ok(())
    }
}
