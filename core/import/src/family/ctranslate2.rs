//! Folders of CTranslate2: `model.bin` with its vocabulary, from OpenNMT-py, Marian or Hugging Face.

mod shape;
mod weights;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use dragoman_core::{
    config::TranslationConfig,
    vocabulary::{FramePart, LanguageOf, Outputs, PiecesConfig, SideConfig},
};
use serde::Deserialize;

use super::{between, check_length, m2m100::language_tokens, one_direction, token_list};
use crate::{
    Error, Result,
    checkpoint::{Checkpoint, ctranslate2::Ct2File},
    files,
    plan::{ImportPlan, Request},
};

/// Specifications that are known: the last two are of before 2021.
const KNOWN: [&str; 4] = ["TransformerSpec", "", "TransformerBase", "TransformerBig"];

/// The fields of `config.json` that matter; before October 2022 there was none.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Config {
    eos_token: String,
    unk_token: String,
    decoder_start_token: Option<String>,
    add_source_bos: bool,
    add_source_eos: bool,
    bos_token: String,
    layer_norm_epsilon: Option<f32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            eos_token: "</s>".into(),
            unk_token: "<unk>".into(),
            decoder_start_token: Some("<s>".into()),
            add_source_bos: false,
            add_source_eos: false,
            bos_token: "<s>".into(),
            layer_norm_epsilon: None,
        }
    }
}

/// By what texts are cut.
pub(crate) enum Cut {
    /// SentencePiece models.
    SentencePiece,
    /// Files of subword-nmt's merges, after Moses.
    Subwords,
}

/// A folder with what cuts the texts of both sides.
pub(crate) struct Source<'a> {
    /// Folder of `model.bin`.
    pub(crate) folder: &'a Path,
    /// Of what kind the files are that cut texts.
    pub(crate) cut: Cut,
    /// The file for sources, and that for targets where it is another.
    pub(crate) models: (Vec<u8>, Option<Vec<u8>>),
    /// Exponent of the length in scores.
    pub(crate) length_penalty: f32,
    /// A token with which all targets begin.
    pub(crate) target_prefix: Option<&'a str>,
}

/// Plans the model in `source`, whose languages are `pair` unless its vocabulary names them.
pub(crate) fn plan(
    source: Source<'_>,
    request: &Request,
    pair: (Option<&str>, Option<&str>),
) -> Result<(ImportPlan, Box<dyn Checkpoint>)> {
    let path = source.folder.join("model.bin");
    let file = Ct2File::open(&path)?;
    if !KNOWN.contains(&file.spec.as_str()) {
        let reason = format!("the specification `{}` is not known; TransformerSpec is", file.spec);
        return Err(Error::file(&path, reason));
    }
    let config_path = source.folder.join("config.json");
    let config: Config = match config_path.is_file() {
        true => files::json(&config_path)?,
        false => config_of(&file)?,
    };
    let model = Model { path: &path, file: &file, config: &config, source: &source };
    let tokens = model.tokens()?;
    let languages = language_tokens(&tokens.0);
    let pair = match languages.is_empty() {
        true => Some(request.pair(pair.0, pair.1)?),
        false => None,
    };
    let register = match &pair {
        Some(pair) => one_direction(pair.clone()),
        None => between(languages.keys().cloned().collect()),
    };
    model.refuse_what_is_not_known()?;
    let (vocabulary, ours) = model.parts(tokens, languages, pair.unwrap_or_default())?;
    let shared = model.shared(&ours)?;
    let plan = ImportPlan { config: ours, register, vocabulary, shared, experts: Vec::new() };
    Ok((plan, Box::new(file)))
}

/// The settings that stood in the file itself before binary version 6.
fn config_of(file: &Ct2File) -> Result<Config> {
    let flag =
        |name: &str| -> Result<bool> { Ok(file.scalar(name)?.is_some_and(|value| value != 0.0)) };
    Ok(Config {
        add_source_bos: flag("with_source_bos")?,
        add_source_eos: flag("with_source_eos")?,
        ..Config::default()
    })
}

struct Model<'a> {
    path: &'a Path,
    file: &'a Ct2File,
    config: &'a Config,
    source: &'a Source<'a>,
}

impl Model<'_> {
    /// Tokens of sources, and those of targets where they are others.
    fn tokens(&self) -> Result<(Vec<String>, Option<Vec<String>>)> {
        let list = |side: &str| -> Result<Option<Vec<String>>> {
            for ending in ["json", "txt"] {
                let path = self.source.folder.join(format!("{side}_vocabulary.{ending}"));
                if !path.is_file() {
                    continue;
                }
                if ending == "json" {
                    return files::json(&path).map(Some);
                }
                let text = fs_err::read_to_string(&path)?;
                let text = text.strip_suffix('\n').unwrap_or(&text);
                return Ok(Some(text.split('\n').map(String::from).collect()));
            }
            Ok(None)
        };
        if let Some(shared) = list("shared")? {
            return Ok((shared, None));
        }
        match (list("source")?, list("target")?) {
            (Some(source), Some(target)) => Ok((source, Some(target))),
            _ => {
                let reason = "holds no vocabulary: neither `shared_vocabulary` nor \
                              `source_vocabulary` and `target_vocabulary`, as `.json` or `.txt`";
                Err(Error::file(self.source.folder, reason))
            }
        }
    }

    fn starts_from_zero(&self) -> Result<bool> {
        let flag = self.file.scalar("decoder/start_from_zero_embedding")?;
        Ok(flag.is_some_and(|value| value != 0.0))
    }

    /// The vocabulary and the configuration.
    fn parts(
        &self,
        (mut source, mut target): (Vec<String>, Option<Vec<String>>),
        languages: BTreeMap<String, u32>,
        pair: (String, String),
    ) -> Result<(dragoman_core::vocabulary::Pieces, TranslationConfig)> {
        let ours = self.config()?;
        let zero = usize::from(self.starts_from_zero()?);
        let rows = |name: &str| self.info(name).map(|info| info.shape[0]);
        let (sources, targets) =
            (rows(&self.source_embedding())?, rows("decoder/embeddings/weight")?);
        for (tokens, size) in [(Some(&mut source), sources), (target.as_mut(), targets)] {
            let Some(tokens) = tokens else { continue };
            // A list without the unknown token gets it at its end, as in CTranslate2.
            if tokens.len() + 1 == size && !tokens.contains(&self.config.unk_token) {
                tokens.push(self.config.unk_token.clone());
            }
            check_length(self.source.folder, tokens.len(), size)?;
        }
        let shares_embedding = ours.architecture.source_vocab_size.is_none();
        if zero == 1 {
            match (&mut target, shares_embedding) {
                (Some(target), false) => target.push(String::new()),
                (Some(target), true) => {
                    target.push(String::new());
                    source.push(String::new());
                }
                (None, true) => source.push(String::new()),
                (None, false) => target = Some([&source[..], &[String::new()]].concat()),
            }
        }
        let of = |tokens: &[String], token: &str| {
            let place = tokens.iter().position(|own| own == token);
            place.map(|id| id as u32).ok_or_else(|| {
                let reason = format!("its vocabulary has no token `{token}`");
                Error::file(self.source.folder, reason)
            })
        };
        let targets = target.as_ref().unwrap_or(&source);
        let Config { eos_token, unk_token, bos_token, decoder_start_token, .. } = self.config;
        let (end, source_end) = (of(targets, eos_token)?, of(&source, eos_token)?);
        let start_token = decoder_start_token.as_deref().unwrap_or(eos_token);
        let start = match zero {
            0 => of(targets, start_token)?,
            _ => targets.len() as u32 - 1,
        };
        let unknown = of(&source, unk_token)?;
        let prefix = self.source.target_prefix.map(|prefix| of(targets, prefix)).transpose()?;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut begin = vec![FramePart::Id(start)];
        if !languages.is_empty() {
            before.push(FramePart::Language(LanguageOf::Source));
            begin.push(FramePart::Language(LanguageOf::Target));
        }
        begin.extend(prefix.map(FramePart::Id));
        if self.config.add_source_bos {
            before.push(FramePart::Id(of(&source, bos_token)?));
        }
        // Conversions of Marian, fairseq and T5 models leave the end to the caller.
        if self.config.add_source_eos || start_token == eos_token || start_token == "<pad>" {
            after.push(FramePart::Id(source_end));
        }
        let mut special: BTreeSet<u32> = languages.values().copied().collect();
        special.extend([end, source_end, unknown]);
        for token in ["<s>", "<blank>", "<pad>"] {
            special.extend(source.iter().position(|own| own == token).map(|id| id as u32));
        }
        let (files, [source_side, target_side]) = self.sides(&source, target.as_ref(), &pair);
        let pieces = PiecesConfig {
            target: (target_side != source_side).then_some(target_side),
            source: source_side,
            unknown,
            special: special.into_iter().collect(),
            outputs: Outputs { end, first: 0, banned: Vec::new() },
            before,
            after,
            start: begin,
            languages,
        };
        Ok((super::vocabulary(pieces, files)?, ours))
    }

    /// The files of the vocabulary, and how both sides use them.
    fn sides(
        &self,
        source: &[String],
        target: Option<&Vec<String>>,
        pair: &(String, String),
    ) -> (BTreeMap<String, Vec<u8>>, [SideConfig; 2]) {
        let ending = match self.source.cut {
            Cut::SentencePiece => "spm",
            Cut::Subwords => "bpe",
        };
        let (source_model, target_model) = &self.source.models;
        let mut files = BTreeMap::from([
            (format!("source.{ending}"), source_model.clone()),
            ("tokens.json".to_string(), token_list(source)),
        ]);
        let own =
            |side: &str, has_own: bool| if has_own { side.to_string() } else { "source".into() };
        let target_file = format!("{}.{ending}", own("target", target_model.is_some()));
        files.extend(target_model.clone().map(|model| (target_file.clone(), model)));
        let target_tokens = match target {
            Some(target) => {
                files.insert("target-tokens.json".into(), token_list(target));
                "target-tokens.json"
            }
            None => "tokens.json",
        };
        let side = |file: String, tokens: &str, language: &String| match self.source.cut {
            Cut::SentencePiece => SideConfig::sentencepiece(&file, tokens),
            Cut::Subwords => {
                let (language, tokens) = (language.clone(), tokens.into());
                SideConfig::Subwords { codes: file, language, tokens }
            }
        };
        let source_side = side(format!("source.{ending}"), "tokens.json", &pair.0);
        (files, [source_side, side(target_file, target_tokens, &pair.1)])
    }

    /// A scalar of a side, or of the whole model in old revisions.
    fn scalar(&self, name: &str) -> Result<Option<f32>> {
        match self.file.scalar(&format!("encoder/{name}"))? {
            Some(value) => Ok(Some(value)),
            None => self.file.scalar(name),
        }
    }

    fn info(&self, name: &str) -> Result<crate::checkpoint::Info> {
        let info = self.file.info(name).filter(|info| !info.shape.is_empty());
        info.ok_or_else(|| Error::file(self.path, format!("has no variable `{name}`")))
    }

    fn source_embedding(&self) -> String {
        let new = "encoder/embeddings_0/weight";
        let name = if self.file.info(new).is_some() { new } else { "encoder/embeddings/weight" };
        name.into()
    }

    fn layers(&self, side: &str) -> usize {
        let has = |i: &usize| {
            self.file.info(&format!("{side}/layer_{i}/self_attention/linear_0/weight")).is_some()
        };
        (0..).take_while(has).count()
    }
}
