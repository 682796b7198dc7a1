//! One phrase a line in several languages: the first line names them, `en<TAB>de<TAB>fr`.

use super::{Line, Pair, input::Input};
use crate::Result;

/// The languages that the first line names.
pub(super) fn header(mut input: Input) -> Result<Vec<String>, String> {
    match input.next() {
        Some((_, Ok(Some(line)))) => Ok(line.split('\t').map(str::to_owned).collect()),
        Some((_, Err(error))) => Err(error.to_string()),
        Some((_, Ok(None))) => Err("not UTF-8".to_owned()),
        None => Err("it is empty, and so names no languages".to_owned()),
    }
}

/// The pairs of two columns, from the second line on.
pub(super) fn lines(
    input: Input,
    columns: [usize; 2],
    width: usize,
) -> impl Iterator<Item = Result<Line>> + Send {
    input.skip(1).map(move |(number, text)| {
        let pair = text?.ok_or("not UTF-8".to_owned());
        Ok(Line { number, pair: pair.and_then(|text| parse(&text, columns, width)) })
    })
}

fn parse(text: &str, columns: [usize; 2], width: usize) -> Result<Pair, String> {
    let cells: Vec<&str> = text.split('\t').collect();
    if cells.len() != width {
        return Err(format!("{} cells instead of {width}", cells.len()));
    }
    let [source, target] = columns.map(|column| cells[column].to_owned());
    Ok(Pair { source, target, set: None })
}

#[cfg(test)]
mod tests {
    use crate::{Result, corpus::Corpus};

    #[test]
    fn the_first_language_is_paired_with_each_of_the_others() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("phrases.tsv");
        fs_err::write(&path, "en\tde\tnl\nyes\tja\tja\nno\tnein\nthe bee\tdie Biene\tde bij\n")?;
        let corpora = Corpus::table(&path)?;
        let pairs: Vec<_> =
            corpora.iter().map(|c| (c.source.as_str(), c.target.as_str())).collect();
        assert_eq!(pairs, [("en", "de"), ("en", "nl")]);
        let lines = corpora[1].lines()?.collect::<Result<Vec<_>>>()?;
        assert_eq!(lines[1].pair, Err("2 cells instead of 3".into()));
        let last = lines[2].pair.as_ref().expect("a whole line");
        assert_eq!(
            (lines[2].number, last.source.as_str(), last.target.as_str()),
            (4, "the bee", "de bij")
        );
        Ok(())
    }

    #[test]
    fn a_table_without_languages_is_refused() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("phrases.tsv");
        for text in ["", "en\n", "Good morning.\tGuten Morgen.\n"] {
            fs_err::write(&path, text)?;
            let error = Corpus::table(&path).expect_err("no header").to_string();
            assert!(error.contains("phrases.tsv") && error.contains("languages"), "{error}");
        }
        Ok(())
    }
}
