//! The store as JSON Lines, for backups and for other programs.

mod gorse;
mod import;
mod words;

use std::{fmt, io::Write};

use serde::{Deserialize, Serialize};

use crate::{
    ApiKey, DEFAULT_TENANT, Item, Result, SCHEMA, Store, Suggestion, User, recommend::FullFeedback,
};

/// How many rows of each kind were moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Suggested translations.
    pub suggestions: usize,
    /// API keys.
    pub keys: usize,
    /// Users of all tenants.
    pub users: usize,
    /// Items of all tenants.
    pub items: usize,
    /// Feedback rows of all tenants.
    pub feedback: usize,
    /// Glossaries.
    #[serde(skip_serializing_if = "is_zero")]
    pub glossaries: usize,
    /// Units of translation memories.
    #[serde(skip_serializing_if = "is_zero")]
    pub units: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { suggestions, keys, users, items, feedback, glossaries, units } = self;
        write!(f, "{suggestions} suggestions, {keys} keys, {users} users, {items} items, ")?;
        write!(f, "{feedback} feedback rows")?;
        match (glossaries, units) {
            (0, 0) => Ok(()),
            (glossaries, units) => write!(f, ", {glossaries} glossaries, {units} units of memory"),
        }
    }
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
    Tenant {
        name: String,
    },
    User(Of<User>),
    Item(Of<Item>),
    Feedback(Of<FullFeedback>),
    Glossary(words::OwnedGlossary),
    Term(words::Term),
    Unit(words::OwnedUnit),
}

/// A row of a tenant.
#[derive(Debug, Serialize, Deserialize)]
struct Of<T> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(flatten)]
    row: T,
}

impl Store {
    /// Writes every row as one line of JSON.
    pub fn export(&self, writer: impl Write) -> Result<Counts> {
        self.inner.database.snapshot(|| self.export_all(writer))
    }

    fn export_all(&self, mut writer: impl Write) -> Result<Counts> {
        let mut counts = Counts::default();
        write_row(&mut writer, &Row::Store { schema: SCHEMA })?;
        for suggestion in self.suggestions() {
            write_row(&mut writer, &Row::Suggestion(suggestion?))?;
            counts.suggestions += 1;
        }
        for name in self.tenants()? {
            self.export_tenant(&name, &mut writer, &mut counts)?;
        }
        self.export_words(&mut writer, &mut counts)?;
        for key in self.keys() {
            write_row(&mut writer, &Row::Key(key?))?;
            counts.keys += 1;
        }
        writer.flush()?;
        Ok(counts)
    }

    /// Writes users, items and feedback of the tenant `name`, as [`export`](Self::export) does.
    pub fn export_one(&self, name: &str, mut writer: impl Write) -> Result<Counts> {
        let mut counts = Counts::default();
        write_row(&mut writer, &Row::Store { schema: SCHEMA })?;
        self.inner.database.snapshot(|| self.export_tenant(name, &mut writer, &mut counts))?;
        writer.flush()?;
        Ok(counts)
    }

    fn export_tenant(
        &self,
        name: &str,
        writer: &mut impl Write,
        counts: &mut Counts,
    ) -> Result<()> {
        let stored = self.tenant(name)?;
        let tenant = (name != DEFAULT_TENANT).then(|| name.to_owned());
        if let Some(name) = &tenant {
            write_row(writer, &Row::Tenant { name: name.clone() })?;
        }
        for row in stored.users("") {
            write_row(writer, &Row::User(Of { tenant: tenant.clone(), row: row? }))?;
            counts.users += 1;
        }
        for row in stored.items("") {
            write_row(writer, &Row::Item(Of { tenant: tenant.clone(), row: row? }))?;
            counts.items += 1;
        }
        for row in stored.full_feedback() {
            write_row(writer, &Row::Feedback(Of { tenant: tenant.clone(), row: row? }))?;
            counts.feedback += 1;
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
    use crate::{Error, Feedback, Insert, KeyLimits, Mode, Timestamp};

    #[test]
    fn an_export_imported_twice_is_the_same_store() -> anyhow::Result<()> {
        let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let (from, to) = (Store::open(from.path())?, Store::open(to.path())?);
        from.suggest(&Suggestion::new("line\nbreak \"é\"", "s", "en", "de"))?;
        from.suggest(&Suggestion::new("two", "zwei", "en", "de"))?;
        let limits = KeyLimits { req_limit: Some(3), char_limit: Some(9) };
        let secret = from.create_key(None, limits)?;
        from.create_tenant("shop")?;
        for (tenant, times) in [("default", vec![1]), ("shop", vec![1, 2, 2, 5])] {
            for seconds in times {
                let row = Feedback {
                    feedback_type: "read".into(),
                    user_id: "u/1".into(),
                    item_id: "日".into(),
                    value: 2.5,
                    timestamp: Timestamp::from_seconds(seconds),
                    labels: serde_json::json!({ "a": ["b"] }),
                    ..Feedback::default()
                };
                from.tenant(tenant)?.put_feedback(&[row], Mode::Add, Insert::BOTH)?;
            }
        }

        let mut exported = Vec::new();
        let counts = from.export(&mut exported)?;
        let expected = Counts {
            suggestions: 2,
            keys: 1,
            users: 2,
            items: 2,
            feedback: 2,
            ..Counts::default()
        };
        assert_eq!(counts, expected);
        assert!(!String::from_utf8(exported.clone())?.contains(&secret));

        for _ in 0..2 {
            assert_eq!(to.import(exported.as_slice())?, counts);
            let mut again = Vec::new();
            to.export(&mut again)?;
            assert_eq!(String::from_utf8(again)?, String::from_utf8(exported.clone())?);
        }
        assert_eq!(to.key_limits(&secret)?, from.key_limits(&secret)?);
        assert_eq!(
            to.tenant("shop")?.history("u/1").count(),
            3,
            "two events of one second are one"
        );
        Ok(())
    }

    #[test]
    fn lines_of_gorse_are_read_too_and_a_second_time_changes_nothing() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let lines = r#"
            {"UserId":"u","Labels":{"age":[3]},"Comment":""}
            {"ItemId":"a","IsHidden":true,"Categories":["c"],"Timestamp":"2020-01-02"}
            {"FeedbackType":"read","UserId":"u","ItemId":"a","Value":1,"Timestamp":"2020-01-03"}
            {"FeedbackType":"read","UserId":"u","ItemId":"a","Value":1,"Timestamp":"2020-01-04"}"#;
        let marked = format!("\u{feff}{}", lines.trim()).replace('\n', "\r\n");
        for lines in [lines, &marked] {
            let counts = store.import(lines.as_bytes())?;
            assert_eq!((counts.users, counts.items, counts.feedback), (1, 1, 2));
            let tenant = store.tenant(DEFAULT_TENANT)?;
            let found = tenant.feedback("read", "u", "a")?.expect("it was imported");
            assert_eq!((found.value, tenant.history("u").count()), (2.0, 2));
            assert_eq!(found.updated.to_string(), "2020-01-04T00:00:00Z");
        }
        Ok(())
    }

    #[test]
    fn rows_are_not_mistaken_for_events_of_a_log() {
        for (line, expected) in [
            (r#"{"kind":"item","tenant":"t","ItemId":"a"}"#, Some(true)),
            ("\u{feff}{\"UserId\":\"u\"}", Some(true)),
            (r#"{"FeedbackType":"read","UserId":"u","ItemId":"a"}"#, Some(true)),
            (r#"{"UserId":"u","ItemId":"a","Timestamp":"2020-01-03"}"#, Some(false)),
            (r#"{"kind":"view","user":"u","item":"a"}"#, Some(false)),
            (r#"{"reviewerID":"A1","asin":"B0","overall":4.0}"#, Some(false)),
            ("[1]", None),
            ("nonsense", None),
        ] {
            assert_eq!(Store::is_row(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn a_line_that_is_no_row_is_named_and_the_others_are_kept() -> anyhow::Result<()> {
        let good = r#"{"kind":"suggestion","q":"a","s":"b","source":"en","target":"de"}"#;
        for bad in [
            "{}",
            "nonsense",
            r#"{"kind":"key"}"#,
            r#"{"kind":"feedback","FeedbackType":"r","UserId":"","ItemId":"a","Events":[]}"#,
            r#"{"FeedbackType":"r","UserId":"u","ItemId":"a","Value":NaN}"#,
            r#"{"FeedbackType":"r","UserId":"u","ItemId":"a","Timestamp":"soon"}"#,
            r#"{"UserId":"u","ItemId":"a","Timestamp":"2020-01-03"}"#,
            r#"{"FeedbackType":"read","UserId":"u","It"#,
        ] {
            let dir = tempfile::tempdir()?;
            let store = Store::open(dir.path())?;
            let lines = format!("{good}\n\n{bad}\n{bad}\n{good}\n");
            let error = store.import(lines.as_bytes()).expect_err("the third line is bad");
            let text = error.to_string();
            assert!(text.starts_with("line 3: ") && text.contains("1 more lines"), "{text}");
            assert!(matches!(error, Error::Import { line: 3, bad: 2, .. }), "{error:?}");
            assert_eq!(store.suggestions().count(), 2);
        }
        Ok(())
    }

    #[test]
    fn a_snapshot_of_a_later_layout_is_refused_whole() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let lines = "{\"kind\":\"store\",\"schema\":7}\n{\"UserId\":\"u\"}\n";
        let error = store.import(lines.as_bytes()).expect_err("7 does not exist").to_string();
        assert!(error.starts_with("line 1: ") && error.contains('7'), "{error}");
        assert_eq!(store.tenant(DEFAULT_TENANT)?.users("").count(), 0);
        Ok(())
    }
}
