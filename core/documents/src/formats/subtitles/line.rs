//! A line of a cue: hard spaces, and annotations of WebVTT.

use std::ops::Range;

use dragoman_text::Role;

use crate::block::Builder;

const NBSP: &str = "&nbsp;";

/// Adds the line at `range`.
pub(super) fn add(source: &str, range: Range<usize>, builder: &mut Builder<'_>) {
    let (mut start, mut at) = (range.start, range.start);
    while let Some(found) = source[at..range.end].find(['&', '<']) {
        at += found;
        let rest = &source[at..range.end];
        if rest.starts_with(NBSP) {
            builder.plain(start..at, 0);
            start = at + NBSP.len();
            builder.text("\u{a0}", at..start, 0);
        } else if let Some(length) = ruby(rest) {
            builder.plain(start..at, 0);
            start = at + length;
            add_ruby(source, at..start, builder);
        } else {
            at += 1;
            continue;
        }
        at = start;
    }
    builder.plain(start..range.end, 0);
}

/// Bytes of the annotated words at the beginning of `text`, if it begins with some.
fn ruby(text: &str) -> Option<usize> {
    const END: &str = "</ruby>";
    text.starts_with("<ruby>").then(|| text.find(END)).flatten().map(|end| end + END.len())
}

/// Adds annotated words: their annotation stays behind them, and several in one stay as they are.
fn add_ruby(source: &str, raw: Range<usize>, builder: &mut Builder<'_>) {
    const BEGIN: &str = "<ruby>";
    let text = &source[raw.clone()];
    let annotation = text.find("<rt>").filter(|_| text.matches("<rt").count() == 1);
    let words = raw.start + BEGIN.len()..raw.start + annotation.unwrap_or(BEGIN.len());
    if source[words.clone()].contains('<') || source[words.clone()].trim().is_empty() {
        let shown = text.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text);
        return builder.seen(&shown.collect::<String>(), raw, None);
    }
    builder.mark(Role::Open(BEGIN.to_owned()), raw.start..words.start, None);
    builder.plain(words.clone(), 0);
    builder.mark(Role::Close(BEGIN.to_owned()), words.end..raw.end, None);
}
