//! Code in back quotes: fences over lines, and spans within one.

use super::{Carry, Kind, Piece, Recogniser, Text};
use crate::sentence::Role;

/// Blocks between lines of ``` or ~~~, and the front matter of a document.
pub(super) struct Fences;

impl Recogniser for Fences {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        let mut add = |at| pieces.push(Piece { at, kind: Kind::Code, carry: Carry::Cut });
        let mut open: Option<(usize, char, usize)> = None;
        let mut at = 0;
        for line in text.text.split_inclusive('\n') {
            let start = at;
            at += line.len();
            let body = line.trim().trim_start_matches("> ").trim_start();
            let mark = body.chars().next().filter(|c| matches!(c, '`' | '~' | '$' | '-' | '+'));
            let Some(mark) = mark else { continue };
            let length = body.chars().take_while(|c| *c == mark).count();
            let is_bare = body.len() == length;
            match open {
                Some((from, opened, least)) => {
                    if mark == opened && length >= least && is_bare {
                        add(from..at);
                        open = None;
                    }
                }
                None => {
                    let info = &body[length..];
                    let opens = match mark {
                        '`' => length >= 3 && !info.contains('`'),
                        '~' => length >= 3,
                        '$' => length == 2 && is_bare,
                        _ => length == 3 && is_bare && start == 0,
                    };
                    if opens {
                        open = Some((start, mark, length));
                    }
                }
            }
        }
        // A fence that is not closed goes on to the end; the other blocks were none.
        if let Some((from, '`' | '~', _)) = open {
            add(from..text.text.len());
        }
    }
}

/// Spans: as many back quotes at the end as at the beginning, on one line.
pub(super) struct Spans;

impl Recogniser for Spans {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        let mut start = 0;
        for line in text.text.split_inclusive('\n') {
            spans(line, start, pieces);
            start += line.len();
        }
    }
}

/// Back quotes in a run at most.
const MAX_RUN: usize = 8;

fn spans(line: &str, start: usize, pieces: &mut Vec<Piece>) {
    // Runs of back quotes of each length, last first, so that the next one is found at once.
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let bytes = line.as_bytes();
    let mut at = 0;
    while let Some(next) = line[at..].find('`') {
        let from = at + next;
        let length = bytes[from..].iter().take_while(|byte| **byte == b'`').count();
        runs.push((from, length));
        at = from + length;
    }
    let mut next_of = vec![None; runs.len()];
    let mut last = [None; MAX_RUN + 1];
    for (i, (_, length)) in runs.iter().enumerate().rev() {
        if *length <= MAX_RUN {
            next_of[i] = last[*length].replace(i);
        }
    }
    let mut i = 0;
    while i < runs.len() {
        let Some(close) = next_of[i] else {
            i += 1;
            continue;
        };
        let at = start + runs[i].0..start + runs[close].0 + runs[close].1;
        pieces.push(Piece { at, kind: Kind::Code, carry: Carry::Inline(Role::Noun) });
        i = close + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::find;

    fn pieces(text: &str) -> Vec<&str> {
        find(text, "en").into_iter().map(|piece| &text[piece.at]).collect()
    }

    #[test]
    fn code_is_found_in_its_quotes() {
        assert_eq!(pieces("Run `ls -a` or ``a ` b`` now."), ["`ls -a`", "``a ` b``"]);
        assert_eq!(pieces("Text\n```sh\nls -a\n```\nMore"), ["```sh\nls -a\n```\n"]);
        assert_eq!(pieces("Text\n~~~\nls"), ["~~~\nls"]);
        assert_eq!(pieces("---\ntitle: A\n---\nText"), ["---\ntitle: A\n---\n"]);
    }
}
