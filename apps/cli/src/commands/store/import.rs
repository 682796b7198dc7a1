//! `dragoman store import`: which files hold rows, of a store or of Gorse, and which hold a log.

use std::{
    io::{self, BufRead, Read},
    path::{Path, PathBuf},
};

use anyhow::Context;
use dragoman_data::interactions::{ColumnNames, Format, Interactions, open};
use dragoman_store::{Counts, Error, Feedback, Item, Store, Tenant, Timestamp, User};

/// Lines of a file that are looked at for the first that is JSON, and bytes of one at most.
const FIRST_LINES: usize = 20;
const LONGEST_LINE: u64 = 1 << 20;

/// Users and items written together.
const CHUNK: usize = 1000;

/// A file or a folder to import.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    /// Names of the columns of events; where they are given, there is nothing but a log.
    pub(super) columns: Option<&'a ColumnNames>,
    /// Type of the feedback of events that have none.
    pub(super) feedback_type: &'a str,
}

impl Source<'_> {
    /// Reads this into the tenant `name`. Rows are kept whole, with comments, vectors and whether an item is
    /// hidden; a log says no such things.
    pub(super) fn import(&self, store: &Store, name: &str) -> anyhow::Result<Counts> {
        if self.columns.is_some() {
            return self.import_events(store, name);
        }
        if !self.path.is_dir() {
            return match self.is_log()? {
                true => self.import_events(store, name),
                false => Ok(store.import_alone(name, open(self.path)?)?),
            };
        }
        let files = self.files()?;
        let (rows, others) = split_rows(&files)?;
        match (rows.is_empty(), others.is_empty()) {
            (true, _) => self.import_events(store, name),
            (false, true) => import_rows(store, name, &rows),
            (false, false) => {
                let counts = self.import_events(store, name)?;
                let (events, things): (Vec<_>, Vec<_>) =
                    rows.into_iter().partition(|file| is_feedback(file));
                for file in events {
                    tracing::warn!(
                        "`{}` stands beside tables and is read as events: comments and labels of its \
                         feedback are left out",
                        file.display()
                    );
                }
                import_rows(store, name, &things)?; // whole, over what the log says of them
                Ok(counts)
            }
        }
    }

    /// The files of the folder that make a log, or all JSON Lines of one without events.
    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        match Format::detect(self.path) {
            Ok(format) => Ok(format.files(self.path)?),
            Err(error) => {
                let mut files = Vec::new();
                for entry in fs_err::read_dir(self.path)? {
                    let file = entry?.path();
                    if file.is_file() && is_called_json(&file) {
                        files.push(file);
                    }
                }
                files.sort();
                match split_rows(&files)? {
                    (rows, others) if !rows.is_empty() && others.is_empty() => Ok(rows),
                    _ => Err(error.into()),
                }
            }
        }
    }

    /// Whether the file is a table, or JSON Lines that are no rows.
    fn is_log(&self) -> anyhow::Result<bool> {
        // A file under a name that no log has, such as a pipe, is read as rows, and only once.
        let is_readable = || self.path.is_file() && Format::detect(self.path).is_ok();
        Ok(!is_json_lines(self.path)
            || (is_readable() && is_row_first(self.path)?.is_some_and(|is_row| !is_row)))
    }

    pub(super) fn import_events(&self, store: &Store, name: &str) -> anyhow::Result<Counts> {
        let (mut bulk, columns) = (store.bulk()?, self.columns.cloned().unwrap_or_default());
        let tenant = bulk.tenant(name)?;
        let counts = import_log(&tenant, self.path, &columns, self.feedback_type)?;
        bulk.finish()?;
        Ok(counts)
    }
}

/// Whether a file is read line by line as JSON: any that is not called as a table is.
fn is_json_lines(file: &Path) -> bool {
    let name = file.to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
    let tables = [".csv", ".tsv", ".dat", ".data", ".inter", ".parquet", ".txt"];
    !tables.iter().any(|end| name.ends_with(end))
}

/// Whether a file is JSON by its name, and not only by default.
fn is_called_json(file: &Path) -> bool {
    let name = file.to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
    [".jsonl", ".ndjson", ".json"].iter().any(|end| name.ends_with(end))
}

/// Whether a file of rows holds feedback, by its name.
fn is_feedback(file: &Path) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase());
    !name.is_some_and(|name| {
        ["items.", "users.", "movies."].iter().any(|start| name.starts_with(start))
    })
}

/// Those of `files` that hold rows, and the others.
fn split_rows(files: &[PathBuf]) -> anyhow::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut rows, mut others) = (Vec::new(), Vec::new());
    for file in files {
        let is_row = is_called_json(file) && is_row_first(file)? == Some(true);
        let list = if is_row { &mut rows } else { &mut others };
        list.push(file.clone());
    }
    Ok((rows, others))
}

/// Whether the first JSON object of a file is a row; none where its first lines hold no object.
fn is_row_first(path: &Path) -> anyhow::Result<Option<bool>> {
    first_is_row(open(path)?).with_context(|| format!("reading `{}`", path.display()))
}

/// The same of what `reader` gives.
pub(super) fn first_is_row(mut reader: impl BufRead) -> io::Result<Option<bool>> {
    let mut line = Vec::new();
    for _ in 0..FIRST_LINES {
        line.clear();
        if reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if let Some(is_row) = Store::is_row(&line) {
            return Ok(Some(is_row));
        }
    }
    Ok(None)
}

/// Reads files of rows as if they were one, which is quickest into a tenant that is empty.
fn import_rows(store: &Store, name: &str, files: &[PathBuf]) -> anyhow::Result<Counts> {
    let mut reader: Box<dyn BufRead> = Box::new(io::empty());
    for file in files {
        let line_end: &[u8] = b"\n"; // the last line of the file may lack its own
        reader = Box::new(reader.chain(open(file)?).chain(line_end));
    }
    store.import_alone(name, reader).map_err(|error| match error {
        Error::Import { line, .. } => match place(files, line) {
            Ok((file, number)) => {
                let place =
                    format!("line {number} of `{}`, line {line} of all files", file.display());
                anyhow::Error::new(error).context(place)
            }
            Err(other) => other,
        },
        error => error.into(),
    })
}

/// The file and its line that is the line `number` of all of `files`.
fn place(files: &[PathBuf], mut number: usize) -> anyhow::Result<(&Path, usize)> {
    for file in files {
        let mut reader = open(file)?;
        let mut lines = 1; // the line end that is put behind the file
        loop {
            let bytes = reader.fill_buf()?;
            if bytes.is_empty() {
                break;
            }
            lines += bytes.iter().filter(|&&byte| byte == b'\n').count();
            let length = bytes.len();
            reader.consume(length);
        }
        if number <= lines {
            return Ok((file, number));
        }
        number -= lines;
    }
    anyhow::bail!("the files changed while they were read; import them again")
}

/// Reads a log of events into `tenant`, with what it says of users and items.
fn import_log(
    tenant: &Tenant,
    path: &Path,
    columns: &ColumnNames,
    feedback_type: &str,
) -> anyhow::Result<Counts> {
    let (log, faults) = Interactions::load_with(path, columns)?;
    for fault in &faults.first {
        eprintln!("skipped {fault}");
    }
    anyhow::ensure!(
        log.has_times,
        "the events of `{}` have no times, and a store keeps events by time; name the column with \
         `--columns time=NAME`",
        path.display()
    );
    let writer = tenant.for_import();
    let labels = |labels: &[String]| match labels {
        [] => serde_json::Value::Null,
        labels => labels.into(),
    };
    // What the log says nothing of is made by its feedback, or stays as it is.
    let users = log.users.iter().filter(|user| !user.labels.is_empty()).map(|user| User {
        user_id: user.id.clone(),
        labels: labels(&user.labels),
        comment: String::new(),
    });
    let users: Vec<User> = users.collect();
    users.chunks(CHUNK).try_for_each(|users| writer.put_users(users))?;
    let is_described = |item: &&dragoman_core::recommend::Item| {
        !(item.title.is_empty() && item.categories.is_empty() && item.labels.is_empty())
    };
    let items = log.items.iter().filter(is_described).map(|item| Item {
        item_id: item.id.clone(),
        categories: item.categories.clone(),
        labels: labels(&item.labels),
        comment: item.title.clone(),
        timestamp: if item.time == 0 {
            Timestamp::ZERO
        } else {
            Timestamp::from_seconds(item.time)
        },
        is_hidden: false,
    });
    let items: Vec<Item> = items.collect();
    items.chunks(CHUNK).try_for_each(|items| writer.put_items(items))?;
    let batch = writer.batch_rows();
    let mut rows = Vec::with_capacity(batch);
    for (user, history) in log.users.iter().zip(&log.histories) {
        for event in history {
            let kind = log.kinds[event.kind as usize].as_str();
            rows.push(Feedback {
                feedback_type: if kind.is_empty() { feedback_type } else { kind }.into(),
                user_id: user.id.clone(),
                item_id: log.items[event.item as usize].id.clone(),
                value: event.value.into(),
                timestamp: Timestamp::from_seconds(event.time),
                ..Feedback::default()
            });
            if rows.len() == batch {
                writer.import_feedback(&rows)?;
                rows.clear();
            }
        }
    }
    writer.import_feedback(&rows)?;
    tenant.commit()?;
    Ok(Counts { users: users.len(), items: items.len(), feedback: log.len(), ..Counts::default() })
}

#[cfg(test)]
mod tests {
    use dragoman_store::DEFAULT_TENANT;
    use serde_json::json;

    use super::*;

    const USERS: &str = r#"{"UserId":"anna","Labels":{"price":3},"Comment":"a regular"}"#;
    const ITEMS: &str = r#"{"ItemId":"tea","IsHidden":true,"Categories":["hot"],"Labels":{"embedding":[0.5,1.0],"price":3},"Timestamp":"2020-01-02","Comment":"Tea"}"#;
    const FEEDBACK: &str = r#"{"FeedbackType":"buy","UserId":"anna","ItemId":"tea","Value":2,"Timestamp":1700000000,"Comment":"a gift"}"#;

    /// The store after an import of files that are called so, or of one of them.
    fn imported(files: &[(&str, &str)], one: &str) -> anyhow::Result<(Store, tempfile::TempDir)> {
        let folder = tempfile::tempdir()?;
        let (data, store) = (folder.path().join("data"), folder.path().join("store"));
        fs_err::create_dir(&data)?;
        for (name, text) in files {
            fs_err::write(data.join(name), text)?;
        }
        let store = Store::open(&store)?;
        let path = data.join(one);
        let source = Source { path: &path, columns: None, feedback_type: "read" };
        source.import(&store, DEFAULT_TENANT)?;
        Ok((store, folder))
    }

    #[test]
    fn a_folder_of_gorse_keeps_what_one_file_keeps() -> anyhow::Result<()> {
        let files = [("users.jsonl", USERS), ("items.jsonl", ITEMS), ("feedback.jsonl", FEEDBACK)];
        let all = [USERS, ITEMS, FEEDBACK].join("\n");
        let mut exports = Vec::new();
        for (files, one) in [(&files[..], ""), (&[("all.jsonl", all.as_str())][..], "all.jsonl")] {
            let (store, _folder) = imported(files, one)?;
            let tenant = store.tenant(DEFAULT_TENANT)?;
            let item = tenant.item("tea")?.context("it was imported")?;
            assert!(item.is_hidden && item.comment == "Tea", "{item:?}");
            assert_eq!(item.labels, json!({ "embedding": [0.5, 1.0], "price": 3 }));
            let row = tenant.feedback("buy", "anna", "tea")?.context("it was imported")?;
            assert_eq!((row.comment.as_str(), row.timestamp.seconds), ("a gift", 1_700_000_000));
            let mut export = Vec::new();
            store.export(&mut export)?;
            exports.push(String::from_utf8(export)?);
        }
        assert_eq!(exports[0], exports[1]);
        assert!(exports[0].contains("a regular"), "{}", exports[0]);
        Ok(())
    }

    #[test]
    fn rows_of_items_beside_a_table_of_events_are_kept_whole() -> anyhow::Result<()> {
        let events = ("events.csv", "user,item,time\nanna,tea,1700000000\n");
        let (store, _folder) = imported(&[events, ("items.jsonl", ITEMS)], "")?;
        let tenant = store.tenant(DEFAULT_TENANT)?;
        assert!(
            tenant.item("tea")?.is_some_and(|item| item.is_hidden && item.labels["price"] == 3)
        );
        assert!(tenant.feedback("read", "anna", "tea")?.is_some());
        let (store, _folder) = imported(&[("items.jsonl", ITEMS), ("users.jsonl", USERS)], "")?;
        assert!(store.tenant(DEFAULT_TENANT)?.item("tea")?.is_some(), "without any events");
        Ok(())
    }

    #[test]
    fn a_bad_row_of_a_folder_is_named_with_its_file() -> anyhow::Result<()> {
        let items = format!("{ITEMS}\n{{\"ItemId\":7}}\n");
        let files = [("feedback.jsonl", FEEDBACK), ("items.jsonl", items.as_str())];
        let Err(error) = imported(&files, "") else { anyhow::bail!("7 is no text") };
        let message = format!("{error:#}");
        assert!(message.contains("line 2 of `") && message.contains("items.jsonl"), "{message}");
        Ok(())
    }

    #[test]
    fn events_as_json_lines_are_a_log() -> anyhow::Result<()> {
        for line in [
            r#"{"user":"anna","item":"tea","time":1700000000}"#,
            r#"{"reviewerID":"anna","asin":"tea","overall":4.0,"unixReviewTime":1700000000}"#,
            r#"{"rating":5.0,"title":"Good","asin":"tea","user_id":"anna","timestamp":1700000000123}"#,
        ] {
            let (store, _folder) = imported(&[("log.jsonl", line)], "log.jsonl")?;
            let row = store.tenant(DEFAULT_TENANT)?.feedback("read", "anna", "tea")?;
            let row = row.with_context(|| format!("no event of {line}"))?;
            assert_eq!(row.timestamp.seconds, 1_700_000_000, "{line}");
        }
        let Err(error) = imported(&[("dump.jsonl", "nonsense\n")], "dump.jsonl") else {
            anyhow::bail!("that is no JSON");
        };
        assert!(error.to_string().contains("line 1"), "{error}");
        Ok(())
    }

    #[test]
    fn a_table_is_imported_with_its_columns_and_a_second_time_changes_nothing() -> anyhow::Result<()>
    {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("shop.csv");
        fs_err::write(
            &file,
            "seen_at,sku,who\n1700000000,tea,anna\n1700000009,mug,anna\n1700000009,mug,ben\n",
        )?;
        let store = Store::open(&folder.path().join("store"))?;
        let tenant = store.tenant(DEFAULT_TENANT)?;
        let columns = "user=who,time=seen_at".parse().map_err(anyhow::Error::msg)?;
        for _ in 0..2 {
            let counts = import_log(&tenant, &file, &columns, "view")?;
            assert_eq!((counts.feedback, counts.items, counts.users), (3, 0, 0));
            assert_eq!((tenant.count_feedback()?, tenant.events().count()), (3, 3));
        }
        let row = tenant.feedback("view", "anna", "tea")?.context("it was imported")?;
        assert_eq!((row.value, row.timestamp.seconds), (1.0, 1_700_000_000));
        assert!(!is_json_lines(&file) && is_json_lines(Path::new("a/dump.jsonl.gz")));

        let undated = folder.path().join("undated.csv");
        fs_err::write(&undated, "who,sku\nanna,tea\n")?;
        let columns = "user=who".parse().map_err(anyhow::Error::msg)?;
        let error = import_log(&tenant, &undated, &columns, "view").expect_err("no times");
        assert!(error.to_string().contains("--columns time="), "{error}");
        Ok(())
    }
}
