//! Vocabularies of other suites: SentencePiece models or merges beside a list of tokens.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Frame, Outputs, Side, Vocabulary};
use crate::{Error, Result, sentencepiece::SentencePiece, subwords::Subwords};

/// Name of the file that describes such a vocabulary in a model directory.
pub const VOCABULARY_FILE: &str = "vocabulary.json";

/// What `vocabulary.json` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PiecesConfig {
    /// How sources are cut, and the ids of the pieces.
    pub source: SideConfig,
    /// The same for targets; absent where it is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<SideConfig>,
    /// Id of pieces that are not in the list.
    pub unknown: u32,
    /// Ids that are no text: user text never becomes one of them.
    #[serde(default)]
    pub special: Vec<u32>,
    /// Which tokens the model may put out.
    pub outputs: Outputs,
    /// What stands before the text of a source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<FramePart>,
    /// What stands behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<FramePart>,
    /// What the decoder is given before it chooses.
    pub start: Vec<FramePart>,
    /// The tokens of languages, by their codes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub languages: BTreeMap<String, u32>,
}

/// The files of one side: how texts are cut, and the tokens in the order of their ids, a JSON array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum SideConfig {
    /// Texts are cut by a SentencePiece model.
    SentencePiece {
        /// Its file.
        sentencepiece: String,
        /// The list of tokens.
        tokens: String,
    },
    /// Texts are cut by subword-nmt's merges after Moses' tokenizer.
    Subwords {
        /// The file of the merges.
        codes: String,
        /// Language of the texts, by which Moses chooses its rules.
        language: String,
        /// The list of tokens.
        tokens: String,
    },
}

/// A token around a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FramePart {
    /// Always this one.
    Id(u32),
    /// That of a language.
    Language(LanguageOf),
}

/// Whose language a token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LanguageOf {
    /// The language of the source.
    Source,
    /// The language of the target.
    Target,
}

/// A vocabulary of another suite.
#[derive(Debug, Clone)]
pub struct Pieces {
    config: PiecesConfig,
    source: Tokens,
    target: Option<Tokens>,
    special: HashSet<u32>,
    files: BTreeMap<String, Vec<u8>>,
    sha256: String,
}

/// The tokens of one side.
#[derive(Debug, Clone)]
struct Tokens {
    cutter: Cutter,
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
}

#[derive(Debug, Clone)]
enum Cutter {
    SentencePiece(Box<SentencePiece>),
    Subwords(Subwords),
}

impl SideConfig {
    /// A side that is cut by the SentencePiece model in one file, with its tokens in another.
    pub fn sentencepiece(model: &str, tokens: &str) -> Self {
        Self::SentencePiece { sentencepiece: model.into(), tokens: tokens.into() }
    }

    /// The file by which texts are cut, and that of the tokens.
    fn files(&self) -> [&String; 2] {
        match self {
            Self::SentencePiece { sentencepiece, tokens } => [sentencepiece, tokens],
            Self::Subwords { codes, tokens, .. } => [codes, tokens],
        }
    }
}

impl Cutter {
    fn new(config: &SideConfig, content: &[u8]) -> Result<Self> {
        let cutter = match config {
            SideConfig::SentencePiece { .. } => {
                SentencePiece::parse(content).map(|model| Self::SentencePiece(Box::new(model)))
            }
            SideConfig::Subwords { language, .. } => {
                Subwords::parse(content, language).map(Self::Subwords)
            }
        };
        cutter.map_err(|reason| invalid(config.files()[0], &reason))
    }

    fn cut(&self, text: &str) -> Vec<String> {
        match self {
            Self::SentencePiece(model) => {
                model.cut(text).into_iter().map(|(piece, _)| piece).collect()
            }
            Self::Subwords(subwords) => subwords.cut(text),
        }
    }

    fn join<'a>(&self, pieces: impl Iterator<Item = &'a str>) -> String {
        match self {
            Self::SentencePiece(model) => model.join(pieces.map(Some)),
            Self::Subwords(subwords) => subwords.join(pieces),
        }
    }
}

impl Pieces {
    /// Makes the vocabulary that `config` describes; `read` gives the content of a file by its name.
    ///
    /// # Errors
    /// Fails when a file is missing or damaged, or an id is outside of the list.
    pub fn new(
        config: PiecesConfig,
        mut read: impl FnMut(&str) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        let special: HashSet<u32> = config.special.iter().copied().collect();
        let mut files = BTreeMap::new();
        let mut side = |side: &SideConfig| -> Result<Tokens> {
            for name in side.files() {
                if !files.contains_key(name) {
                    files.insert(name.clone(), read(name)?);
                }
            }
            Tokens::new(side, &files, &special)
        };
        let source = side(&config.source)?;
        let target = config.target.as_ref().map(side).transpose()?;
        let mut json = serde_json::to_vec_pretty(&config)
            .map_err(|error| invalid(VOCABULARY_FILE, &error.to_string()))?;
        json.push(b'\n');
        files.insert(VOCABULARY_FILE.into(), json);
        let mut hash = Sha256::new();
        for (name, content) in &files {
            hash.update(name);
            hash.update(content);
        }
        let sha256 = format!("{:x}", hash.finalize());
        let vocabulary = Self { config, source, target, special, files, sha256 };
        vocabulary.check()?;
        Ok(vocabulary)
    }

    /// Reads `vocabulary.json`, and the files that it names by `read`.
    pub fn parse(text: &[u8], read: impl FnMut(&str) -> Result<Vec<u8>>) -> Result<Self> {
        let config = serde_json::from_slice(text)
            .map_err(|error| invalid(VOCABULARY_FILE, &error.to_string()))?;
        Self::new(config, read)
    }

    fn check(&self) -> Result<()> {
        let PiecesConfig { outputs, before, after, start, languages, unknown, .. } = &self.config;
        let (source, target) = (self.source_size() as u32, self.size() as u32);
        let ids = |parts: &[FramePart]| -> Vec<u32> {
            let id = |part: &FramePart| match part {
                FramePart::Id(id) => Some(*id),
                FramePart::Language(_) => None,
            };
            parts.iter().filter_map(id).collect()
        };
        let of_source = [ids(before), ids(after), vec![*unknown]].concat();
        let of_target = [ids(start), vec![outputs.end, outputs.first]].concat();
        let is_outside = |ids: &[u32], size| ids.iter().copied().find(|&id| id >= size);
        let smaller = source.min(target);
        let languages: Vec<u32> = languages.values().copied().collect();
        let outside = is_outside(&of_source, source)
            .or(is_outside(&of_target, target))
            .or(is_outside(&languages, smaller));
        match outside {
            Some(id) => {
                let reason = format!("names the token {id}, but there are {smaller}");
                Err(invalid(VOCABULARY_FILE, &reason))
            }
            None if start.is_empty() => {
                Err(invalid(VOCABULARY_FILE, "gives the decoder nothing to start from"))
            }
            None => Ok(()),
        }
    }

    /// What `vocabulary.json` says.
    pub fn config(&self) -> &PiecesConfig {
        &self.config
    }

    /// Number of tokens of sources.
    pub fn source_size(&self) -> usize {
        self.source.tokens.len()
    }

    fn side(&self, side: Side) -> &Tokens {
        match side {
            Side::Source => &self.source,
            Side::Target => self.target.as_ref().unwrap_or(&self.source),
        }
    }

    fn part(&self, part: FramePart, source: &str, target: &str) -> Result<u32> {
        let language = match part {
            FramePart::Id(id) => return Ok(id),
            FramePart::Language(LanguageOf::Source) => source,
            FramePart::Language(LanguageOf::Target) => target,
        };
        self.config.languages.get(language).copied().ok_or_else(|| {
            let reason = format!("the vocabulary has no token for the language `{language}`");
            Error::Invalid(reason)
        })
    }
}

impl Tokens {
    fn new(
        side: &SideConfig,
        files: &BTreeMap<String, Vec<u8>>,
        special: &HashSet<u32>,
    ) -> Result<Self> {
        let [model, list] = side.files();
        let cutter = Cutter::new(side, &files[model])?;
        let tokens: Vec<String> = serde_json::from_slice(&files[list])
            .map_err(|error| invalid(list, &format!("is no list of tokens: {error}")))?;
        let mut ids = HashMap::with_capacity(tokens.len());
        for (token, id) in tokens.iter().zip(0..) {
            if !token.is_empty() && !special.contains(&id) {
                ids.entry(token.clone()).or_insert(id);
            }
        }
        Ok(Self { cutter, tokens, ids })
    }
}

fn invalid(name: &str, reason: &str) -> Error {
    Error::Invalid(format!("`{name}` {reason}"))
}

impl Vocabulary for Pieces {
    fn size(&self) -> usize {
        self.side(Side::Target).tokens.len()
    }

    fn outputs(&self) -> &Outputs {
        &self.config.outputs
    }

    fn encode(&self, side: Side, text: &str) -> Vec<u32> {
        let Tokens { cutter, ids, .. } = self.side(side);
        let id = |piece: String| ids.get(&piece).copied().unwrap_or(self.config.unknown);
        cutter.cut(text).into_iter().map(id).collect()
    }

    fn decode(&self, ids: &[u32]) -> String {
        let Tokens { cutter, tokens, .. } = self.side(Side::Target);
        let is_text = |id: &&u32| !self.special.contains(id) && **id != self.config.unknown;
        let text = |&id: &u32| tokens.get(id as usize).map(String::as_str);
        cutter.join(ids.iter().filter(is_text).filter_map(text))
    }

    fn token(&self, side: Side, id: u32) -> Option<String> {
        self.side(side).tokens.get(id as usize).cloned()
    }

    fn frame(&self, source: &str, target: &str) -> Result<Frame> {
        let ids = |parts: &[FramePart]| -> Result<Vec<u32>> {
            parts.iter().map(|&part| self.part(part, source, target)).collect()
        };
        let PiecesConfig { before, after, start, .. } = &self.config;
        Ok(Frame { before: ids(before)?, after: ids(after)?, start: ids(start)? })
    }

    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn files(&self) -> Vec<(String, Cow<'_, [u8]>)> {
        let file = |(name, content): (&String, &'_ Vec<u8>)| (name.clone(), content.clone().into());
        self.files.iter().map(file).collect()
    }
}
