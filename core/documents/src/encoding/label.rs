//! What a file says of its own characters.

use std::ops::Range;

use crate::Kind;

/// Bytes of a file in which its encoding is named, at most.
const HEAD: usize = 8192;

/// The name of an encoding at the beginning of a file, as ASCII: what is none is a question mark.
pub(super) fn of_bytes(kind: Kind, bytes: &[u8]) -> Option<String> {
    let ascii = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '?' };
    let head: String = bytes.iter().take(HEAD).map(ascii).collect();
    place(kind, &head).map(|at| head[at].to_ascii_lowercase())
}

/// Where `text`, a file of `kind`, names its encoding.
pub(super) fn place(kind: Kind, text: &str) -> Option<Range<usize>> {
    let end = (0..=HEAD.min(text.len())).rev().find(|&end| text.is_char_boundary(end))?;
    let head = text[..end].to_ascii_lowercase();
    match kind {
        Kind::Html => in_declaration(&head).or_else(|| in_meta(&head)),
        Kind::Gettext => {
            let line = head.find("\"content-type:")?;
            value(&head, line, "charset")
        }
        _ if is_xml(kind) => in_declaration(&head),
        _ => None,
    }
}

/// Whether a file of `kind` can say any character by its number.
pub(super) fn has_references(kind: Kind) -> bool {
    kind == Kind::Html || is_xml(kind)
}

fn is_xml(kind: Kind) -> bool {
    use Kind::{Android, AppleStringsDict, FlatOpenDocument, Resx, Tmx, Xliff};
    matches!(kind, Android | AppleStringsDict | FlatOpenDocument | Resx | Tmx | Xliff)
}

/// The encoding in the declaration of XML at the beginning.
fn in_declaration(head: &str) -> Option<Range<usize>> {
    let end = head.trim_start().starts_with("<?xml").then(|| head.find("?>")).flatten()?;
    value(&head[..end], 0, "encoding")
}

/// The encoding in the first element `meta` that names one.
fn in_meta(head: &str) -> Option<Range<usize>> {
    let mut metas = head.match_indices("<meta");
    metas.find_map(|(start, _)| {
        let end = start + head[start..].find('>')?;
        value(&head[..end], start, "charset")
    })
}

/// Where the value of `name` stands, which is looked for from `start` on.
fn value(head: &str, start: usize, name: &str) -> Option<Range<usize>> {
    let behind = start + head[start..].find(name)? + name.len();
    let rest = head[behind..].trim_start().strip_prefix('=')?.trim_start_matches([' ', '"', '\'']);
    let start = head.len() - rest.len();
    let is_end = |c: char| c.is_whitespace() || "\"';>/\\".contains(c);
    let length = rest.find(is_end).unwrap_or(rest.len());
    (length > 0).then(|| start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_found_where_a_format_names_it() {
        for (kind, text, expected) in [
            (Kind::Html, "<html><meta name=a><META CharSet = 'ISO-8859-1'>", Some("ISO-8859-1")),
            (Kind::Html, "<meta content=\"text/html; charset=gbk\" x>", Some("gbk")),
            (Kind::Html, "<p>charset=gbk</p>", None),
            (Kind::Android, "<?xml version='1.0' encoding='us-ascii' ?><a/>", Some("us-ascii")),
            (Kind::Android, "<a encoding='us-ascii'/>", None),
            (Kind::Gettext, "\"Content-Type: text/plain; charset=CHARSET\\n\"", Some("CHARSET")),
            (Kind::Text, "<?xml encoding='gbk'?>", None),
        ] {
            assert_eq!(place(kind, text).map(|at| &text[at]), expected, "{text}");
        }
    }
}
