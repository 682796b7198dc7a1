//! Expressions and names of programs within prose: `y > 0`, `i++`, `com.example.Foo`, `max-retry-count`.

use std::sync::LazyLock;

use super::{
    Kind,
    table::{Form::Noun, Table, before, behind, compile, when},
};

/// Last words of names that programs have with hyphens, and first ones.
const TECHNICAL: &[&str] = &[
    "api", "args", "attr", "cache", "cfg", "cli", "cmd", "config", "count", "css", "ctx", "db",
    "dir", "env", "file", "html", "http", "https", "id", "idx", "json", "key", "limit", "log",
    "max", "min", "name", "num", "param", "path", "port", "regex", "size", "sql", "src", "timeout",
    "token", "type", "uri", "url", "user", "uuid", "xml", "yaml",
];

/// Words that such names have not, but compounds of prose have.
const SMALL: &[&str] = &[
    "a", "and", "as", "at", "by", "for", "free", "in", "like", "made", "named", "not", "of", "off",
    "old", "on", "or", "out", "sized", "the", "to", "up", "with", "year", "de", "du", "en", "et",
    "ce", "le", "la", "les", "que", "und", "van", "per",
];

pub(super) static TABLE: Table = Table(LazyLock::new(|| {
    compile(vec![
        // Comparisons and assignments that prose has not
        when(
            Kind::Code,
            Noun,
            r#"\b[A-Za-z_]\w{0,30} (?:===?|!==?|<=|>=|&&|\|\||[-+*/:]=) (?:[A-Za-z_]\w{0,30}\b|-?\d+(?:\.\d+)?\b|"[^"\n]{0,40}"|'[^'\n]{0,40}')"#,
            |_, at| Some(at),
        ),
        when(
            Kind::Code,
            Noun,
            r"\b[A-Za-z_]\w{0,30}(?:===?|!==?|<=|>=|&&|\|\||[-+*/:]=)(?:[A-Za-z_]\w{0,30}|-?\d+(?:\.\d+)?)\b",
            // ==a== is emphasis.
            |text, at| (!text[at.end..].starts_with("==")).then_some(at),
        ),
        // A variable of one letter
        when(Kind::Code, Noun, r"\b[A-Za-z] [<>=] (?:-?\d+(?:\.\d+)?|[A-Za-z])\b", |text, at| {
            free(text, at.start).then_some(at)
        }),
        when(Kind::Code, Noun, r"\b[A-Za-z][<>=](?:-?\d+(?:\.\d+)?|[A-Za-z])\b", |text, at| {
            let is_tag = matches!(behind(text, at.end), Some('>' | '/' | '=' | ' ' | '-'))
                && text[at.clone()].contains('<')
                && text[at.end..].chars().take(40).any(|c| c == '>');
            (free(text, at.start) && !is_tag).then_some(at)
        }),
        when(Kind::Code, Noun, r"\b[A-Za-z_]\w{0,20}\+\+|\+\+[a-z]\b|\b[CF]#", |text, at| {
            let ends = !behind(text, at.end).is_some_and(|c| c.is_alphanumeric() || c == '+');
            (free(text, at.start) && ends).then_some(at)
        }),
        when(Kind::Code, Noun, r"\b[a-z]--", |text, at| {
            let ends = behind(text, at.end).is_none_or(|c| matches!(c, ')' | ';' | ' ' | '`'));
            (free(text, at.start) && ends).then_some(at)
        }),
        // Names with dots: com.example.Foo, System.out.println
        when(
            Kind::Identifier,
            Noun,
            r"\b[A-Za-z_][A-Za-z0-9_]+(?:\.[A-Za-z_][A-Za-z0-9_]+){2,8}\b",
            |text, at| {
                let is_lower = |part: &str| part.starts_with(|c: char| c.is_ascii_lowercase());
                let name = &text[at.clone()];
                let is_name = name.split('.').skip(1).any(is_lower);
                (is_name && free(text, at.start)).then_some(at)
            },
        ),
        // Names with hyphens
        when(Kind::Identifier, Noun, r"\b[a-z][a-z0-9]*(?:-[a-z0-9]+){2,8}\b", |text, at| {
            let ends =
                !behind(text, at.end).is_some_and(|c| c.is_alphanumeric() || "-_/'’".contains(c));
            (is_kebab(&text[at.clone()]) && free(text, at.start) && ends).then_some(at)
        }),
        // Options of commands in one word: -rf, and ls -la
        when(Kind::Identifier, Noun, r"-[bcdfghjklmnpqrstvwxz]{2,5}\b", |text, at| {
            let starts = before(text, at.start).is_none_or(char::is_whitespace);
            let ends = !behind(text, at.end).is_some_and(|c| c.is_alphanumeric() || c == '-');
            (starts && ends).then_some(at)
        }),
        when(
            Kind::Identifier,
            Noun,
            r"\b(?:ls|rm|tar|cp|mv|ps|grep|git|find|docker|curl|ssh|ln|du|df|cat|sed|chmod|chown|mkdir|wget|unzip|make|pip|npm|apt) (?P<p>-[A-Za-z]{2,5})\b",
            |text, at| {
                let ends = !behind(text, at.end).is_some_and(|c| c.is_alphanumeric() || c == '-');
                ends.then_some(at)
            },
        ),
        // !name, as Drupal writes what it does not escape
        when(Kind::Placeholder, Noun, r"![a-z][a-z0-9_]+\b", |text, at| {
            let starts = before(text, at.start)
                .is_none_or(|c| matches!(c, '(' | '"' | '“' | '„' | '\'' | '\n') || c == ' ');
            // `Bonjour !comment` lacks a space behind the mark; a letter stands before it.
            let is_mark = text[..at.start].trim_end().len() + 1 == at.start
                && text[at.end..].trim_start().starts_with(['?', '!']);
            (starts && !is_mark).then_some(at)
        }),
    ])
}));

/// Whether nothing that goes on to the left touches `at`.
fn free(text: &str, at: usize) -> bool {
    !before(text, at).is_some_and(|c| {
        c.is_alphanumeric() || matches!(c, '.' | '@' | '/' | '-' | '_' | '\'' | '’' | '$' | '<')
    })
}

/// Whether a word with hyphens is the name of something in a program.
fn is_kebab(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    let is_technical = |part: &&str| TECHNICAL.contains(part) || *part == "kebab";
    let ends = [parts[0], parts[parts.len() - 1]];
    parts.len() > 2
        && ends.iter().any(is_technical)
        && !parts.iter().any(|part| SMALL.contains(part))
}

/// Whether `text` has such a name.
pub(super) fn has_kebab(text: &str) -> bool {
    let is_outer = |c: char| !c.is_ascii_alphanumeric();
    text.matches('-').count() > 1
        && text.split_whitespace().any(|word| is_kebab(word.trim_matches(is_outer)))
}

#[cfg(test)]
mod tests {
    use super::super::find;

    fn pieces(text: &str) -> Vec<&str> {
        find(text, "en").into_iter().map(|piece| &text[piece.at]).collect()
    }

    #[test]
    fn what_programs_have_is_kept() {
        for (text, piece) in [
            ("if y > 0", "y > 0"),
            ("Test whether x == y here", "x == y"),
            ("Use i++ in the loop", "i++"),
            ("C++ is a language", "C++"),
            ("Set max-retry-count first", "max-retry-count"),
            ("See com.example.Foo for more", "com.example.Foo"),
            ("Call System.out.println now", "System.out.println"),
            ("Run it with -rf please", "-rf"),
            ("Type ls -la now", "-la"),
            ("Hello !name", "!name"),
            ("Well done :+1: friend", ":+1:"),
            ("Hello [user:name], welcome", "[user:name]"),
            ("where p<0.05 holds", "p<0.05"),
            ("count >= 10 rows", "count >= 10"),
        ] {
            assert!(pieces(text).contains(&piece), "{text}: {:?}", pieces(text));
        }
    }

    #[test]
    fn prose_is_none_of_it() {
        for text in [
            "A state-of-the-art machine and my mother-in-law",
            "a five-year-old boy, a well-to-do man",
            "He went home -and never came back",
            "Stop! now",
            "one-to-one and face-to-face",
            "the non-self-governing regions",
        ] {
            assert!(pieces(text).is_empty(), "{text}: {:?}", pieces(text));
        }
        assert_eq!(pieces("File > Save"), [">"]);
        assert_eq!(pieces("a ==marked== word"), ["==", "=="]);
    }
}
