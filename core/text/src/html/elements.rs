//! What an element is to the sentences around it.

use crate::options::Tags;

/// Elements that stand within a sentence.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "data", "del", "dfn", "em", "font",
    "i", "ins", "label", "mark", "q", "s", "small", "span", "strike", "strong", "sub", "sup",
    "time", "tt", "u",
];

/// Elements without content that stand within a sentence.
const POINTS: &[&str] = &["img", "input", "wbr"];

/// Elements that stand within a sentence and are kept as they are.
const OPAQUE_INLINE: &[&str] = &["code", "kbd", "samp", "var", "math"];

/// Other elements that are kept as they are.
const OPAQUE: &[&str] =
    &["pre", "script", "style", "textarea", "template", "svg", "iframe", "object", "noscript"];

/// Elements that have no end.
const VOID: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];

/// Elements that end a sentence, also where a caller wants them kept.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "html",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "section",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
];

/// Where an element stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Around words of a sentence.
    Inline,
    /// Between words of a sentence.
    Point,
    /// It is kept with all that is in it: as a word of a sentence, or between two.
    Opaque {
        /// Whether it may be a word.
        is_inline: bool,
        /// Whether it is one even without content: a caller has put it where something will stand.
        is_placeholder: bool,
    },
    /// Between sentences.
    Block,
}

/// Says of elements where they stand.
pub(crate) trait Elements {
    /// Where the element stands that the token with this number opens; `keep` when its author wants
    /// it untranslated.
    fn open(&self, token: usize, name: &str, keep: bool) -> Place;

    /// Where the element without content stands that the token with this number is.
    fn empty(&self, token: usize, name: &str) -> Place {
        match self.is_inline(token, name) {
            true => Place::Point,
            false => Place::Block,
        }
    }

    /// Whether the element that the token with this number closes stands within a sentence.
    fn is_inline(&self, token: usize, name: &str) -> bool;

    /// Whether an element of this name has no end.
    fn is_void(&self, name: &str) -> bool;

    /// Whether an element of this name can be in one that is a word.
    fn may_be_in_word(&self, name: &str) -> bool;
}

/// The elements of HTML, but for what a caller wants of some.
pub(crate) struct HtmlElements<'a>(pub(crate) &'a Tags);

impl HtmlElements<'_> {
    fn names(list: &[String], name: &str) -> bool {
        list.iter().any(|one| one.eq_ignore_ascii_case(name))
    }
}

impl Elements for HtmlElements<'_> {
    fn open(&self, token: usize, name: &str, keep: bool) -> Place {
        let is_void = VOID.contains(&name);
        let is_ignored = Self::names(&self.0.ignore, name);
        let is_opaque = OPAQUE.contains(&name) || OPAQUE_INLINE.contains(&name);
        let is_inline = self.is_inline(token, name);
        if (keep || is_opaque || is_ignored) && !is_void {
            let is_word = OPAQUE_INLINE.contains(&name)
                || is_ignored && !BLOCKS.contains(&name) && !OPAQUE.contains(&name);
            let is_splitting = Self::names(&self.0.splitting, name);
            let is_inline = (is_inline || is_word) && !is_splitting;
            return Place::Opaque { is_inline, is_placeholder: is_ignored };
        }
        let is_point = POINTS.contains(&name) && !Self::names(&self.0.splitting, name);
        match is_inline {
            _ if is_point => Place::Point,
            true if is_void => Place::Point,
            true => Place::Inline,
            false => Place::Block,
        }
    }

    fn is_inline(&self, _: usize, name: &str) -> bool {
        if Self::names(&self.0.splitting, name) {
            return false;
        }
        INLINE.contains(&name) || Self::names(&self.0.non_splitting, name)
    }

    fn is_void(&self, name: &str) -> bool {
        VOID.contains(&name)
    }

    fn may_be_in_word(&self, name: &str) -> bool {
        INLINE.contains(&name) || OPAQUE_INLINE.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_can_change_what_an_element_is() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let tags = Tags {
            ignore: list(&["x", "P"]),
            splitting: list(&["b"]),
            non_splitting: list(&["div", "br"]),
            no_outline: false,
        };
        let elements = HtmlElements(&tags);
        let open = |name| elements.open(0, name, false);
        assert_eq!(open("x"), Place::Opaque { is_inline: true, is_placeholder: true });
        assert_eq!(open("p"), Place::Opaque { is_inline: false, is_placeholder: true });
        assert_eq!(
            [open("b"), open("i"), open("div")],
            [Place::Block, Place::Inline, Place::Inline]
        );
        assert_eq!(
            [open("br"), open("img"), open("td")],
            [Place::Point, Place::Point, Place::Block]
        );
        assert!(elements.is_inline(0, "div") && !elements.is_inline(0, "b"));
    }
}
