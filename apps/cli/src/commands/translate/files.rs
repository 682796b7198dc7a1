//! Documents on the command line: each is written beside its source, or where `--out` says.

use std::{
    io::{IsTerminal, Write, stderr},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use dragoman_documents::{Document, Kind, Settings, output_kind, output_name};
use dragoman_pipeline::{TextRequest, translate_sentences};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Helpers, Translate};
use crate::detect;

/// The documents that `arguments` name; none when they are text.
///
/// # Errors
/// Fails when some are documents and others are not, when a file is of a format that is not known, and
/// when a name that can only be that of a document names none.
pub(super) fn among(arguments: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let has_ending = |name: &String| Kind::of(name).is_ok() && !name.contains('\n');
    let is_file = |name: &&String| has_ending(name) && Path::new(name).is_file();
    let files: Vec<PathBuf> = arguments.iter().filter(is_file).map(PathBuf::from).collect();
    let looks_like_one =
        |name: &&String| has_ending(name) && !name.contains(' ') && name.contains(['/', '.']);
    if let Some(missing) =
        arguments.iter().find(|name| looks_like_one(name) && !Path::new(name).exists())
    {
        bail!(
            "no file `{missing}`; to translate these words, add others, or send them to the standard input"
        );
    }
    let is_folder = |name: &&String| {
        let is_path = arguments.len() == 1 || name.contains(std::path::is_separator);
        is_path && Path::new(name).is_dir()
    };
    if let Some(folder) = arguments.iter().find(is_folder) {
        let path = folder.trim_end_matches(std::path::is_separator);
        bail!(
            "`{folder}` is a folder; name the documents in it, as `{path}/*.docx`, or send a text to the standard \
             input"
        );
    }
    let is_other = |name: &&String| name.contains('.') && Path::new(name).is_file();
    if let Some((name, error)) =
        arguments.iter().filter(is_other).find_map(|name| Some((name, Kind::of(name).err()?)))
    {
        bail!("{error}; if it is text, send it to the standard input: `< {name}`");
    }
    if !files.is_empty()
        && let Some(other) = arguments.iter().find(|name| !is_file(name))
    {
        bail!("`{other}` is no document that is known; translate documents and text separately");
    }
    Ok(files)
}

impl Translate {
    /// Translates `files`, one after the other; a file that fails does not keep the others from theirs.
    pub(super) fn translate_files(
        &self,
        files: &[PathBuf],
        helpers: Helpers<'_>,
    ) -> anyhow::Result<()> {
        if self.json || self.trace || self.alternatives > 0 {
            bail!("`--json`, `--trace` and `--alternatives` go with texts, not with documents");
        }
        let places = self.places(files)?;
        let mut failed = 0;
        for (file, place) in files.iter().zip(&places) {
            match self.translate_file(file, place, helpers) {
                Ok(()) => println!("{}", place.display()),
                Err(error) if files.len() == 1 => return Err(error),
                Err(error) => {
                    eprintln!("error: {error:#}");
                    failed += 1;
                }
            }
        }
        match failed {
            0 => Ok(()),
            _ => bail!("{failed} of {} documents were not translated", files.len()),
        }
    }

    /// Where each document goes; an error when something is there.
    fn places(&self, files: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
        let mut places: Vec<PathBuf> = Vec::new();
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let output = output_of(&name, self.out.as_deref(), files.len())?;
            let name = output_name(&name, &self.to, output);
            let place = match &self.out {
                None => file.with_file_name(name),
                Some(out) if out.is_dir() => out.join(name),
                Some(out) if out.to_string_lossy().ends_with(std::path::is_separator) => {
                    bail!("`--out {}`: there is no such folder; make it first", out.display())
                }
                Some(out) if files.len() == 1 => out.clone(),
                Some(out) => {
                    bail!("`--out {}` is no folder, and there are several documents", out.display())
                }
            };
            let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
            if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                bail!(
                    "{}: there is no folder `{}`; make it first",
                    place.display(),
                    folder.display()
                );
            }
            let is_same = || Some(place.canonicalize().ok()? == file.canonicalize().ok()?);
            if is_same() == Some(true) {
                bail!("{}: would replace the document itself", place.display());
            }
            if place.exists() && !self.overwrite {
                bail!("{}: is there already; `--overwrite` replaces it", place.display());
            }
            if places.contains(&place) {
                bail!("{}: two documents would be written there", place.display());
            }
            places.push(place);
        }
        Ok(places)
    }

    fn translate_file(
        &self,
        file: &Path,
        place: &Path,
        helpers: Helpers<'_>,
    ) -> anyhow::Result<()> {
        let Helpers { translator, detector, memory } = helpers;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let settings = Settings {
            columns: self.column.clone(),
            target: self.to.clone(),
            output: Some(output_of(&name, Some(place), 1)?),
            ..Settings::default()
        };
        let bytes = fs_err::read(file)?;
        let refused = || file.display().to_string();
        let document = Document::read(&name, bytes, &settings).with_context(refused)?;
        let source = match detector {
            Some(detector) => {
                let known = translator.languages();
                let guess = detector.detect(&document.sample(), &known);
                if !known.contains(&guess) {
                    bail!("{}: {}", file.display(), detect::unknown(&guess, &known));
                }
                guess
            }
            None => self.from.clone(),
        };
        let mut document = document.segment(&source);
        if let Some(memory) = memory.filter(|_| source != self.to) {
            let find = |text: &str| memory.find(&source, &self.to, text);
            let recalled = document.recall(find).with_context(refused)?;
            eprintln!("{name}: {recalled} sentences were in the memory");
        }
        let terms = self.terms(&source)?;
        let request = TextRequest {
            domains: self.domain.clone(),
            terms,
            ..TextRequest::new(source, self.to.clone())
        };
        let bar = bar(&name, document.sentences().len());
        let sentences = match request.source == request.target {
            true => &[],
            false => document.sentences(),
        };
        let mut rewritten = translate_sentences(translator, sentences, &request, |done| {
            bar.set_position(done as u64);
        })
        .with_context(refused)?;
        bar.finish_and_clear();
        rewritten.resize(document.sentences().len(), dragoman_text::Rewritten::Unchanged);
        write_whole(place, &document.write(&rewritten)?)
    }
}

/// The kind that the translation of the document called `name` is: its own, or the one that `out` says if it
/// is the name of a document.
fn output_of(name: &str, out: Option<&Path>, count: usize) -> anyhow::Result<Kind> {
    let named = out.filter(|out| count == 1 && !out.is_dir()).and_then(Path::file_name);
    let named = named.map(|named| named.to_string_lossy());
    let kind = output_kind(name, named.as_deref());
    kind.with_context(|| out.map_or(name.to_owned(), |out| format!("`--out {}`", out.display())))
}

/// A bar that counts sentences, where somebody sees it.
fn bar(name: &str, count: usize) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} sentences {eta}");
    let bar = ProgressBar::new(count as u64).with_message(name.to_owned());
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

/// Writes a file that is there whole, or not at all.
fn write_whole(place: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let context = || format!("writing {}", place.display());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".dragoman-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the user's mask
    let mut file = builder.tempfile_in(folder).with_context(context)?;
    file.write_all(bytes).with_context(context)?;
    file.persist(place).with_context(context)?;
    Ok(())
}
