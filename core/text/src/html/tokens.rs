//! The tokens of a document, which together are its bytes.

use std::{convert::Infallible, ops::Range};

use html5gum::{
    Span, Tokenizer,
    emitters::callback::{CallbackEmitter, CallbackEvent},
};

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) raw: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Text,
    /// An opening tag, and whether its author wants the element translated, if that is said.
    Open {
        name: String,
        translate: Option<bool>,
    },
    Close {
        name: String,
    },
    /// An element of XML without content, `<x/>`.
    Empty {
        name: String,
    },
    /// A comment, a doctype, or what the tokenizer dropped.
    Other,
}

/// Reads `html`, whatever it is: every byte is in exactly one token.
pub(crate) fn read(html: &str) -> Vec<Token> {
    let mut reader = Reader { html, tokens: Vec::new(), end: 0, open: None };
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, span: Span<usize>| {
        reader.event(event, span.start..span.end);
        None::<Infallible>
    });
    emitter.naively_switch_states(true);
    let Ok(()) = Tokenizer::new_with_emitter(html, emitter).finish();
    reader.push(TokenKind::Other, html.len());
    reader.tokens
}

struct Reader<'a> {
    html: &'a str,
    tokens: Vec<Token>,
    /// How far the tokens go.
    end: usize,
    /// The opening tag that is being read: its name, whether to translate it, the attribute at hand.
    open: Option<(String, Option<bool>, Vec<u8>)>,
}

impl Reader<'_> {
    fn event(&mut self, event: CallbackEvent<'_>, span: Range<usize>) {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.open = Some((lower(name), None, Vec::new()));
            }
            CallbackEvent::AttributeName { name } => {
                if let Some((_, _, attribute)) = &mut self.open {
                    *attribute = name.to_vec();
                }
            }
            CallbackEvent::AttributeValue { value } => {
                if let Some((_, translate, attribute)) = &mut self.open {
                    // Who forbids it in any way is heard.
                    let said = [*translate, says(attribute, value)];
                    *translate = said.into_iter().flatten().min();
                }
            }
            CallbackEvent::CloseStartTag { .. } => {
                if let Some((name, translate, _)) = self.open.take() {
                    self.push(TokenKind::Open { name, translate }, span.end);
                }
            }
            CallbackEvent::EndTag { name } => {
                self.push(TokenKind::Close { name: lower(name) }, span.end);
            }
            CallbackEvent::String { .. } => {
                self.push(TokenKind::Other, span.start);
                self.push(TokenKind::Text, span.end);
            }
            CallbackEvent::Comment { .. } | CallbackEvent::Doctype { .. } => {
                self.push(TokenKind::Other, span.end);
            }
            CallbackEvent::Error(_) => {}
        }
    }

    /// Adds a token from the end of the last one to `end`, if that makes one.
    fn push(&mut self, kind: TokenKind, end: usize) {
        if self.end < end && self.html.is_char_boundary(end) {
            self.tokens.push(Token { kind, raw: self.end..end });
            self.end = end;
        }
    }
}

fn lower(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_lowercase()
}

/// Whether an attribute asks for translation or forbids it.
fn says(attribute: &[u8], value: &[u8]) -> Option<bool> {
    let value = lower(value);
    match attribute {
        b"translate" => match value.trim() {
            "no" => Some(false),
            "yes" => Some(true),
            _ => None,
        },
        // Mentions and hashtags, as Mastodon marks them.
        b"class" => {
            let kept = ["notranslate", "mention", "hashtag"];
            value.split_whitespace().any(|class| kept.contains(&class)).then_some(false)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(html: &str) -> Vec<&str> {
        read(html).into_iter().map(|token| &html[token.raw]).collect()
    }

    #[test]
    fn tokens_stand_where_they_are_written() {
        assert_eq!(
            raw(
                "<!doctype html>\r\n<p class='a > b'\n id=x>Tom &amp; J\u{e9}r\r\n<br/>a < b</P >\n<!-- c -->é"
            ),
            [
                "<!doctype html>",
                "\r\n",
                "<p class='a > b'\n id=x>",
                "Tom &amp; J\u{e9}r\r\n",
                "<br/>",
                "a < b",
                "</P >",
                "\n",
                "<!-- c -->",
                "é"
            ]
        );
        assert_eq!(
            raw("<script>if (a < b) \"</p>\"</script>x<title>A &lt; <b></title>"),
            [
                "<script>",
                "if (a < b) \"</p>\"",
                "</script>",
                "x",
                "<title>",
                "A &lt; <b>",
                "</title>"
            ]
        );
    }

    #[test]
    fn authors_can_forbid_translation() {
        let says = |html| match &read(html)[0].kind {
            TokenKind::Open { translate, .. } => *translate,
            _ => None,
        };
        let keeps = |html| says(html) == Some(false);
        assert!(keeps("<p translate=no>") && keeps("<P id=x TRANSLATE='No'>"));
        assert!(keeps("<b class='big notranslate'>"));
        assert!(!keeps("<p translate>") && !keeps("<p class=no>") && !keeps("<p translate=yes>"));
        assert!(says("<p translate=yes>") == Some(true) && says("<p>").is_none());
        assert!(keeps("<p translate=yes class=notranslate>"));
    }

    proptest! {
        #[test]
        fn tokens_are_the_document(
            html in "(<|>|</|/>|&amp;|&|;|b|p|<b>|</b>|<p |<br/>|<!--|-->|\"|'|=| |\r\n|\n|é|字|x|<script>|</script>|<title>|\\PC){0,40}"
        ) {
            prop_assert_eq!(raw(&html).concat(), html);
        }
    }
}
