//! Quotation marks of a translation: as many as its source has, in pairs, and of one kind.
//!
//! Models lose the end of a quotation, invent marks, and open one with a mark of one language to close
//! it with that of another. Where the marks of the source are in plain pairs, those of the translation
//! become so: what is too much goes, what is missing is put where the source has it, beside the same
//! punctuation; if there is no such place, the one that is alone goes, too. Quotations within each
//! other, and targets with marks of their own, stay as the model has them.

mod marks;

use self::marks::{Side, Stripped, Style, has_inner_quotes, letters_before, singles, strip};
use crate::letters::base;

/// Marks of a text at most that are looked at.
const MAX_MARKS: usize = 8;

/// How far apart, as a part of all letters, a place may be from that of the source.
const NEAR: f32 = 0.3;

/// `translation` into `target` with the quotation marks that `source` has.
pub(crate) fn paired(source: &str, translation: &str, target: &str) -> String {
    let kept = || spaced(source, translation, target);
    if translation.to_lowercase() == source.to_lowercase() {
        return kept(); // not translated
    }
    let Some(own) = Style::of(source, target) else { return kept() };
    let ours = strip(translation);
    let mut theirs = strip(source);
    if theirs.marks.is_empty() {
        if ours.marks.is_empty() || theirs.has_inches || has_inner_quotes(source) {
            return kept();
        }
        theirs = singles(source);
        if theirs.marks.is_empty() {
            return ours.written(&[], &own);
        }
    }
    let (wanted, found) = (theirs.marks.len(), ours.marks.len());
    if wanted > MAX_MARKS || found > MAX_MARKS || found == 0 && wanted > 1 {
        return kept();
    }
    if wanted == 1 {
        return of_one(&theirs, &ours, &own).unwrap_or_else(kept);
    }
    if wanted % 2 == 1 || !theirs.is_plain() {
        return kept();
    }
    if wanted == found && ours.is_plain() && ours.is_alike() && !ours.is_torn() {
        return kept();
    }
    let places = match found {
        _ if found == wanted => Some(alternating(ours.places())),
        _ if found > wanted => best_of(&theirs, &ours).map(alternating),
        _ if found + 1 == wanted => with_missing(&theirs, &ours, target),
        _ => None,
    };
    ours.written(&places.unwrap_or_default(), &own)
}

/// `translation` with the space that French has between its marks and what they enclose, unless the source is
/// written without, as in Switzerland.
fn spaced(source: &str, translation: &str, target: &str) -> String {
    let is_french = base(target) == "fr";
    if !is_french || source.contains('«') || !translation.contains(['«', '»']) {
        return translation.to_owned();
    }
    let mut text = String::with_capacity(translation.len() + 4);
    let mut before = ' ';
    for c in translation.chars() {
        let is_torn = c == '»' && !before.is_whitespace() || before == '«' && !c.is_whitespace();
        text.extend(is_torn.then_some(' '));
        text.push(c);
        before = c;
    }
    text
}

/// Places of marks that open and close in turn.
fn alternating(places: Vec<usize>) -> Vec<(usize, Side)> {
    let side = |i: usize| if i.is_multiple_of(2) { Side::Opening } else { Side::Closing };
    places.into_iter().enumerate().map(|(i, at)| (at, side(i))).collect()
}

/// A sentence out of a longer quotation has one mark, mostly at its beginning or its end.
fn of_one(theirs: &Stripped, ours: &Stripped, own: &Style) -> Option<String> {
    let at = theirs.marks[0].at;
    let (before, all) =
        (letters_before(&theirs.text, at), letters_before(&theirs.text, usize::MAX));
    let (first, last) = (ours.marks.first(), ours.marks.last());
    if before == 0 {
        let at = first.map_or(0, |mark| mark.at);
        let at = if letters_before(&ours.text, at) == 0 { at } else { 0 };
        Some(ours.written(&[(at, Side::Opening)], own))
    } else if before == all {
        let is_last =
            |at: &usize| letters_before(&ours.text, *at) == letters_before(&ours.text, usize::MAX);
        let at = last.map(|mark| mark.at).filter(is_last);
        Some(ours.written(&[(at.unwrap_or(end_of(at_end(theirs), ours)), Side::Closing)], own))
    } else if let [mark] = ours.marks[..] {
        let side = match (theirs.may_be(0, Side::Opening), theirs.may_be(0, Side::Closing)) {
            (true, false) => Side::Opening,
            (false, true) => Side::Closing,
            _ => return None,
        };
        Some(ours.written(&[(mark.at, side)], own))
    } else {
        None
    }
}

/// Whether the last mark of a text stands behind its final punctuation.
fn at_end(text: &Stripped) -> bool {
    text.marks.last().is_some_and(|mark| text.text[mark.at..].trim().is_empty())
}

/// Where a mark closes a quotation that the sentence ends in.
fn end_of(is_behind: bool, ours: &Stripped) -> usize {
    let text = ours.text.trim_end();
    match is_behind {
        true => text.len(),
        false => text.trim_end_matches(|c: char| marks::is_final(c) || c == ' ').len(),
    }
}

/// Those places of `ours` that are most like those of `theirs`.
fn best_of(theirs: &Stripped, ours: &Stripped) -> Option<Vec<usize>> {
    let (wanted, found) = (theirs.marks.len(), ours.marks.len());
    let mut best: Option<(f32, Vec<usize>)> = None;
    for chosen in 0u32..1 << found {
        if chosen.count_ones() as usize != wanted {
            continue;
        }
        let chosen: Vec<usize> = (0..found).filter(|i| chosen >> i & 1 == 1).collect();
        let cost = (0..wanted).map(|i| cost(theirs, i, ours, chosen[i])).sum();
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, chosen.into_iter().map(|i| ours.marks[i].at).collect()));
        }
    }
    best.map(|(_, places)| places)
}

/// How unlike the mark `j` of `ours` is to the mark `i` of `theirs`.
fn cost(theirs: &Stripped, i: usize, ours: &Stripped, j: usize) -> f32 {
    let side = if i.is_multiple_of(2) { Side::Opening } else { Side::Closing };
    let misplaced = if ours.may_be(j, side) { 0.0 } else { 0.4 };
    (theirs.relative(theirs.marks[i].at) - ours.relative(ours.marks[j].at)).abs() + misplaced
}

/// The places of `ours` and that of the one mark that is missing.
fn with_missing(theirs: &Stripped, ours: &Stripped, target: &str) -> Option<Vec<(usize, Side)>> {
    let wanted = theirs.marks.len();
    let cost_without = |missing: usize| -> f32 {
        let others = (0..wanted).filter(|i| *i != missing);
        others.enumerate().map(|(j, i)| cost(theirs, i, ours, j)).sum()
    };
    let missing = (0..wanted).min_by(|a, b| cost_without(*a).total_cmp(&cost_without(*b)))?;
    let at = match missing.is_multiple_of(2) {
        true => opening_place(theirs, missing, ours)?,
        false => closing_place(theirs, missing, ours, target)?,
    };
    let mut places = ours.places();
    places.insert(missing, at);
    places.is_sorted().then(|| alternating(places))
}

/// Where the opening mark `missing` of `theirs` belongs: at the beginning, or behind a colon.
fn opening_place(theirs: &Stripped, missing: usize, ours: &Stripped) -> Option<usize> {
    let at = theirs.marks[missing].at;
    if letters_before(&theirs.text, at) == 0 {
        return Some(0);
    }
    let mark =
        theirs.text[..at].trim_end().chars().next_back().filter(|c| matches!(c, ':' | ','))?;
    nearest(theirs.relative(at), ours, mark).map(|(_, behind)| behind)
}

/// Where the closing mark `missing` of `theirs` belongs: at the end, or beside the same punctuation.
fn closing_place(
    theirs: &Stripped,
    missing: usize,
    ours: &Stripped,
    target: &str,
) -> Option<usize> {
    let at = theirs.marks[missing].at;
    if letters_before(&theirs.text, at) == letters_before(&theirs.text, usize::MAX) {
        return Some(end_of(theirs.text[at..].trim().is_empty(), ours));
    }
    let inside = theirs.text[..at].trim_end().chars().next_back().filter(|c| marks::is_final(*c));
    let mark = inside.or(theirs.text[at..].chars().next().filter(|c| marks::is_final(*c)))?;
    let (before, behind) = nearest(theirs.relative(at), ours, mark)?;
    // English puts a comma into the quotation, and the others behind it.
    Some(if mark == ',' && target != "en" { before } else { behind })
}

/// The place of the `mark` that is nearest to `relative`: before it, and behind it.
fn nearest(relative: f32, ours: &Stripped, mark: char) -> Option<(usize, usize)> {
    let distance = |at: usize| (ours.relative(at) - relative).abs();
    let places = ours.text.match_indices(mark).map(|(at, _)| at);
    let ends = |at: &usize| ours.text[at + mark.len_utf8()..].starts_with(' ');
    let near = places.filter(ends).filter(|at| distance(*at) <= NEAR);
    let at = near.min_by(|a, b| distance(*a).total_cmp(&distance(*b)))?;
    Some((ours.text[..at].trim_end().len(), at + mark.len_utf8()))
}

#[cfg(test)]
mod tests;
