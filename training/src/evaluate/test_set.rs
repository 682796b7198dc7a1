//! Reads test sets: pairs in TSV files, and parallel files of one language each.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use fs_err::File;
use tracing::warn;

use super::LanguagePair;
use crate::{Error, Result};

/// Sentences and their translations by people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestSet {
    /// Name in tables, such as `flores-dev`; empty where there is only one set.
    pub name: String,
    /// Language of the sources and of the references.
    pub pair: LanguagePair,
    /// What the model sees.
    pub sources: Vec<String>,
    /// What a person made of it, one for each source.
    pub references: Vec<String>,
}

impl TestSet {
    /// Reads `source<TAB>target[<TAB>set]` lines, gzipped if `path` ends in `.gz`.
    ///
    /// `columns` says which language is in which column; [`reversed`](Self::reversed) gives the
    /// other direction. Lines without both columns are skipped, and named in a warning.
    pub fn load_tsv(name: &str, path: &Path, columns: &LanguagePair) -> Result<Self> {
        let mut sets = Self::load_tsv_by_set(path, columns)?.into_iter();
        let mut all = sets.next().ok_or_else(|| empty(path))?;
        for set in sets {
            all.sources.extend(set.sources);
            all.references.extend(set.references);
        }
        all.name = name.into();
        Ok(all)
    }

    /// Reads like [`load_tsv`](Self::load_tsv), but makes a test set of each name in the third
    /// column, in order of appearance.
    pub fn load_tsv_by_set(path: &Path, columns: &LanguagePair) -> Result<Vec<Self>> {
        let mut sets: Vec<Self> = Vec::new();
        for (number, line) in read_lines(path)?.iter().enumerate() {
            let mut cells = line.split('\t').map(str::trim);
            let (source, target) = (cells.next().unwrap_or(""), cells.next().unwrap_or(""));
            let name = cells.next().unwrap_or("");
            if source.is_empty() || target.is_empty() {
                let line = number + 1;
                warn!("{}:{line}: skipped, for want of two columns with text", path.display());
                continue;
            }
            let known = sets.iter().position(|set| set.name == name);
            let index = known.unwrap_or(sets.len());
            if known.is_none() {
                sets.push(Self::empty(name, columns));
            }
            sets[index].sources.push(source.into());
            sets[index].references.push(target.into());
        }
        Ok(sets)
    }

    /// Reads two files of one language each, in which equal line numbers belong together.
    pub fn load_parallel(
        name: &str,
        sources: &Path,
        references: &Path,
        pair: &LanguagePair,
    ) -> Result<Self> {
        let path = references;
        let (sources, references) = (read_lines(sources)?, read_lines(references)?);
        if sources.len() != references.len() {
            let (ours, theirs) = (references.len(), sources.len());
            let reason = format!("{ours} lines, but the file of the other language has {theirs}");
            return Err(Error::TestSet { path: path.into(), reason });
        }
        if sources.is_empty() {
            return Err(empty(path));
        }
        Ok(Self { name: name.into(), pair: pair.clone(), sources, references })
    }

    /// Reads a pair out of a folder with one file for each language, `en.txt`, as FLORES has it.
    pub fn load_folder(name: &str, folder: &Path, pair: &LanguagePair) -> Result<Self> {
        let file = |language: &str| folder.join(format!("{language}.txt"));
        Self::load_parallel(name, &file(&pair.source), &file(&pair.target), pair)
    }

    /// The same sentences in the other direction.
    pub fn reversed(&self) -> Self {
        Self {
            name: self.name.clone(),
            pair: self.pair.reversed(),
            sources: self.references.clone(),
            references: self.sources.clone(),
        }
    }

    /// Keeps the first `sentences`.
    pub fn truncate(&mut self, sentences: usize) {
        self.sources.truncate(sentences);
        self.references.truncate(sentences);
    }

    fn empty(name: &str, pair: &LanguagePair) -> Self {
        let (sources, references) = (Vec::new(), Vec::new());
        Self { name: name.into(), pair: pair.clone(), sources, references }
    }
}

fn empty(path: &Path) -> Error {
    let reason = "no line holds a sentence and its translation, with a tab between them".into();
    Error::TestSet { path: path.into(), reason }
}

/// Reads all lines, which must be UTF-8.
pub(super) fn read_lines(path: &Path) -> Result<Vec<String>> {
    let file = File::open(path)?;
    let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> = match is_gzip {
        true => Box::new(MultiGzDecoder::new(file)),
        false => Box::new(file),
    };
    let mut lines = Vec::new();
    for (number, line) in BufReader::new(reader).lines().enumerate() {
        lines.push(line.map_err(|error| Error::TestSet {
            path: path.into(),
            reason: format!("line {} cannot be read: {error}", number + 1),
        })?);
    }
    if let Some(first) = lines.first_mut() {
        *first = first.trim_start_matches('\u{feff}').to_owned();
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn pair() -> LanguagePair {
        LanguagePair { source: "en".into(), target: "de".into() }
    }

    #[test]
    fn a_gzipped_tsv_is_read_in_either_direction_and_by_set() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("en-de.test.tsv.gz");
        let mut writer = GzEncoder::new(File::create(&path)?, Compression::fast());
        writer
            .write_all("One.\tEins.\ta\nno tab\nTwo.\tZwei.\tb\nThree.\tDrei.\ta\n".as_bytes())?;
        writer.finish()?;

        let set = TestSet::load_tsv("numbers", &path, &pair())?;
        assert_eq!(set.sources, ["One.", "Three.", "Two."]);
        assert_eq!(set.reversed().sources, ["Eins.", "Drei.", "Zwei."]);
        assert_eq!(set.reversed().pair.to_string(), "de-en");

        let sets = TestSet::load_tsv_by_set(&path, &pair())?;
        assert_eq!(sets.iter().map(|set| set.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(sets[0].references, ["Eins.", "Drei."]);
        Ok(())
    }

    #[test]
    fn files_of_unequal_length_or_without_pairs_are_named() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        fs_err::write(folder.path().join("en.txt"), "One.\nTwo.\n")?;
        fs_err::write(folder.path().join("de.txt"), "Eins.\n")?;
        let error = TestSet::load_folder("x", folder.path(), &pair()).expect_err("unequal");
        assert!(
            error
                .to_string()
                .ends_with("de.txt: 1 lines, but the file of the other language has 2")
        );

        let path = folder.path().join("de.txt");
        let error = TestSet::load_tsv("x", &path, &pair()).expect_err("no tabs");
        assert!(error.to_string().contains("de.txt: no line"), "{error}");
        let error = TestSet::load_tsv("x", &folder.path().join("none.tsv"), &pair());
        assert!(error.expect_err("no file").to_string().contains("none.tsv"));
        Ok(())
    }

    #[test]
    fn a_file_that_is_not_utf_8_is_named_with_the_line() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("bad.tsv");
        fs_err::write(&path, b"One.\tEins.\nTw\xff.\tZwei.\n")?;
        let error = TestSet::load_tsv("x", &path, &pair()).expect_err("not UTF-8");
        assert!(error.to_string().contains("line 2"), "{error}");
        Ok(())
    }
}
