//! Models of this suite as folders of other suites, so that nobody is locked in.
//!
//! Dense models alone: no other suite routes tokens as ours does. The weights are written as float32;
//! the other suites make smaller types of them when they load a folder.

mod ctranslate2;
mod huggingface;
mod readme;

use std::{collections::BTreeMap, path::Path, str::FromStr, sync::Arc};

use candle::{Device, Tensor};
use dragoman_core::{
    config::{DistanceKind, Positions, TargetMixing, TranslationConfig},
    directory::{Files, Loaded, write_whole},
    layers::embedding::position_table,
    register::Register,
    tokenizer::UNKNOWN,
    vocabulary::{Frame, Outputs, PiecesConfig, Side, VOCABULARY_FILE, Vocabulary},
};
use serde::Serialize;

use crate::{Error, Result, family::NEVER};

/// A suite that models can be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A folder of CTranslate2: `model.bin`, `config.json` and the lists of tokens.
    CTranslate2,
    /// A folder of Hugging Face Transformers: Marian, Pegasus or M2M100, as the model's shape asks for.
    HuggingFace,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::CTranslate2, Self::HuggingFace];

    /// Its name, as commands take it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CTranslate2 => "ctranslate2",
            Self::HuggingFace => "huggingface",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found
            .ok_or_else(|| format!("no format `{name}`; there are `ctranslate2` and `huggingface`"))
    }
}

/// Writes the dense model in `files` to the new folder `out`.
///
/// # Errors
/// Fails when the model has experts, or something else that the format cannot say; then nothing is
/// left behind.
pub fn export(files: &Files, format: Format, out: &Path) -> Result<()> {
    if out.exists() && fs_err::read_dir(out)?.next().is_some() {
        return Err(Error::file(out, "is there already and not empty; name another folder"));
    }
    let model = Dense::load(files)?;
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs_err::create_dir_all(parent)?;
    let folder = tempfile::Builder::new().prefix(".export-").tempdir_in(parent)?;
    match format {
        Format::CTranslate2 => ctranslate2::write(&model, folder.path())?,
        Format::HuggingFace => huggingface::write(&model, folder.path())?,
    }
    crate::write::appear(folder, out)
}

/// A model without experts, and what surrounds it.
struct Dense {
    config: TranslationConfig,
    register: Register,
    vocabulary: Arc<dyn Vocabulary>,
    tensors: BTreeMap<String, Tensor>,
    /// What `vocabulary.json` says, where the tokenizer is that of another suite.
    pieces: Option<PiecesConfig>,
}

impl Dense {
    fn load(files: &Files) -> Result<Self> {
        let Loaded { model, params, register, vocabulary, .. } =
            files.load_translation(&Device::Cpu)?;
        let config = model.config().clone();
        let own = config.moe.is_some() || !register.experts.is_empty();
        let reason = match (own, config.architecture.target) {
            (true, _) => {
                "it has experts, which no other suite can route to; a dense model can be exported, \
                 such as one that was trained with `encoder_freq` and `decoder_freq` 0, or imported"
            }
            (_, TargetMixing::Ssru) => {
                "its decoder is a recurrent unit, which the format does not have"
            }
            (false, TargetMixing::Attention) => "",
        };
        if !reason.is_empty() {
            return Err(Error::Unsupported(format!("the model cannot be exported: {reason}")));
        }
        let pieces = vocabulary.files().into_iter().find(|(name, _)| name == VOCABULARY_FILE);
        let pieces = match pieces {
            Some((_, content)) => Some(serde_json::from_slice(&content).map_err(io)?),
            None => None,
        };
        let tensors = params.tensors()?;
        Ok(Self { config, register, vocabulary, tensors, pieces })
    }

    /// The id of what has no token.
    fn unknown(&self) -> u32 {
        self.pieces.as_ref().map_or(UNKNOWN, |pieces| pieces.unknown)
    }

    /// Ids that the model never puts out.
    fn never(&self) -> impl Iterator<Item = u32> {
        let Outputs { first, banned, .. } = self.vocabulary.outputs();
        (0..*first).chain(banned.iter().copied())
    }

    fn tensor(&self, name: &str) -> Result<&Tensor> {
        let missing = || Error::Unsupported(format!("the model has no weight `{name}`"));
        self.tensors.get(name).ok_or_else(missing)
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The tokens of a side, in the order of their ids.
    fn tokens(&self, side: Side) -> Vec<String> {
        let size = match side {
            Side::Source => self.config.architecture.source_vocab_size,
            Side::Target => None,
        };
        let size = size.unwrap_or(self.config.vocab_size) as u32;
        (0..size).map(|id| self.vocabulary.token(side, id).unwrap_or_default()).collect()
    }

    /// What is added to the logits, `(V,)`, with what a model may not put out far below all else.
    fn bias(&self) -> Result<Option<Vec<f32>>> {
        let own = match self.has("output_bias") {
            true => Some(self.tensor("output_bias")?.to_vec1::<f32>()?),
            false => None,
        };
        if own.is_none() && self.never().next().is_none() {
            return Ok(None);
        }
        let mut bias = own.unwrap_or_else(|| vec![0.0; self.config.vocab_size]);
        self.never().for_each(|id| bias[id as usize] = NEVER);
        Ok(Some(bias))
    }

    /// The table of positions, `(P, D)`; none where distances stand for them.
    fn positions(&self) -> Result<Option<Tensor>> {
        let TranslationConfig { max_positions, d_model, architecture, .. } = &self.config;
        Ok(match architecture.positions {
            _ if architecture.source_distances != DistanceKind::None => None,
            Positions::Table => Some(self.tensor("embedding.positions")?.clone()),
            kind => Some(position_table(kind, *max_positions, *d_model, &Device::Cpu)?),
        })
    }

    /// The directions, in the order of the register.
    fn pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs = Vec::new();
        for route in &self.register.routes {
            if route.between.is_empty() {
                pairs.push((route.source.as_str(), route.target.as_str()));
            }
            for source in &route.between {
                let others = route.between.iter().filter(|target| *target != source);
                pairs.extend(others.map(|target| (source.as_str(), target.as_str())));
            }
        }
        pairs
    }

    /// What stands around the texts of each direction.
    fn frames(&self) -> Result<Vec<Frame>> {
        let frame = |(source, target)| Ok(self.vocabulary.frame(source, target)?);
        let frames: Vec<Frame> = self.pairs().into_iter().map(frame).collect::<Result<_>>()?;
        match frames.is_empty() {
            true => {
                Err(Error::Unsupported("the model translates nothing: it has no routes".into()))
            }
            false => Ok(frames),
        }
    }

    /// The files of the tokenizer, as they are in the model directory.
    fn write_tokenizer(&self, folder: &Path) -> Result<()> {
        for (name, content) in self.vocabulary.files() {
            if !matches!(name.as_str(), VOCABULARY_FILE | "tokens.json" | "target-tokens.json") {
                write_whole(&folder.join(name), &content)?;
            }
        }
        Ok(())
    }
}

fn io(error: serde_json::Error) -> Error {
    Error::Io(error.into())
}

/// Writes `value` as JSON.
fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(io)?;
    text.push(b'\n');
    Ok(write_whole(path, &text)?)
}
