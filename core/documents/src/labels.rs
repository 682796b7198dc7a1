//! What a document says of its own language: `lang` and `xml:lang` of the first element, and
//! `dc:language`.

use std::ops::Range;

/// `text`, a file of HTML or XML, with `target` in place of what names the language `source` there;
/// nothing where it does not say what language it is in.
pub(crate) fn relabelled(text: &str, source: &str, target: &str) -> Option<String> {
    let base = |code: &str| code.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let mut places = of_tag(text, first_tag(text)?);
    places.extend(of_element(text, "dc:language"));
    places.retain(|at| !target.is_empty() && base(&text[at.clone()]) == base(source));
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
        assert_eq!(relabelled(html, "en", "de"), Some(german));
        assert_eq!(relabelled(html, "fr", "de"), None);
        assert_eq!(relabelled("no markup <", "en", "de"), None);
        let package = "<package><dc:language id=\"l\"> en-US </dc:language></package>";
        assert_eq!(relabelled(package, "en", "pt-BR"), Some(package.replace("en-US", "pt-BR")));
    }
}
