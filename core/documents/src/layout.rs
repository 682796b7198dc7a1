//! Lays text out anew: over lines, and over the places that a sentence runs across.

/// Where `text` is cut so that its parts have about the share that the parts of `source` have, which
/// `joints` end; there are as many cuts as joints.
pub(crate) fn cuts(source: &str, joints: &[usize], text: &str) -> Vec<usize> {
    let places = places(text);
    let total = source.chars().count().max(1);
    let mut cuts = Vec::with_capacity(joints.len());
    let mut first = 0;
    for (number, joint) in joints.iter().enumerate() {
        let share = source[..*joint].chars().count() as f64 / total as f64;
        let wanted = (text.len() as f64 * share) as usize;
        // Each part behind this one is to have a word, too.
        let last = places.len().saturating_sub(joints.len() - 1 - number);
        let last = last.max(first + 1).min(places.len());
        let own = places.get(first..last).unwrap_or_default();
        let best = (0..own.len()).min_by_key(|&at| own[at].abs_diff(wanted));
        match best {
            Some(at) => {
                cuts.push(own[at]);
                first += at + 1;
            }
            None => cuts.push(text.len()),
        }
    }
    cuts
}

/// The part with this number of `text`, which is cut at `cuts`.
pub(crate) fn part<'a>(text: &'a str, cuts: &[usize], number: usize) -> &'a str {
    let start = number.checked_sub(1).and_then(|before| cuts.get(before)).copied().unwrap_or(0);
    let end = cuts.get(number).copied().unwrap_or(text.len());
    text.get(start..end.max(start)).unwrap_or_default().trim()
}

/// Where a line may end in `text`: before spaces that stand in no tag, and where there are none, as in
/// Chinese, behind any sign.
fn places(text: &str) -> Vec<usize> {
    let spaces = spaces(text);
    let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
    let is_spaced = spaces.len() * 20 > letters || !text.chars().any(|c| c > '\u{e00}');
    if is_spaced {
        return spaces;
    }
    let is_start = |c: char| c.is_alphanumeric();
    text.char_indices().skip(1).filter(|(_, c)| is_start(*c)).map(|(at, _)| at).collect()
}

fn spaces(text: &str) -> Vec<usize> {
    let mut depth = 0usize;
    let mut spaces: Vec<usize> = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '<' | '{' => depth += 1,
            '>' | '}' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 => spaces.push(at),
            _ => {}
        }
    }
    spaces
}

/// `text` broken at spaces into `count` lines of about the same length; not within a tag.
pub(crate) fn in_lines(text: &str, count: usize, end: &str) -> String {
    let text = text.replace(end, " ");
    let spaces = spaces(&text);
    let mut out = String::with_capacity(text.len());
    let mut start = 0;
    for left in (2..=count).rev() {
        let middle = start + (text.len() - start) / left;
        let behind = spaces.iter().copied().filter(|at| *at > start);
        let Some(at) = behind.min_by_key(|at| at.abs_diff(middle)) else { break };
        out.push_str(&text[start..at]);
        out.push_str(end);
        start = at + 1;
    }
    out.push_str(&text[start..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(source: &str, text: &str) -> Vec<String> {
        let joints: Vec<usize> = source.match_indices('|').map(|(at, _)| at).collect();
        let cuts = cuts(&source.replace('|', " "), &joints, text);
        (0..=joints.len()).map(|number| part(text, &cuts, number).to_owned()).collect()
    }

    #[test]
    fn parts_have_the_share_that_they_had() {
        assert_eq!(parts("a bb ccc|dddd eeeee", "AA BBB C DDDDD"), ["AA BBB", "C DDDDD"]);
        assert_eq!(parts("one|two|three", "eins zwei"), ["eins", "zwei", ""]);
        assert_eq!(parts("a long first part|b|c", "eins zwei drei"), ["eins", "zwei", "drei"]);
        assert_eq!(
            parts("one two|three four", "\u{4e00}\u{4e8c}\u{4e09}\u{56db}")
                .concat()
                .chars()
                .count(),
            4
        );
    }
}
