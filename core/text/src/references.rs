//! Character references such as `&eacute;`: reading them, and writing the few that must be.

use html5gum::{Token, Tokenizer};

/// The longest reference that is looked for, in bytes.
const MAX_LENGTH: usize = 40;

/// A part of an HTML text: a reference with what it stands for, or plain characters.
pub(crate) enum Part<'a> {
    Plain(&'a str),
    Reference { raw: &'a str, text: String },
}

/// Splits an HTML text at its references.
pub(crate) fn parts(html: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in html.match_indices('&') {
        if at < start {
            continue;
        }
        let raw = &html[at..at + reference_length(&html[at..])];
        if let Some(text) = read(raw) {
            parts.push(Part::Plain(&html[start..at]));
            parts.push(Part::Reference { raw, text });
            start = at + raw.len();
        }
    }
    parts.push(Part::Plain(&html[start..]));
    parts
}

/// Bytes of what may be a reference at the beginning of `html`, which is an `&`.
fn reference_length(html: &str) -> usize {
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
    let inner = html.bytes().skip(1).take(MAX_LENGTH).take_while(is_inner).count();
    match html.as_bytes().get(1 + inner) {
        Some(b';') => inner + 2,
        _ => inner + 1,
    }
}

/// What the reference `raw` stands for, or `None` when it is none.
fn read(raw: &str) -> Option<String> {
    if raw.len() < 3 {
        return None;
    }
    let mut text = Vec::new();
    for token in Tokenizer::new(raw) {
        if let Ok(Token::String(string)) = token {
            text.extend_from_slice(&string);
        }
    }
    String::from_utf8(text).ok().filter(|text| text != raw)
}

/// Replaces the references in `text` by what they stand for.
pub fn unescape(text: &str) -> String {
    let text_of = |part: Part<'_>| match part {
        Part::Plain(text) => text.to_owned(),
        Part::Reference { text, .. } => text,
    };
    parts(text).into_iter().map(text_of).collect()
}

/// Writes `text` so that HTML shows it: `<` is no tag, and hard spaces can be seen.
pub(crate) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{a0}' => html.push_str("&nbsp;"),
            c => push_escaped(&mut html, c),
        }
    }
    html
}

/// Writes `text` so that XML holds it: a hard space has no name there.
pub(crate) fn escape_xml(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    text.chars().for_each(|c| push_escaped(&mut xml, c));
    xml
}

fn push_escaped(markup: &mut String, c: char) {
    match c {
        '&' => markup.push_str("&amp;"),
        '<' => markup.push_str("&lt;"),
        '>' => markup.push_str("&gt;"),
        c => markup.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_other_signs_stay() {
        for (html, text) in [
            ("caf&eacute; &amp; tea", "café & tea"),
            ("&#39;&#x27;&quot;&apos;", "''\"'"),
            ("R&D at AT&T & co; &unknown; &", "R&D at AT&T & co; &unknown; &"),
            ("&lt;b&gt; &nbsp;x", "<b> \u{a0}x"),
            ("&amp;amp;", "&amp;"),
        ] {
            assert_eq!(unescape(html), text);
        }
    }

    #[test]
    fn what_is_escaped_is_read_back() {
        let text = "a < b & c > d\u{a0}é &amp;";
        assert_eq!(unescape(&escape(text)), text);
    }
}
