//! Glossaries in files.

use std::path::Path;

use anyhow::{Context, bail};
use dragoman_text::entries::{Entry, parse_csv, parse_tbx, parse_tsv};

/// Reads the terms in `file`, of `source` and into `target`: TSV, CSV or TBX, by its ending.
pub(crate) fn read(file: &Path, source: &str, target: &str) -> anyhow::Result<Vec<Entry>> {
    let text = fs_err::read_to_string(file)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let ending = file.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let entries = match ending.as_deref() {
        Some("tsv" | "txt" | "tab") => parse_tsv(text),
        Some("csv") => parse_csv(text),
        Some("tbx" | "xml") => parse_tbx(text, source, target),
        _ => bail!("`{}` does not end in .tsv, .csv or .tbx", file.display()),
    };
    let entries = entries.with_context(|| format!("reading {}", file.display()))?;
    if entries.is_empty() {
        bail!("{} has no terms from {source} to {target}", file.display());
    }
    Ok(entries)
}
