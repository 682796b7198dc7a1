//! `dragoman store import -`: what comes on the standard input, which has no name that says what it is.
//!
//! Rows are read as they come. A log is read more than once, so it goes into a temporary file first.

use std::io::{self, BufRead, Cursor, Read, Write};

use anyhow::Context;
use dragoman_data::interactions::open_stream;
use dragoman_store::{Counts, Store};

use super::import::{Source, first_is_row};

/// Bytes that are looked at.
const START: u64 = 1 << 16;

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// Rows of a store or of Gorse.
    Rows,
    /// A log that is called as files of its format are.
    Log(&'static str),
}

/// Reads `input` into the tenant `name`, as `source` would be read.
pub(super) fn import(
    input: impl Read + Send + 'static,
    source: &Source<'_>,
    store: &Store,
    name: &str,
) -> anyhow::Result<Counts> {
    let mut reader = open_stream(input).context("reading the standard input")?;
    let mut start = Vec::new();
    reader.by_ref().take(START).read_to_end(&mut start).context("reading the standard input")?;
    let what = Input::of(&start, source.columns.is_some())?;
    let mut reader = Cursor::new(start).chain(reader);
    match what {
        Input::Rows => Ok(store.import_alone(name, reader)?),
        Input::Log(ending) => {
            let mut file = tempfile::Builder::new()
                .prefix("standard-input-")
                .suffix(ending)
                .tempfile()
                .context("making a temporary file for the standard input")?;
            io::copy(&mut reader, file.as_file_mut())
                .and_then(|_| file.as_file_mut().flush())
                .context("copying the standard input to a temporary file (`TMPDIR` names another folder)")?;
            Source { path: file.path(), ..*source }.import_events(store, name)
        }
    }
}

impl Input {
    /// What begins with `start`; where the names of columns were given, there is nothing but a log.
    fn of(start: &[u8], has_columns: bool) -> anyhow::Result<Self> {
        if Store::is_dump(start) {
            anyhow::ensure!(
                !has_columns,
                "the standard input is a dump of Gorse, which has no columns to name"
            );
            return Ok(Self::Rows);
        }
        if start.starts_with(b"PAR1") {
            return Ok(Self::Log(".parquet"));
        }
        let mut lines = start.lines().map_while(Result::ok);
        let first = lines.find(|line| !line.trim().is_empty()).unwrap_or_default();
        let first = first.trim_start_matches('\u{feff}').trim();
        if first.starts_with(['{', '[']) {
            let is_event = has_columns || first_is_row(start)? == Some(false);
            return Ok(if is_event { Self::Log(".jsonl") } else { Self::Rows });
        }
        match first {
            "" if start.trim_ascii().is_empty() => Ok(Self::Rows), // of which there is none
            line if line.contains('\t') || line.contains("::") => Ok(Self::Log(".tsv")),
            line if line.contains(',') => Ok(Self::Log(".csv")),
            line if line.contains(' ') => Ok(Self::Log(".tsv")),
            _ => anyhow::bail!(
                "the standard input is nothing that is known here: it may be JSON Lines of `store export` or of Gorse, \
                 Gorse's `/api/dump`, or a log of events as JSON Lines, as Parquet or as a table of several columns"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dragoman_store::DEFAULT_TENANT;

    use super::*;

    /// The store after an import of `input`, whose columns are called `columns`.
    fn imported(input: &[u8], columns: &str) -> anyhow::Result<(Store, tempfile::TempDir)> {
        let folder = tempfile::tempdir()?;
        let store = Store::open(folder.path())?;
        let columns = columns.parse().map_err(anyhow::Error::msg)?;
        let columns = (columns != Default::default()).then_some(&columns);
        let source = Source { path: Path::new("-"), columns, feedback_type: "read" };
        import(Cursor::new(input.to_vec()), &source, &store, DEFAULT_TENANT)?;
        Ok((store, folder))
    }

    fn packed(text: &str) -> anyhow::Result<Vec<u8>> {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(text.as_bytes())?;
        Ok(gz.finish()?)
    }

    #[test]
    fn what_files_hold_is_read_from_the_standard_input_too() -> anyhow::Result<()> {
        let dump = [
            &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 25, 0, 0, 0, 0, 0, 0, 0][..],
            b"\x12\x04read\x1a\x04anna\x22\x03tea\x32\x06\x08\x80\xe2\xcf\xaa\x06",
            &[0; 8],
        ];
        let table = "user,item,timestamp\nanna,tea,1700000000\n";
        let row =
            r#"{"FeedbackType":"read","UserId":"anna","ItemId":"tea","Timestamp":1700000000}"#;
        for input in [
            row.as_bytes().to_vec(),
            packed(row)?,
            dump.concat(),
            table.as_bytes().to_vec(),
            packed(table)?,
            table.replace(',', "\t").into_bytes(),
            format!("\u{feff}\r\n{}", table.replace('\n', "\r\n")).into_bytes(),
            br#"{"user":"anna","item":"tea","time":1700000000}"#.to_vec(),
            b"anna::tea::5::1700000000\n".to_vec(),
        ] {
            let shown = String::from_utf8_lossy(&input).into_owned();
            let (store, _folder) = imported(&input, "").with_context(|| shown.clone())?;
            let row = store.tenant(DEFAULT_TENANT)?.feedback("read", "anna", "tea")?;
            let row = row.with_context(|| format!("nothing of {shown}"))?;
            assert_eq!(row.timestamp.seconds, 1_700_000_000, "{shown}");
        }
        Ok(())
    }

    #[test]
    fn columns_may_be_named_and_what_is_unknown_is_refused() -> anyhow::Result<()> {
        let table = b"who,page,at\nanna,tea,1700000000\n";
        let (store, _folder) = imported(table, "user=who,item=page,time=at")?;
        assert!(store.tenant(DEFAULT_TENANT)?.feedback("read", "anna", "tea")?.is_some());
        assert!(imported(b"\n", "").is_ok());
        for (input, named) in [
            (&b"nonsense\n"[..], "nothing that is known here"),
            (b"{\"UserId\":\n", "line 1"),
            (b"user,item\nanna,tea\n", "have no times"),
            (b"who,page,at\nanna,tea,1700000000\n", "--columns user="),
        ] {
            let Err(error) = imported(input, "") else { anyhow::bail!("{named}") };
            assert!(format!("{error:#}").contains(named), "{error:#}");
        }
        Ok(())
    }
}
