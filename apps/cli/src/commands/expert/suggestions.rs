//! Corpora made of what users suggested, for `dragoman expert add --from-store`.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Duration};

use anyhow::{Context, bail};
use dragoman_store::{Store, Suggestion};

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Writes the suggestions of `store`, a folder or the address of a running server, into `folder`,
/// a file for each direction, and returns the files.
///
/// Suggestions whose source language was not said are left out.
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
