//! Corpora made of what users suggested, for `dragoman expert add --from-store`.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use anyhow::bail;
use dragoman_store::{Status, Suggestion};

use crate::suggested::Suggestions;

/// Writes the suggestions of `store`, a folder or the address of a running server, into `folder`,
/// a file for each direction, and returns the files.
///
/// Suggestions that were rejected or whose source language was not said are left out, and so is what names
/// no languages: a row may come from anybody.
pub(super) fn corpora(
    store: &str,
    admin_key: Option<&str>,
    folder: &Path,
) -> anyhow::Result<Vec<String>> {
    let suggestions = Suggestions::open(store, admin_key)?.list(None)?;
    let mut files: BTreeMap<(String, String), String> = BTreeMap::new();
    let (mut unknown, mut rejected) = (0, 0);
    for Suggestion { q, s, source, target, status, .. } in suggestions {
        if status == Status::Rejected {
            rejected += 1;
            continue;
        }
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
    if rejected > 0 {
        eprintln!("{rejected} suggestions are left out: they were rejected");
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

#[cfg(test)]
mod tests {
    use dragoman_store::Store;

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
        store.suggest(&row("en", "wrong"))?;
        let last = store.suggestions().last().expect("it was stored")?;
        store.judge_suggestion(last.at, Status::Rejected)?;
        drop(store);
        let place = dir.path().join("store").display().to_string();
        let files = corpora(&place, None, &dir.path().join("out"))?;
        assert_eq!(files.len(), 1);
        assert!(files[0].ends_with("en-de.suggested.tsv"), "{files:?}");
        assert_eq!(fs_err::read_to_string(&files[0])?, "good\tText\n");
        Ok(())
    }
}
