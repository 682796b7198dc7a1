//! Finds out what a source is.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{
    Error, Result,
    archive::Archive,
    checkpoint::{Checkpoint, bergamot::MarianFile, ctranslate2::Ct2File, npz::NpzFile},
    family::{
        bergamot,
        ctranslate2::{self, Cut},
        huggingface,
    },
    files,
    plan::{ImportPlan, Request},
};

/// Sources that are known, for messages.
const KNOWN: &str = "an Argos package (`.argosmodel`), a folder of CTranslate2 (`model.bin`), of \
                     Hugging Face (`config.json` with `marian`, `m2m_100` or `nllb-moe`), of \
                     Firefox (`model.*.bin` and `*.spm`) or of Marian (`.npz` and `*.spm`)";

/// Plans what is at `path`.
pub(crate) fn open(path: &Path, request: &Request) -> Result<(ImportPlan, Box<dyn Checkpoint>)> {
    if !path.exists() {
        return Err(Error::file(path, "is not there"));
    }
    if path.is_file() {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        return match ending.as_str() {
            "argosmodel" | "zip" => argos(path, request),
            "npz" | "bin" | "gz" => open(path.parent().unwrap_or(Path::new(".")), request),
            _ => Err(Error::file(path, format!("is of no kind that is known: {KNOWN} are"))),
        };
    }
    let names = names(path)?;
    let find = |test: &dyn Fn(&str) -> bool| names.iter().find(|name| test(name));
    if names.iter().any(|name| name == "metadata.json") && path.join("model").is_dir() {
        return unpacked_argos(path, request);
    }
    if path.join("model.bin").is_file() {
        return ct2_folder(path, request);
    }
    if path.join("config.json").is_file() {
        return huggingface::plan(path, request);
    }
    if let Some(name) = find(&|name| name.ends_with(".npz")) {
        let file = NpzFile::open(&path.join(name))?;
        let settings = file.settings()?;
        return marian_folder((path, name), &names, Box::new(file), settings, request);
    }
    let is_model = |name: &str| {
        let name = name.strip_suffix(".gz").unwrap_or(name);
        name.starts_with("model") && name.ends_with(".bin")
    };
    if let Some(name) = find(&is_model) {
        let file = MarianFile::open(&path.join(name))?;
        let settings = file.settings();
        return marian_folder((path, name), &names, Box::new(file), settings, request);
    }
    Err(Error::file(path, format!("is of no kind that is known: {KNOWN} are")))
}

/// The names of the files in a folder, sorted.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// A folder with a vocabulary or two beside the weights.
fn marian_folder(
    (folder, name): (&Path, &str),
    names: &[String],
    checkpoint: Box<dyn Checkpoint>,
    settings: Option<String>,
    request: &Request,
) -> Result<(ImportPlan, Box<dyn Checkpoint>)> {
    let is_spm = |name: &&String| {
        let name = name.strip_suffix(".gz").unwrap_or(name);
        name.ends_with(".spm")
    };
    let spm: Vec<&String> = names.iter().filter(is_spm).collect();
    let of = |side: &str| spm.iter().find(|name| name.starts_with(side));
    let read = |name: &str| files::unpacked(&folder.join(name));
    let vocabularies = match (of("srcvocab"), of("trgvocab"), spm.first()) {
        (Some(source), Some(target), _) => (read(source)?, Some(read(target)?)),
        (_, _, Some(shared)) => (read(shared)?, None),
        _ => return Err(Error::file(folder, "holds no vocabulary: a file `*.spm` is missing")),
    };
    // As in `model.ende.intgemm.alphas.bin`.
    let pair = name.split('.').find(|part| {
        part.len() == 4 && part.is_ascii() && part.chars().all(|c| c.is_ascii_lowercase())
    });
    let pair = pair.map(|pair| pair.split_at(2));
    let path = folder.join(name);
    let source = bergamot::Source { path: &path, checkpoint, settings, vocabularies };
    bergamot::plan(source, request, (pair.map(|pair| pair.0), pair.map(|pair| pair.1)))
}

/// A folder of CTranslate2, whose SentencePiece models lie in it or beside it.
fn ct2_folder(folder: &Path, request: &Request) -> Result<(ImportPlan, Box<dyn Checkpoint>)> {
    Ct2File::open(&folder.join("model.bin"))?; // damage is named before a vocabulary is missed
    let read = |name: &str| {
        let path = folder.join(name);
        path.is_file().then(|| fs_err::read(path)).transpose()
    };
    for (cut, ending) in [(Cut::SentencePiece, "spm"), (Cut::Subwords, "bpe")] {
        if let Some(source) = read(&format!("source.{ending}"))? {
            let models = (source, read(&format!("target.{ending}"))?);
            return plan_ct2(folder, (cut, models), request);
        }
    }
    for name in ["sentencepiece.model", "sentencepiece.bpe.model", "spm.model", "spiece.model"] {
        if let Some(model) = read(name)? {
            return plan_ct2(folder, (Cut::SentencePiece, (model, None)), request);
        }
    }
    for name in ["bpe.model", "bpe.codes", "codes", "codes.txt"] {
        if let Some(codes) = read(name)? {
            return plan_ct2(folder, (Cut::Subwords, (codes, None)), request);
        }
    }
    let reason = "holds nothing that cuts texts: copy `source.spm` and `target.spm`, or \
                  `sentencepiece.model`, or subword-nmt's `source.bpe` and `target.bpe`, or \
                  `bpe.model`, from where the model was converted into it";
    Err(Error::file(folder, reason))
}

fn plan_ct2(
    folder: &Path,
    (cut, models): (Cut, (Vec<u8>, Option<Vec<u8>>)),
    request: &Request,
) -> Result<(ImportPlan, Box<dyn Checkpoint>)> {
    let source =
        ctranslate2::Source { folder, cut, models, length_penalty: 1.0, target_prefix: None };
    ctranslate2::plan(source, request, (None, None))
}

/// What an Argos package says of itself.
#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(rename = "type", default = "translate")]
    kind: String,
    #[serde(default)]
    from_code: String,
    #[serde(default)]
    to_code: String,
    #[serde(default)]
    target_prefix: String,
}

fn translate() -> String {
    "translate".into()
}

/// Exponent of the length with which Argos Translate searches.
const ARGOS_LENGTH_PENALTY: f32 = 0.2;

/// A package: it is unpacked into a folder that goes when the import is done.
fn argos(path: &Path, request: &Request) -> Result<(ImportPlan, Box<dyn Checkpoint>)> {
    let archive = Archive::open(path)?;
    let metadata = archive
        .names()
        .find(|name| Path::new(name).file_name().is_some_and(|own| own == "metadata.json"));
    let Some(metadata) = metadata else {
        return Err(Error::file(path, "is no Argos package: it has no `metadata.json`"));
    };
    let root = metadata.strip_suffix("metadata.json").unwrap_or_default().to_string();
    let folder = tempfile::tempdir()?;
    let own = |name: &str| -> Option<String> {
        let own = name.strip_prefix(&root)?;
        let wanted = own.starts_with("model/") || Path::new(own).components().count() == 1;
        (wanted && !own.is_empty() && !own.ends_with('/')).then(|| own.to_string())
    };
    let mut bytes = 0;
    for name in archive.names().filter(|name| own(name).is_some()) {
        bytes += archive.size(name)?;
    }
    files::check_space(folder.path(), bytes)?;
    for name in archive.names() {
        let Some(own) = own(name) else { continue };
        let path: PathBuf = folder.path().join(&own);
        fs_err::create_dir_all(path.parent().unwrap_or(folder.path()))?;
        archive.copy(name, &mut fs_err::File::create(&path)?)?;
    }
    let (plan, checkpoint) = unpacked_argos(folder.path(), request)?;
    Ok((plan, Box::new(Unpacked { checkpoint, _folder: folder })))
}

/// The folder of a package.
fn unpacked_argos(folder: &Path, request: &Request) -> Result<(ImportPlan, Box<dyn Checkpoint>)> {
    let metadata: Metadata = files::json(&folder.join("metadata.json"))?;
    if metadata.kind != "translate" {
        let reason = format!("is a package of type `{}`; `translate` is known", metadata.kind);
        return Err(Error::file(folder, reason));
    }
    let model = folder.join("sentencepiece.model");
    let (cut, model) = match !model.is_file() && folder.join("bpe.model").is_file() {
        true => (Cut::Subwords, folder.join("bpe.model")),
        false => (Cut::SentencePiece, model),
    };
    let pair = (Some(metadata.from_code.as_str()), Some(metadata.to_code.as_str()));
    let models = (fs_err::read(model)?, None);
    let own = folder.join("model");
    let length_penalty = ARGOS_LENGTH_PENALTY;
    let target_prefix = Some(metadata.target_prefix.as_str()).filter(|prefix| !prefix.is_empty());
    let source = ctranslate2::Source { folder: &own, cut, models, length_penalty, target_prefix };
    ctranslate2::plan(source, request, pair)
}

/// The languages of the Argos package at `path`, a file or a folder, from and to; none if it is no
/// translation model of one direction.
///
/// # Errors
/// Fails when the package is damaged.
pub fn argos_pair(path: &Path) -> Result<Option<(String, String)>> {
    let metadata: Metadata = match path.is_dir() {
        true if !path.join("metadata.json").is_file() => return Ok(None),
        true => files::json(&path.join("metadata.json"))?,
        false => {
            let archive = Archive::open(path)?;
            let is_metadata = |name: &&str| name.rsplit('/').next() == Some("metadata.json");
            let Some(name) = archive.names().find(is_metadata) else { return Ok(None) };
            serde_json::from_slice(&archive.read(name)?)
                .map_err(|error| Error::file(path, format!("its `{name}`: {error}")))?
        }
    };
    let Metadata { kind, from_code, to_code, .. } = metadata;
    let is_model = kind == "translate" && !from_code.is_empty() && !to_code.is_empty();
    Ok(is_model.then_some((from_code, to_code)))
}

/// A checkpoint in a temporary folder, which lives as long.
struct Unpacked {
    checkpoint: Box<dyn Checkpoint>,
    _folder: tempfile::TempDir,
}

impl Checkpoint for Unpacked {
    fn names(&self) -> Vec<String> {
        self.checkpoint.names()
    }

    fn info(&self, name: &str) -> Option<crate::checkpoint::Info> {
        self.checkpoint.info(name)
    }

    fn read(&self, name: &str) -> Result<crate::checkpoint::Values> {
        self.checkpoint.read(name)
    }
}
