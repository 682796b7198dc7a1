//! Where a sentence that is too long for the model is cut.

/// Bytes from which on a part is cut at a clause when the model loses its way in it.
const LONG: usize = 120;

/// Where the clause ends that is nearest to the middle of a long `source`.
pub(super) fn middle_clause(source: &str) -> Option<usize> {
    let length = source.len();
    if length < LONG {
        return None;
    }
    let is_mark = |c: char| matches!(c, ',' | ';' | ':' | '–' | '—' | '，' | '；' | '：' | '、');
    let behind = source.match_indices(is_mark).map(|(at, mark)| at + mark.len());
    let is_end = |&at: &usize| {
        let ends_word = source[at..].starts_with(' ') || !source[..at].ends_with([',', ':']);
        ends_word && 5 * at > length && 5 * at < 4 * length
    };
    behind.filter(is_end).min_by_key(|&at| at.abs_diff(length / 2))
}
