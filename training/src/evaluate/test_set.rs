//! Reads test sets: pairs in TSV files, and parallel files of one language each.

use std::path::Path;

use dragoman_data::corpus::input;
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
    /// Reads `source<TAB>target[<TAB>set]` lines, packed if `path` ends in `.gz` or `.zst`.
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

/// Reads all lines as corpora are read: UTF-8 or UTF-16, packed or not.
pub(super) fn read_lines(path: &Path) -> Result<Vec<String>> {
    let refuse = |number: usize, reason: String| Error::TestSet {
        path: path.into(),
        reason: format!("line {number} cannot be read: {reason}"),
    };
    let line = |(number, line): (usize, std::io::Result<Option<String>>)| {
        let line = line.map_err(|error| refuse(number, error.to_string()))?;
        line.ok_or_else(|| refuse(number, "it is not UTF-8".into()))
    };
    input::open(path)?.map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use fs_err::File;

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

    #[test]
    fn a_file_in_utf_16_reads_like_one_in_utf_8() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("utf16.tsv");
        let units = "\u{feff}The bridge.\tDie Brücke.\r\n".encode_utf16();
        fs_err::write(&path, units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>())?;
        let set = TestSet::load_tsv("x", &path, &pair())?;
        assert_eq!((&*set.sources[0], &*set.references[0]), ("The bridge.", "Die Brücke."));
        Ok(())
    }
}
