//! Letters that the language of the text does not use: they come back as they are.

use super::{Carry, Kind, Piece, Recogniser, Text};
use crate::{
    letters::{Script, base, is_unspaced, script, scripts_of},
    sentence::Role,
};

/// Words in other scripts, and words with letters that neither language has.
pub(super) struct Scripts;

/// The text with a blank of as many bytes in place of each such letter that touches a Latin letter, a
/// digit or the `+` of a number, so that `17:30に` ends where its last digit does.
///
/// Within a hashtag and a handle they stay.
pub(super) fn spaced(text: &str) -> String {
    const BLANK: char = '\u{3000}';
    let mut spaced = String::with_capacity(text.len());
    let (mut before, mut is_tag) = (' ', false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        is_tag &= !c.is_whitespace();
        is_tag |= matches!(c, '#' | '@') && !before.is_ascii_alphanumeric();
        let is_near = before.is_ascii_alphanumeric()
            || chars.peek().is_some_and(|next| next.is_ascii_alphanumeric() || *next == '+');
        let is_blank = is_near && !is_tag && is_unspaced(c) && c.len_utf8() == BLANK.len_utf8();
        spaced.push(if is_blank { BLANK } else { c });
        before = c;
    }
    spaced
}

/// Whether `c` is a letter that languages of Western Europe share.
pub(crate) fn is_western(c: char) -> bool {
    matches!(
        c,
        'à' | 'â'
            | 'ä'
            | 'á'
            | 'ã'
            | 'å'
            | 'æ'
            | 'ç'
            | 'è'
            | 'é'
            | 'ê'
            | 'ë'
            | 'ì'
            | 'í'
            | 'î'
            | 'ï'
            | 'ñ'
            | 'ò'
            | 'ó'
            | 'ô'
            | 'ö'
            | 'õ'
            | 'ø'
            | 'œ'
            | 'ù'
            | 'ú'
            | 'û'
            | 'ü'
            | 'ý'
            | 'ÿ'
            | 'ß'
            | 'À'
            | 'Â'
            | 'Ä'
            | 'Á'
            | 'Ã'
            | 'Å'
            | 'Æ'
            | 'Ç'
            | 'È'
            | 'É'
            | 'Ê'
            | 'Ë'
            | 'Ì'
            | 'Í'
            | 'Î'
            | 'Ï'
            | 'Ñ'
            | 'Ò'
            | 'Ó'
            | 'Ô'
            | 'Ö'
            | 'Õ'
            | 'Ø'
            | 'Œ'
            | 'Ù'
            | 'Ú'
            | 'Û'
            | 'Ü'
            | 'Ý'
            | 'Ÿ'
            | 'ẞ'
            | 'ª'
            | 'º'
    )
}

/// Languages whose letters are those of [`is_western`].
const WESTERN: &[&str] = &["en", "de", "fr", "es", "nl", "it", "pt", "pb", "sv", "da", "nb", "fi"];

impl Recogniser for Scripts {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        let own = scripts_of(text.language);
        let is_western_language = WESTERN.contains(&base(text.language));
        let is_foreign = |c: char| script(c).is_some_and(|script| !own.contains(&script));
        // A run of foreign letters, with the marks and blanks between them.
        let mut run: Option<(usize, usize)> = None;
        let mut add = |(start, end): (usize, usize)| {
            let carry = Carry::Inline(Role::Noun);
            pieces.push(Piece { at: start..end, kind: Kind::Script, carry });
        };
        for (at, c) in text.text.char_indices() {
            let end = at + c.len_utf8();
            if is_foreign(c) {
                run = Some((run.map_or(at, |(start, _)| start), end));
                continue;
            }
            let goes_on =
                !c.is_alphanumeric() && c != '\n' && c != '\t' || c.is_numeric() && !c.is_ascii();
            if !goes_on && let Some(run) = run.take() {
                add(run);
            }
            // Marks that belong to letters before them, and their punctuation.
            let belongs = matches!(c as u32, 0x300..=0x36F | 0x3001..=0x3003 | 0x3008..=0x3011 | 0xFF01..=0xFF20);
            if belongs
                && let Some((_, last)) = &mut run
                && *last == at
            {
                *last = end;
            }
        }
        if let Some(run) = run {
            add(run);
        }
        if !is_western_language {
            return;
        }
        let is_strange =
            |c: char| script(c) == Some(Script::Latin) && !c.is_ascii() && !is_western(c);
        let mut at = 0;
        for word in text
            .text
            .split_inclusive(|c: char| !c.is_alphanumeric() && !matches!(c, '\u{300}'..='\u{36f}'))
        {
            let bare = word.trim_end_matches(|c: char| {
                !c.is_alphanumeric() && !matches!(c, '\u{300}'..='\u{36f}')
            });
            if bare.chars().any(is_strange) {
                pieces.push(Piece {
                    at: at..at + bare.len(),
                    kind: Kind::Script,
                    carry: Carry::Inline(Role::Noun),
                });
            }
            at += word.len();
        }
    }
}
