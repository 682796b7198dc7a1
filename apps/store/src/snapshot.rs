//! The store as JSON Lines, for backups and for other programs.

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::{ApiKey, Error, Result, SCHEMA, Store, Suggestion};

/// How many rows of each kind were moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Suggested translations.
    pub suggestions: usize,
    /// API keys.
    pub keys: usize,
}

/// One line of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Row {
    /// The first line: the layout of the rest.
    Store {
        schema: u32,
    },
    Suggestion(Suggestion),
    Key(ApiKey),
}

impl Store {
    /// Writes every row as one line of JSON.
    pub fn export(&self, mut writer: impl Write) -> Result<Counts> {
        let mut counts = Counts::default();
        write_row(&mut writer, &Row::Store { schema: SCHEMA })?;
        for suggestion in self.suggestions() {
            write_row(&mut writer, &Row::Suggestion(suggestion?))?;
            counts.suggestions += 1;
        }
        for key in self.keys() {
            write_row(&mut writer, &Row::Key(key?))?;
            counts.keys += 1;
        }
        writer.flush()?;
        Ok(counts)
    }

    /// Reads rows as [`export`](Self::export) writes them; a row that is there stays once.
    ///
    /// The first line that is no row stops the import and is named; rows before it are kept.
    pub fn import(&self, reader: impl BufRead) -> Result<Counts> {
        let mut counts = Counts::default();
        let mut result = Ok(());
        for (i, line) in reader.lines().enumerate() {
            result = line.map_err(Error::from).and_then(|line| {
                let refuse = |reason| Error::Import { line: i + 1, reason };
                self.import_line(&line, &mut counts).map_err(|error| refuse(error.to_string()))
            });
            if result.is_err() {
                break;
            }
        }
        self.inner.committer.commit()?;
        result.map(|()| counts)
    }

    fn import_line(&self, line: &str, counts: &mut Counts) -> Result<()> {
        if line.trim().is_empty() {
            return Ok(());
        }
        match serde_json::from_str(line).map_err(std::io::Error::from)? {
            Row::Store { schema: SCHEMA } => {}
            Row::Store { schema } => {
                let reason = format!("layout {schema} is unknown; this program knows {SCHEMA}");
                return Err(std::io::Error::other(reason).into());
            }
            Row::Suggestion(mut suggestion) => {
                if suggestion.at == 0 {
                    suggestion.at = self.inner.clock.tick();
                }
                self.put_suggestion(&suggestion)?;
                counts.suggestions += 1;
            }
            Row::Key(key) => {
                self.put_hashed_key(&key)?;
                counts.keys += 1;
            }
        }
        Ok(())
    }
}

fn write_row(writer: &mut impl Write, row: &Row) -> Result<()> {
    serde_json::to_writer(&mut *writer, row).map_err(std::io::Error::from)?;
    Ok(writer.write_all(b"\n")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyLimits;

    #[test]
    fn an_export_imported_twice_is_the_same_store() -> anyhow::Result<()> {
        let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let (from, to) = (Store::open(from.path())?, Store::open(to.path())?);
        from.suggest(&Suggestion::new("line\nbreak \"é\"", "s", "en", "de"))?;
        from.suggest(&Suggestion::new("two", "zwei", "en", "de"))?;
        from.put_key("secret", KeyLimits { req_limit: Some(3), char_limit: Some(9) })?;

        let mut exported = Vec::new();
        let counts = from.export(&mut exported)?;
        assert_eq!(counts, Counts { suggestions: 2, keys: 1 });
        assert!(!String::from_utf8(exported.clone())?.contains("secret"));

        assert_eq!(to.import(exported.as_slice())?, counts);
        assert_eq!(to.import(exported.as_slice())?, counts);
        let mut again = Vec::new();
        to.export(&mut again)?;
        assert_eq!(again, exported);
        assert_eq!(to.key_limits("secret")?, from.key_limits("secret")?);
        Ok(())
    }

    #[test]
    fn a_line_that_is_no_row_is_named() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let good = r#"{"kind":"suggestion","q":"a","s":"b","source":"en","target":"de"}"#;
        for bad in ["{}", "nonsense", r#"{"kind":"store","schema":7}"#, r#"{"kind":"key"}"#] {
            let lines = format!("{good}\n\n{bad}\n{good}\n");
            let error = store.import(lines.as_bytes()).expect_err("the third line is bad");
            assert!(error.to_string().starts_with("line 3: "), "{error}");
        }
        assert_eq!(store.suggestions().count(), 4);
        Ok(())
    }
}
