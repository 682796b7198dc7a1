//! What a document says of its own language: `lang` and `xml:lang` of the first element and
//! `dc:language`, `@@locale` of ARB, and `Language` of Gettext.

use std::ops::Range;

use crate::Kind;

/// `text`, of a document of `kind`, with the second of the languages in place of what names the first
/// there; nothing where it does not say what language it is in.
pub(crate) fn relabelled(kind: Kind, text: &str, (source, target): (&str, &str)) -> Option<String> {
    let base = |code: &str| code.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let mut places = match kind {
        Kind::Html | Kind::Epub => {
            let mut places = of_tag(text, first_tag(text)?);
            places.extend(of_element(text, "dc:language"));
            places
        }
        Kind::Json => of_arb(text).into_iter().collect(),
        Kind::Gettext => of_messages(text).into_iter().collect(),
        _ => return None,
    };
    // A file of messages without a language is of the one that it gets.
    let is_own =
        |code: &str| base(code) == base(source) || code.is_empty() && kind == Kind::Gettext;
    places.retain(|at| !target.is_empty() && is_own(&text[at.clone()]));
    if places.is_empty() {
        return None;
    }
    places.sort_by_key(|at| at.start);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for place in places {
        out.push_str(&text[at..place.start]);
        out.push_str(target);
        at = place.end;
    }
    out.push_str(&text[at..]);
    Some(out)
}

/// The first tag, which no comment or declaration is.
fn first_tag(text: &str) -> Option<Range<usize>> {
    let mut at = 0;
    loop {
        let start = at + text[at..].find('<')?;
        let rest = &text[start..];
        at = match rest {
            _ if rest.starts_with("<!--") => start + rest.find("-->")?,
            _ if rest[1..].starts_with(['!', '?']) => start + rest.find('>')?,
            _ => return Some(start..start + tag_end(rest)?),
        };
    }
}

/// Where a tag ends: a `>` in quotation marks does not end it.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// The values of the attributes of a tag that name a language.
fn of_tag(text: &str, tag: Range<usize>) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let (mut quote, mut start) = (None, tag.start);
    for (at, c) in text[tag.clone()].char_indices() {
        let at = tag.start + at;
        match (quote, c) {
            (None, '"' | '\'') => {
                let name = text[start..at].trim_end().strip_suffix('=').unwrap_or_default();
                let name = name.split_whitespace().next_back().unwrap_or_default();
                let is_language = matches!(name.to_ascii_lowercase().as_str(), "lang" | "xml:lang");
                (quote, start) = (Some((c, is_language)), at + 1);
            }
            (Some((open, is_language)), c) if open == c => {
                if is_language {
                    places.push(start..at);
                }
                (quote, start) = (None, at + 1);
            }
            _ => {}
        }
    }
    places
}

/// The language of a file of ARB.
fn of_arb(text: &str) -> Option<Range<usize>> {
    const KEY: &str = "\"@@locale\"";
    let behind = text.find(KEY)? + KEY.len();
    let value = text[behind..].trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let start = text.len() - value.len();
    Some(start..start + value.find('"')?)
}

/// The language in the head of a file of messages, which is the message of the empty one.
fn of_messages(text: &str) -> Option<Range<usize>> {
    const FIELD: &str = "\"Language:";
    let message = text.find("\nmsgid \"").map(|at| at + 1).filter(|_| !text.starts_with("msgid"));
    let start = message.unwrap_or(0);
    let head = text[start..].strip_prefix("msgid \"\"")?.trim_start().strip_prefix("msgstr")?;
    let offset = text.len() - head.len();
    let head = &head[..head.find("\nmsgid").unwrap_or(head.len())];
    let value = offset + head.find(FIELD)? + FIELD.len();
    let start = value + text[value..].len() - text[value..].trim_start_matches(' ').len();
    let end = start + text[start..].find(['\\', '"'])?;
    Some(start..end.max(start))
}

/// The text of the first element called `name`.
fn of_element(text: &str, name: &str) -> Option<Range<usize>> {
    let tag = text.find(&format!("<{name}"))?;
    let start = tag + text[tag..].find('>')? + 1;
    let end = start + text[start..].find('<')?;
    let inside = &text[start..end];
    let start = start + inside.len() - inside.trim_start().len();
    Some(start..start + inside.trim().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_element_and_the_metadata_are_about_the_document() {
        let html = "<!-- <a lang='en'> --><!doctype html>\n<html class=\"x > y\" LANG = 'en-GB' xml:lang=\"en\"><p lang=\"en\">";
        let german = html.replace("'en-GB'", "'de'").replace("xml:lang=\"en\"", "xml:lang=\"de\"");
        assert_eq!(relabelled(Kind::Html, html, ("en", "de")), Some(german));
        assert_eq!(relabelled(Kind::Html, html, ("fr", "de")), None);
        assert_eq!(relabelled(Kind::Html, "no markup <", ("en", "de")), None);
        let package = "<package><dc:language id=\"l\"> en-US </dc:language></package>";
        assert_eq!(
            relabelled(Kind::Epub, package, ("en", "pt-BR")),
            Some(package.replace("en-US", "pt-BR"))
        );
    }

    #[test]
    fn files_of_messages_say_their_language_in_their_heads() {
        let arb = "{\"@@locale\": \"en_US\", \"a\": \"x\"}";
        let expected = arb.replace("en_US", "de");
        assert_eq!(relabelled(Kind::Json, arb, ("en", "de")), Some(expected));
        assert_eq!(relabelled(Kind::Json, "{\"locale\": \"en\"}", ("en", "de")), None);
        let po = |language: &str| {
            format!(
                "# c\nmsgid \"\"\nmsgstr \"\"\n\"A: b\\n\"\n\"Language: {language}\\n\"\n\nmsgid \"Language: en\"\nmsgstr \"\"\n"
            )
        };
        for language in ["en", "en_GB", ""] {
            assert_eq!(relabelled(Kind::Gettext, &po(language), ("en", "de")), Some(po("de")));
        }
        assert_eq!(relabelled(Kind::Gettext, &po("fr"), ("en", "de")), None);
        let without = "msgid \"a\"\nmsgstr \"\"\n\"Language: en\"\n";
        assert_eq!(relabelled(Kind::Gettext, without, ("en", "de")), None);
    }
}
