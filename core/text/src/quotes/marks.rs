//! The quotation marks of a text, and the text without them.

use crate::letters::base;

/// Which end of a quotation a mark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Opening,
    Closing,
}

/// A mark of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// Where it stands in the text without marks.
    pub(super) at: usize,
    glyph: char,
    opens: bool,
    closes: bool,
}

/// A text without its marks, and these.
#[derive(Debug)]
pub(super) struct Stripped {
    pub(super) text: String,
    pub(super) marks: Vec<Found>,
    /// Whether a mark stands for inches.
    pub(super) has_inches: bool,
}

/// The marks that a target writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    opening: char,
    closing: char,
    is_spaced: bool,
}

impl Style {
    /// The marks to write in a translation of `source`; `None` for targets whose marks are not known.
    pub(super) fn of(source: &str, target: &str) -> Option<Self> {
        let style = |opening, closing, is_spaced| Self { opening, closing, is_spaced };
        let has = |marks: &[char]| source.contains(marks);
        Some(match base(target) {
            "de" => style('„', '“', false),
            "fr" => style('«', '»', true),
            "es" | "it" | "pt" | "pb" if has(&['«', '»', '„']) => style('«', '»', false),
            "en" | "es" | "it" | "pt" | "pb" | "nl" if has(&['“', '”']) && !has(&['„']) => {
                style('“', '”', false)
            }
            "en" | "es" | "it" | "pt" | "pb" | "nl" => style('"', '"', false),
            _ => return None,
        })
    }
}

fn is_mark(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '‟' | '«' | '»')
}

pub(super) fn is_final(c: char) -> bool {
    matches!(c, '.' | ',' | '!' | '?' | '…' | ';' | ':')
}

/// Whether there are marks of other kinds, of which nothing is known here.
pub(super) fn has_inner_quotes(text: &str) -> bool {
    text.contains(['‹', '›', '「', '」', '『', '』', '`', '‚', '″'])
}

/// `text` without its marks.
pub(super) fn strip(text: &str) -> Stripped {
    let mut stripped =
        Stripped { text: String::with_capacity(text.len()), marks: Vec::new(), has_inches: false };
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_open = stripped.marks.len() % 2 == 1;
        let is_inch = c == '"' && before.is_ascii_digit() && !is_open;
        stripped.has_inches |= is_inch;
        if is_mark(c) && !is_inch {
            let next = chars.peek().copied().unwrap_or(' ');
            stripped.add(c, before, next);
        } else {
            stripped.text.push(c);
        }
        before = c;
    }
    stripped
}

/// `text` without the single marks that are around words; those of `rock 'n' roll` and the apostrophes
/// stay.
pub(super) fn singles(text: &str) -> Stripped {
    let is_single = |c: char| matches!(c, '\'' | '‘' | '’');
    let chars: Vec<char> = text.chars().collect();
    let at = |i: Option<usize>| i.and_then(|i| chars.get(i)).copied().unwrap_or(' ');
    let opens = |i: usize| {
        is_single(chars[i])
            && !at(i.checked_sub(1)).is_alphanumeric()
            && at(Some(i + 1)).is_alphanumeric()
    };
    let closes = |i: usize| {
        is_single(chars[i])
            && !at(i.checked_sub(1)).is_whitespace()
            && !at(Some(i + 1)).is_alphanumeric()
    };
    let mut pairs = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let end =
            opens(i).then(|| (i + 2..chars.len()).find(|j| closes(*j) && j - i > 2)).flatten();
        match end {
            Some(j) => {
                pairs.extend([i, j]);
                i = j + 1;
            }
            None => i += 1,
        }
    }
    let (text, marks) = (String::with_capacity(text.len()), Vec::new());
    let mut stripped = Stripped { text, marks, has_inches: false };
    for (i, c) in chars.iter().enumerate() {
        match pairs.contains(&i) {
            true => stripped.add('"', at(i.checked_sub(1)), at(Some(i + 1))),
            false => stripped.text.push(*c),
        }
    }
    stripped
}

/// How many letters and digits stand before `at`.
pub(super) fn letters_before(text: &str, at: usize) -> usize {
    let end = at.min(text.len());
    text[..end].chars().filter(|c| is_letter(*c)).count()
}

/// Letters, digits, and the characters that stand for words in this crate.
fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c as u32 >= 0xE000 && !(0xF900..0x2_0000).contains(&(c as u32))
}

impl Stripped {
    fn add(&mut self, glyph: char, before: char, next: char) {
        let begins =
            |c: char| c.is_whitespace() || matches!(c, '(' | '[' | '-' | '–' | '—' | '\'' | '’');
        let opens = begins(before) || is_mark(before);
        let closes = !is_letter(next) || is_mark(next);
        self.marks.push(Found { at: self.text.len(), glyph, opens, closes });
    }

    pub(super) fn places(&self) -> Vec<usize> {
        self.marks.iter().map(|mark| mark.at).collect()
    }

    /// Where a place is, as a part of all letters.
    pub(super) fn relative(&self, at: usize) -> f32 {
        let all = letters_before(&self.text, usize::MAX).max(1);
        letters_before(&self.text, at) as f32 / all as f32
    }

    /// Whether what is around a mark lets it be that end of a quotation.
    pub(super) fn may_be(&self, mark: usize, side: Side) -> bool {
        let Found { opens, closes, .. } = self.marks[mark];
        match side {
            Side::Opening => opens,
            Side::Closing => closes,
        }
    }

    /// Whether the marks are pairs that do not stand within each other.
    pub(super) fn is_plain(&self) -> bool {
        let fits = |pair: &[Found]| {
            let [open, close] = pair else { return false };
            matches!(
                (open.glyph, close.glyph),
                ('"', '"')
                    | ('“', '”' | '"')
                    | ('„' | '‟', '“' | '”' | '"')
                    | ('«', '»')
                    | ('»', '«')
                    | ('”', '”')
            )
        };
        self.marks.chunks(2).all(fits)
    }

    /// Whether all pairs have the same marks, and those of one pair are of one kind.
    pub(super) fn is_alike(&self) -> bool {
        let pair = |pair: &[Found]| pair.iter().map(|mark| mark.glyph).collect::<String>();
        let mut pairs = self.marks.chunks(2).map(pair);
        let first = pairs.next().unwrap_or_default();
        let is_mixed = matches!(&*first, "“\"" | "„\"" | "„”");
        !is_mixed && pairs.all(|other| other == first)
    }

    /// Whether a mark that closes stands at the beginning of a word, and not at the end of the one before,
    /// or one that opens the other way.
    pub(super) fn is_torn(&self) -> bool {
        let is_torn = |(i, mark): (usize, &Found)| match i.is_multiple_of(2) {
            true => !mark.opens && mark.closes && self.text[mark.at..].starts_with(' '),
            false => mark.opens && !mark.closes && self.text[..mark.at].ends_with(' '),
        };
        self.marks.iter().enumerate().any(is_torn)
    }

    /// The text with marks at these places and no others.
    pub(super) fn written(&self, places: &[(usize, Side)], style: &Style) -> String {
        let mut text = String::with_capacity(self.text.len() + 4 * places.len());
        let mut at = 0;
        let mut opened = false;
        let push = |text: &mut String, part: &str, opened: bool| {
            let part = if opened { part.trim_start() } else { part };
            // A space on both sides of a mark that went is one space.
            let part = match text.ends_with(' ') {
                true => part.trim_start_matches(' '),
                false => part,
            };
            text.push_str(part);
        };
        let mut gone: Vec<usize> = self.places();
        gone.retain(|place| places.iter().all(|(kept, _)| kept != place));
        let mut stops: Vec<(usize, Option<Side>)> =
            places.iter().map(|(place, side)| (*place, Some(*side))).collect();
        stops.extend(gone.into_iter().map(|place| (place, None)));
        stops.sort_by_key(|(place, _)| *place);
        for (place, side) in stops {
            let place = place.max(at);
            push(&mut text, &self.text[at..place], opened);
            (at, opened) = (place, false);
            match side {
                Some(Side::Opening) => {
                    text.push(style.opening);
                    text.extend(style.is_spaced.then_some(' '));
                    opened = true;
                }
                Some(Side::Closing) => {
                    text.truncate(text.trim_end().len());
                    text.extend(style.is_spaced.then_some(' '));
                    text.push(style.closing);
                    let is_torn = self.text[..place].ends_with(' ')
                        && self.text[place..].starts_with(is_letter);
                    text.extend(is_torn.then_some(' '));
                    // `?"?`, as models write it
                    let last = self.text[..place].trim_end().chars().next_back();
                    let is_twice = |c: &char| is_final(*c) && self.text[at..].starts_with(*c);
                    at += last.filter(is_twice).map_or(0, char::len_utf8);
                }
                None => {
                    let last = text.trim_end().chars().next_back();
                    let is_twice = |c: &char| is_final(*c) && self.text[at..].starts_with(*c);
                    at += last.filter(is_twice).map_or(0, char::len_utf8);
                }
            }
        }
        push(&mut text, &self.text[at..], opened);
        text
    }
}
