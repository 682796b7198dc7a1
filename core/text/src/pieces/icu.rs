//! Messages of ICU and Fluent: `{n, plural, one {# file} other {# files}}`, whose branches are prose.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{Carry, Kind, Piece, Recogniser, Text};
use crate::sentence::Role;

/// Finds the frame of choices, around their branches.
pub(super) struct Messages;

static HEAD: LazyLock<Regex> = LazyLock::new(|| {
    let regex = r"\{\s{0,9}[\w.$-]+\s{0,9}(?:,\s{0,9}(?:plural|select|selectordinal)\s{0,9},\s{0,9}(?:offset:\d{1,3}\s{0,9})?|->\s{0,9})";
    Regex::new(regex).expect("it is valid")
});

static BRANCH: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[\s,]*(?:=?[\w-]+\s{0,9}\{)").expect("it is valid"));

static FLUENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*\*?\[[\w.-]+\][ \t]{0,9}").expect("it is valid"));

/// Choices within each other at most.
const MAX_DEPTH: usize = 8;

/// Bytes of a message at most: what is longer is no message.
const MAX_BYTES: usize = 20_000;

impl Recogniser for Messages {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        let mut end = 0;
        for head in HEAD.find_iter(text.text) {
            if head.start() < end {
                continue; // within one that was read already
            }
            let limit = text.text.floor_char_boundary(head.start() + MAX_BYTES);
            let mut found = Vec::new();
            let message = &text.text[..limit];
            end = match read(message, head.range(), &mut found, 0) {
                Some(end) => {
                    pieces.append(&mut found);
                    end
                }
                // Not closed, and so no message; what follows is not looked at again.
                None => limit,
            };
        }
    }
}

/// Reads the choice whose head is at `head`, and returns its end.
fn read(text: &str, head: Range<usize>, pieces: &mut Vec<Piece>, depth: usize) -> Option<usize> {
    if depth == MAX_DEPTH {
        return None;
    }
    let cut = |at: Range<usize>, pieces: &mut Vec<Piece>| {
        pieces.push(Piece { at, kind: Kind::Icu, carry: Carry::Cut });
    };
    let is_fluent = text[head.clone()].contains("->");
    let (mut start, mut at) = (head.start, head.end);
    if is_fluent {
        return fluent(text, head, pieces);
    }
    loop {
        let Some(branch) = BRANCH.find(&text[at..]) else {
            let close = text[at..].find(|c: char| !c.is_whitespace())? + at;
            if !text[close..].starts_with('}') {
                return None;
            }
            cut(start..close + 1, pieces);
            return Some(close + 1);
        };
        let body = at + branch.end();
        cut(start..body, pieces);
        let mut depth_here = 0usize;
        let mut inner = body;
        loop {
            let next = text[inner..].find(['{', '}', '#'])? + inner;
            match text.as_bytes()[next] {
                b'#' => {
                    let is_number = depth_here == 0;
                    if is_number {
                        let carry = Carry::Inline(Role::Noun);
                        pieces.push(Piece { at: next..next + 1, kind: Kind::Icu, carry });
                    }
                    inner = next + 1;
                }
                b'{' => match HEAD.find(&text[next..]).filter(|head| head.start() == 0) {
                    Some(head) => {
                        inner = read(text, next..next + head.end(), pieces, depth + 1)?;
                    }
                    None => {
                        depth_here += 1;
                        inner = next + 1;
                    }
                },
                _ if depth_here > 0 => {
                    depth_here -= 1;
                    inner = next + 1;
                }
                _ => {
                    at = next + 1;
                    start = next;
                    break;
                }
            }
        }
    }
}

/// Reads a selector of Fluent: `{ $n -> [one] a file *[other] { $n } files }`.
fn fluent(text: &str, head: Range<usize>, pieces: &mut Vec<Piece>) -> Option<usize> {
    let mut start = head.start;
    let mut at = head.end;
    let mut depth = 0usize;
    let variant = FLUENT.find(&text[at..])?;
    at += variant.end();
    pieces.push(Piece { at: start..at, kind: Kind::Icu, carry: Carry::Cut });
    loop {
        let next = text[at..].find(['{', '}', '['])? + at;
        match text.as_bytes()[next] {
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b'}' => {
                pieces.push(Piece { at: next..next + 1, kind: Kind::Icu, carry: Carry::Cut });
                return Some(next + 1);
            }
            _ => {
                let begins = next - usize::from(text[..next].ends_with('*'));
                if let Some(variant) = FLUENT.find(&text[begins..]).filter(|_| depth == 0) {
                    start = begins;
                    at = begins + variant.end();
                    pieces.push(Piece { at: start..at, kind: Kind::Icu, carry: Carry::Cut });
                    continue;
                }
            }
        }
        at = next + 1;
    }
}

#[cfg(test)]
mod tests {
    fn pieces(text: &str) -> Vec<&str> {
        super::super::find(text, "en").into_iter().map(|piece| &text[piece.at]).collect()
    }

    #[test]
    fn branches_are_prose() {
        assert_eq!(
            pieces(
                "You have {n, plural, =0 {no files} one {# file} other {# files of {user}}} here."
            ),
            ["{n, plural, =0 {", "} one {", "#", "} other {", "#", "{user}", "}}"]
        );
        assert_eq!(
            pieces("{who, select, male {He left} female {She left} other {They left}}"),
            ["{who, select, male {", "} female {", "} other {", "}}"]
        );
        assert_eq!(
            pieces("{ $n -> [one] One file *[other] { $n } files }"),
            ["{ $n -> [one] ", "*[other] ", "{ $n }", "}"]
        );
    }

    #[test]
    fn arguments_with_a_type_are_kept_whole() {
        for argument in [
            "{n, number}",
            "{d, date, short}",
            "{t, time, ::jmm}",
            "{n, spellout}",
            "{0, ordinal}",
            "{n, duration}",
            "{price,number,::currency/USD}",
        ] {
            assert_eq!(pieces(&format!("You see {argument} here.")), [argument]);
        }
        assert_eq!(pieces("{so they say, number by number}"), ["{", "}"]);
    }

    #[test]
    fn what_is_not_closed_is_no_message() {
        assert!(!pieces("{n, plural, one {a").iter().any(|piece| piece.contains("plural, one {")));
    }
}
