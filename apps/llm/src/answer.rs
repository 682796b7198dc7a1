//! The translation within what a language model says: without its thoughts, its fences and its quotation
//! marks.

/// Marks that models put around a translation, in pairs.
const QUOTES: [(char, char); 5] = [('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('「', '」')];

/// The translation of `source` that `said` holds; `None` when nothing is left.
pub(crate) fn translation(source: &str, said: &str) -> Option<String> {
    let text = without_thoughts(said).trim();
    let text = without_fence(source, text);
    let text = without_quotes(source, text).trim();
    // A sentence stays in one line: what follows a break is an explanation.
    let text = match source.contains('\n') {
        true => text,
        false => text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim(),
    };
    (!text.is_empty()).then(|| text.to_owned())
}

/// What follows the last closed thought; nothing where a thought was never closed.
pub fn without_thoughts(said: &str) -> &str {
    match said.rsplit_once("</think>") {
        Some((_, rest)) => rest,
        None if said.trim_start().starts_with("<think>") => "",
        None => said,
    }
}

fn without_fence<'a>(source: &str, text: &'a str) -> &'a str {
    if source.contains("```") {
        return text;
    }
    let inner = text.strip_prefix("```").and_then(|text| text.strip_suffix("```"));
    // The first line of a fence may name a language.
    inner.map_or(text, |inner| inner.split_once('\n').map_or(inner, |(_, rest)| rest).trim())
}

fn without_quotes<'a>(source: &str, text: &'a str) -> &'a str {
    let is_quoted = QUOTES.iter().any(|(open, _)| source.trim_start().starts_with(*open));
    if is_quoted {
        return text;
    }
    let inner = QUOTES.iter().find_map(|(open, close)| {
        let inner = text.strip_prefix(*open)?.strip_suffix(*close)?;
        (!inner.contains([*open, *close])).then_some(inner)
    });
    inner.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_surrounds_a_translation_is_taken_off() {
        for (source, said, expected) in [
            ("Good morning.", "Guten Morgen.", Some("Guten Morgen.")),
            ("Good morning.", "\n  „Guten Morgen.“\n", Some("Guten Morgen.")),
            ("“Good morning.”", "„Guten Morgen.“", Some("„Guten Morgen.“")),
            ("He said “no”.", "Er sagte „nein“.", Some("Er sagte „nein“.")),
            ("no", "<think>\nHm, \"nein\"?\n</think>\n\nnein", Some("nein")),
            ("no", "<think> and it never", None),
            ("no", "```text\nnein\n```", Some("nein")),
            ("no", "nein\n\nNote: informal.", Some("nein")),
            ("no", "  ", None),
            ("“a” and “b”", "“a” und “b”", Some("“a” und “b”")),
            ("a and b", "“a” und “b”", Some("“a” und “b”")),
        ] {
            assert_eq!(translation(source, said).as_deref(), expected, "{said}");
        }
    }
}
