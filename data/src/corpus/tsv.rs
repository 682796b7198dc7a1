//! `source<TAB>target[<TAB>set]`, one pair a line; a first line may name the columns.

use std::collections::BTreeSet;

use super::{Line, Pair, input::Input};
use crate::{
    Result,
    lang::{Language, base_code},
};

/// Lines, and bytes, that are looked at before the first pair is handed out.
const LOOKED_AT: (usize, usize) = (1000, 1 << 20);
/// Sets that a few lines may name.
const FEW_SETS: usize = 4;

/// Which columns hold what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Columns {
    source: usize,
    target: usize,
    set: Option<usize>,
}

/// The pairs of a file for a pair of languages.
///
/// # Errors
/// Refuses a file in which no line has a tab, and one whose first line names other languages.
pub(super) fn lines(
    mut input: Input,
    languages: [&str; 2],
) -> Result<impl Iterator<Item = Result<Line>> + Send + use<>, String> {
    let mut start = Vec::new();
    let mut bytes = 0;
    while start.len() < LOOKED_AT.0 && bytes < LOOKED_AT.1 {
        let Some(line) = input.next() else { break };
        bytes += line.1.as_ref().map_or(0, |text| text.as_ref().map_or(0, String::len));
        start.push(line);
    }
    let texts: Vec<&str> =
        start.iter().filter_map(|(_, text)| text.as_ref().ok()?.as_deref()).collect();
    check_tabs(&texts)?;
    let header = texts.first().map_or(Ok(None), |first| header(first, languages))?;
    let columns =
        header.unwrap_or(Columns { source: 0, target: 1, set: names_sets(&texts).then_some(2) });
    let has_header = header.is_some();
    Ok(start.into_iter().chain(input).skip(usize::from(has_header)).map(move |(number, text)| {
        let pair = text?.ok_or("not UTF-8".to_owned()).and_then(|text| parse(&text, columns));
        Ok(Line { number, pair })
    }))
}

/// Refuses a file that is not tab-separated at all.
fn check_tabs(texts: &[&str]) -> Result<(), String> {
    let filled = texts.iter().filter(|text| !text.trim().is_empty()).count();
    if filled == 0 || texts.iter().any(|text| text.contains('\t')) {
        return Ok(());
    }
    let most_have = |sign| 2 * texts.iter().filter(|text| text.contains(sign)).count() > filled;
    let looks = match [',', ';'].into_iter().find(|&sign| most_have(sign)) {
        Some(sign) => format!("; it looks like CSV, with `{sign}` between the columns"),
        None => String::new(),
    };
    Err(format!(
        "none of its first {filled} lines has a tab between source and target{looks}. Save it as \
         tab-separated text in UTF-8, or as JSON Lines"
    ))
}

/// The columns that a first line names; none if it is a pair like the others.
fn header(line: &str, languages: [&str; 2]) -> Result<Option<Columns>, String> {
    let cells: Vec<String> =
        line.split('\t').map(|cell| cell.trim().trim_matches('"').to_lowercase()).collect();
    let is = |cell: &str, role: &[&str], language: &str| {
        let name = Language::find(language).map(|language| language.name.to_lowercase());
        let is_code = cell.len() <= 7 && base_code(cell) == base_code(language);
        is_code || role.contains(&cell) || name.is_some_and(|name| name == cell)
    };
    let source = cells.iter().position(|cell| is(cell, &["source", "src"], languages[0]));
    let target = cells.iter().position(|cell| is(cell, &["target", "tgt", "trg"], languages[1]));
    if let (Some(source), Some(target)) = (source, target) {
        let names = ["set", "domain", "corpus"];
        let set = cells.iter().position(|cell| names.contains(&cell.as_str()));
        return Ok(Some(Columns { source, target, set }));
    }
    let named: Vec<&str> = (cells.iter().take(2))
        .filter_map(|cell| Language::find(cell).filter(|language| language.code == cell))
        .map(|language| language.code)
        .collect();
    match named.as_slice() {
        [first, second] if first != second && languages.iter().any(|l| named.contains(l)) => {
            Err(format!(
                "its first line names the languages {first} and {second}, not {} and {}",
                languages[0], languages[1]
            ))
        }
        _ => Ok(None),
    }
}

/// Whether third columns name sets: values come again and again, as those of an attribution do not.
fn names_sets(texts: &[&str]) -> bool {
    let thirds: Vec<&str> = texts.iter().filter_map(|text| text.split('\t').nth(2)).collect();
    let distinct = thirds.iter().collect::<BTreeSet<_>>().len();
    distinct <= FEW_SETS || 2 * distinct <= thirds.len()
}

fn parse(text: &str, columns: Columns) -> Result<Pair, String> {
    let cells: Vec<&str> = text.split('\t').collect();
    let cell = |column: usize| cells.get(column).map(|&cell| cell.to_owned());
    match (cells.len(), cell(columns.source), cell(columns.target)) {
        (2.., Some(source), Some(target)) => {
            Ok(Pair { source, target, set: columns.set.and_then(cell) })
        }
        (0 | 1, ..) => Err("no tab between source and target".to_owned()),
        (count, ..) => Err(format!("only {count} columns")),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, Result};

    use crate::corpus::{Corpus, Pair};

    fn read(text: &str) -> Result<Vec<Result<Pair, String>>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("en-de.tsv");
        fs_err::write(&path, text)?;
        let lines = Corpus::from_name(&path)?.lines()?;
        Ok(lines.map(|line| Ok(line?.pair)).collect::<crate::Result<_>>()?)
    }

    fn pair(source: &str, target: &str, set: Option<&str>) -> Result<Pair, String> {
        Ok(Pair { source: source.into(), target: target.into(), set: set.map(str::to_owned) })
    }

    #[test]
    fn a_first_line_of_names_says_where_the_columns_are() -> Result<()> {
        for header in ["source\ttarget", "en\tde", "English\tGerman", "en-US\tde-DE"] {
            assert_eq!(read(&format!("{header}\na\tb\n"))?, [pair("a", "b", None)], "{header}");
        }
        let turned = read("id\tde\ten\tdomain\n7\teins\tone\tx\n8\tzwei\ttwo\n")?;
        assert_eq!(turned, [pair("one", "eins", Some("x")), pair("two", "zwei", None)]);
        assert_eq!(read("German\tDeutsch\n")?, [pair("German", "Deutsch", None)], "no header");
        let error = read("en\tfr\na\tb\n").err().context("other languages")?.to_string();
        assert!(error.contains("en and fr, not en and de"), "{error}");
        Ok(())
    }

    #[test]
    fn a_third_column_that_is_new_on_each_line_names_no_sets() -> Result<()> {
        let line = |i: u32| format!("Room {i}.\tZimmer {i}.\tby the author of {}\n", i * 7919);
        let pairs = read(&(1..=30).map(line).collect::<String>())?;
        assert!(pairs.iter().flatten().all(|pair| pair.set.is_none()) && pairs.len() == 30);
        let line = |i: u32| format!("Room {i}.\tZimmer {i}.\tset {}\n", i % 6);
        let pairs = read(&(1..=30).map(line).collect::<String>())?;
        assert!(pairs.iter().flatten().all(|pair| pair.set.is_some()) && pairs.len() == 30);
        Ok(())
    }

    #[test]
    fn commas_are_no_tabs() -> Result<()> {
        let error = read("source,target\none,eins\n").err().context("CSV")?.to_string();
        assert!(error.contains("en-de.tsv") && error.contains("looks like CSV"), "{error}");
        assert!(read("\n\n")?.iter().all(std::result::Result::is_err), "blank lines are malformed");
        Ok(())
    }
}
