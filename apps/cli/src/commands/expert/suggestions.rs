//! Corpora made of what users suggested, for `dragoman expert add --from-store`.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Duration};

use anyhow::{Context, bail};
use dragoman_store::{Store, Suggestion};

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Writes the suggestions of `store`, a folder or the address of a running server, into `folder`,
/// a file for each direction, and returns the files.
///
/// Suggestions whose source language was not said are left out, and so is what names no languages: a
/// row may come from anybody.
pub(super) fn corpora(
    store: &str,
    admin_key: Option<&str>,
    folder: &Path,
) -> anyhow::Result<Vec<String>> {
    let suggestions = match store.starts_with("http://") || store.starts_with("https://") {
        true => of_server(store, admin_key)?,
        false => of_folder(Path::new(store))?,
    };
    let mut files: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut unknown = 0;
    for Suggestion { q, s, source, target, .. } in suggestions {
        if source == "auto" {
            unknown += 1;
            continue;
        }
        if let Some(code) = [&source, &target].into_iter().find(|code| !is_code(code)) {
            let (code, text): (String, String) =
                (code.chars().take(20).collect(), q.chars().take(40).collect());
            eprintln!(
                "left out: `{code}` is no code of a language, in the suggestion for {text:?}"
            );
            continue;
        }
        if source == target || q.trim().is_empty() || s.trim().is_empty() {
            let text: String = q.chars().take(40).collect();
            eprintln!("left out: there is nothing to learn from the suggestion for {text:?}");
            continue;
        }
        let cell = |text: &str| text.replace(['\t', '\n', '\r'], " ");
        let lines = files.entry((source, target)).or_default();
        let _ = writeln!(lines, "{}\t{}", cell(&q), cell(&s)); // strings take all
    }
    if unknown > 0 {
        eprintln!("{unknown} suggestions are left out: the language of their source was not said");
    }
    if files.is_empty() {
        bail!("`{store}` holds no suggestions to learn from");
    }
    fs_err::create_dir_all(folder)?;
    let mut paths = Vec::new();
    for ((source, target), lines) in files {
        let path = folder.join(format!("{source}-{target}.suggested.tsv"));
        fs_err::write(&path, lines)?;
        paths.push(path.display().to_string());
    }
    Ok(paths)
}

/// Whether this can be the code of a language, which becomes part of a file's name.
fn is_code(code: &str) -> bool {
    (2..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn of_folder(folder: &Path) -> anyhow::Result<Vec<Suggestion>> {
    if !folder.is_dir() {
        bail!("there is no store in `{}`", folder.display());
    }
    let store = Store::open(folder).with_context(|| {
        format!(
            "opening the store `{}`; while a server has it open, give the server's address instead",
            folder.display()
        )
    })?;
    Ok(store.suggestions().collect::<Result<_, _>>()?)
}

fn of_server(url: &str, admin_key: Option<&str>) -> anyhow::Result<Vec<Suggestion>> {
    let Some(key) = admin_key else {
        bail!("a server's store wants its admin key: `--admin-key KEY` or DRAGOMAN_ADMIN_KEY");
    };
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .build()
        .new_agent();
    let address = format!("{}/admin/store", url.trim_end_matches('/'));
    let mut reply = agent
        .get(&address)
        .header("Authorization", format!("Bearer {key}"))
        .call()
        .with_context(|| format!("asking {address}"))?;
    let status = reply.status();
    if status != 200 {
        bail!("{address} answers {status}; is the admin key right, and set on the server?");
    }
    let text = reply.body_mut().with_config().limit(256 << 20).read_to_string()?;
    let mut suggestions = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut row: serde_json::Value = serde_json::from_str(line).context("reading the store")?;
        if row["kind"] == "suggestion" {
            row.as_object_mut().map(|row| row.shift_remove("kind"));
            suggestions.push(serde_json::from_value(row).context("reading a suggestion")?);
        }
    }
    Ok(suggestions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_name_no_languages_are_left_out() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(&dir.path().join("store"))?;
        let row = |source: &str, q: &str| Suggestion::new(q, "Text", source, "de");
        let rows = [("../../evil", "a"), ("en", "good"), ("auto", "b"), ("de", "c"), ("en", " ")];
        for (source, q) in rows {
            store.suggest(&row(source, q))?;
        }
        drop(store);
        let place = dir.path().join("store").display().to_string();
        let files = corpora(&place, None, &dir.path().join("out"))?;
        assert_eq!(files.len(), 1);
        assert!(files[0].ends_with("en-de.suggested.tsv"), "{files:?}");
        assert_eq!(fs_err::read_to_string(&files[0])?, "good\tText\n");
        Ok(())
    }
}
