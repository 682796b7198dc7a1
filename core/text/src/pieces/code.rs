//! Code in back quotes, fences over lines and spans within one; indented code, and quoted values.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

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

/// Blocks of a Markdown text that are indented by four spaces behind a blank line, outside of lists.
pub(super) struct Indented;

/// What tells that a text is Markdown: a heading, a fence, a link.
static MARKDOWN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^#{1,6} \S|^(?:```|~~~)|\]\(\S+\)|^\[[^\]\n]+\]: \S").expect("it is valid")
});

static LIST: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*(?:[-*+]|\d{1,4}[.)])\s").expect("it is valid"));

impl Recogniser for Indented {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        let is_code = |line: &str| line.starts_with("    ") || line.starts_with('\t');
        if !text.text.lines().any(is_code) || !MARKDOWN.is_match(text.text) {
            return;
        }
        // Whether a list goes on: it does until a line stands at the margin again.
        let (mut in_list, mut was_blank) = (false, true);
        let mut block: Option<Range<usize>> = None;
        let mut at = 0;
        for line in text.text.split_inclusive('\n').chain(["."]) {
            let start = at;
            at += line.len();
            if line.trim().is_empty() {
                was_blank = true;
                continue;
            }
            match &mut block {
                Some(block) if is_code(line) => block.end = at,
                _ => {
                    if let Some(block) = block.take().filter(|at| !is_prose(&text.text[at.clone()]))
                    {
                        pieces.push(Piece { at: block, kind: Kind::Code, carry: Carry::Cut });
                    }
                    if is_code(line) && was_blank && !in_list {
                        block = Some(start..at);
                    } else if LIST.is_match(line) {
                        in_list = true;
                    } else if !line.starts_with([' ', '\t']) {
                        in_list = false;
                    }
                }
            }
            was_blank = false;
        }
    }
}

/// Whether all lines of a block read like sentences, as an indented paragraph does.
fn is_prose(block: &str) -> bool {
    let lines = block.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_sentence = |line: &str| {
        line.contains(' ')
            && !line.contains(['=', '{', '}', '<', '>', '$', '|', '`', '\\', ';', '_', '/'])
            && (line.starts_with(char::is_uppercase) || line.ends_with(['.', '!', '?', ':', ',']))
    };
    let mut lines = lines.map(is_sentence);
    lines.all(|is_sentence| is_sentence)
}

/// Quoted values of YAML and JSON on lines of their own: their quotes are no quotation marks.
pub(super) struct Values;

static VALUE: LazyLock<Regex> = LazyLock::new(|| {
    let regex = r#"(?m)^[ \t]*(?:- )?(?:[a-z][A-Za-z0-9_.-]*|"[A-Za-z_][\w.-]*"):[ \t]{1,4}"(?P<v>(?:[^"\\\n]|\\.)+)",?[ \t\r]*$"#;
    Regex::new(regex).expect("it is valid")
});

impl Recogniser for Values {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        for found in VALUE.captures_iter(text.text) {
            let Some(value) = found.name("v") else { continue };
            let whole = found.get_match().range();
            for at in [whole.start..value.start(), value.end()..whole.end] {
                pieces.push(Piece { at, kind: Kind::Code, carry: Carry::Cut });
            }
        }
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

    #[test]
    fn indented_blocks_of_markdown_are_code() {
        let text = "# Setup\n\nRun this:\n\n    npm install\n    npm start\n\nThen go.";
        assert_eq!(pieces(text), ["# ", "    npm install\n    npm start\n"]);
        for prose in [
            "Dear Sir,\n\n    npm install\n",
            "# Title\n\n    It was a dark night.\n\nEnd",
            "# Title\n\n- item\n\n    more of it here\n",
        ] {
            assert!(!pieces(prose).iter().any(|piece| piece.len() > 6), "{prose}");
        }
    }

    #[test]
    fn quotes_of_values_are_kept() {
        assert_eq!(pieces("greeting: \"Good morning\""), ["greeting: \"", "\""]);
        assert_eq!(pieces("  \"title\": \"The house\",\n"), ["  \"title\": \"", "\","]);
        assert!(pieces("She said: \"Good morning\"").is_empty());
        assert!(pieces("Anna: \"Good morning\"").is_empty());
    }
}
