//! Folders of CTranslate2: `model.bin` with its vocabulary, from OpenNMT-py, Marian or Hugging Face.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use dragoman_core::{
    config::{
        Activation, Architecture, NormPlacement, Positions, SearchDefaults, Stopping,
        TranslationConfig,
    },
    vocabulary::{FramePart, LanguageOf, Outputs, PiecesConfig, SideConfig},
};
use serde::Deserialize;

use super::{NEVER, between, check_length, m2m100::language_tokens, one_direction, token_list};
use crate::{
    Error, Result,
    checkpoint::{Checkpoint, ctranslate2::Ct2File},
    files,
    plan::{ImportPlan, Part, Planned, Request},
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

/// A folder with the SentencePiece models of both sides.
pub(crate) struct Source<'a> {
    /// Folder of `model.bin`.
    pub(crate) folder: &'a Path,
    /// The SentencePiece model of sources, and that of targets where it is another.
    pub(crate) models: (Vec<u8>, Option<Vec<u8>>),
    /// Exponent of the length in scores.
    pub(crate) length_penalty: f32,
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
    let register = match languages.is_empty() {
        true => one_direction(request.pair(pair.0, pair.1)?),
        false => between(languages.keys().cloned().collect()),
    };
    let (vocabulary, ours) = model.parts(tokens, languages)?;
    let shared = model.shared(&ours)?;
    model.refuse_what_is_not_known()?;
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
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut begin = vec![FramePart::Id(start)];
        if !languages.is_empty() {
            before.push(FramePart::Language(LanguageOf::Source));
            begin.push(FramePart::Language(LanguageOf::Target));
        }
        if self.config.add_source_bos {
            before.push(FramePart::Id(of(&source, bos_token)?));
        }
        // Conversions of Marian and fairseq models leave the end to the caller.
        if self.config.add_source_eos || start_token == eos_token {
            after.push(FramePart::Id(source_end));
        }
        let mut special: BTreeSet<u32> = languages.values().copied().collect();
        special.extend([end, source_end, unknown]);
        for token in ["<s>", "<blank>", "<pad>"] {
            special.extend(source.iter().position(|own| own == token).map(|id| id as u32));
        }
        let (source_model, target_model) = &self.source.models;
        let mut files = BTreeMap::from([
            ("source.spm".to_string(), source_model.clone()),
            ("tokens.json".to_string(), token_list(&source)),
        ]);
        let mut side =
            SideConfig { sentencepiece: "source.spm".into(), tokens: "tokens.json".into() };
        let source_side = side.clone();
        if let Some(model) = target_model {
            files.insert("target.spm".into(), model.clone());
            side.sentencepiece = "target.spm".into();
        }
        if let Some(target) = &target {
            files.insert("target-tokens.json".into(), token_list(target));
            side.tokens = "target-tokens.json".into();
        }
        let pieces = PiecesConfig {
            target: (side != source_side).then_some(side),
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

    fn config(&self) -> Result<TranslationConfig> {
        let embedding = self.info("decoder/embeddings/weight")?;
        let (vocab_size, d_model) = match embedding.shape[..] {
            [rows, width] => (rows, width),
            _ => return Err(Error::file(self.path, "its embedding is no matrix")),
        };
        let heads = match self.scalar("num_heads")? {
            Some(heads) => heads as usize,
            None if self.file.spec == "TransformerBig" => 16,
            None => 8,
        };
        let activation = match self.scalar("activation")?.unwrap_or(0.0) as i32 {
            0 => Activation::Relu,
            2 => Activation::Silu,
            3 => Activation::Gelu,
            other => {
                let reason = format!(
                    "its activation {other} is not known; 0 (relu), 2 (swish) and 3 (gelu) are"
                );
                return Err(Error::file(self.path, reason));
            }
        };
        let pre_norm = self.scalar("pre_norm")?.unwrap_or(1.0) != 0.0;
        let table = self.file.info("encoder/position_encodings/encodings");
        let scale = match self.scalar("scale_embeddings")? {
            Some(flag) if self.file.is_integer("encoder/scale_embeddings") => {
                (flag == 0.0).then_some(1.0)
            }
            factor => factor,
        };
        let zero = usize::from(self.starts_from_zero()?);
        let own_source = self.is_separate(&self.source_embedding(), "decoder/embeddings/weight");
        let separate_output = self.file.info("decoder/projection/weight").is_some()
            && self.is_separate("decoder/projection/weight", "decoder/embeddings/weight");
        let architecture = Architecture {
            positions: match &table {
                Some(_) => Positions::Table,
                None => Positions::Fairseq { first: 1 },
            },
            embedding_scale: scale,
            source_vocab_size: match own_source {
                true => Some(self.info(&self.source_embedding())?.shape[0]),
                false => None,
            },
            separate_output,
            embedding_norm: self.file.info("encoder/layernorm_embedding/gamma").is_some(),
            norm_epsilon: self.config.layer_norm_epsilon.unwrap_or(1e-5),
            search: Some(SearchDefaults {
                length_penalty: self.source.length_penalty,
                stopping: Stopping::Full,
            }),
            ..Architecture::default()
        };
        Ok(TranslationConfig {
            vocab_size: vocab_size + zero,
            d_model,
            num_heads: heads,
            encoder_layers: self.layers("encoder"),
            decoder_layers: self.layers("decoder"),
            d_ff: self.info("encoder/layer_0/ffn/linear_0/weight")?.shape[0],
            activation,
            norm: if pre_norm { NormPlacement::Pre } else { NormPlacement::Post },
            max_positions: table.map_or(1024, |table| table.shape[0]),
            output_bias: zero == 1 || self.file.info("decoder/projection/bias").is_some(),
            moe: None,
            architecture,
        })
    }

    fn is_separate(&self, one: &str, other: &str) -> bool {
        self.file.canonical(one) != self.file.canonical(other)
    }

    /// Refuses what the specification allows and this suite does not have.
    fn refuse_what_is_not_known(&self) -> Result<()> {
        let endings = [
            ("relative_position_keys", "relative positions"),
            ("relative_attention_bias", "relative positions"),
            ("ffn/linear_0_noact/weight", "gated feed-forward networks"),
            ("rotary_dim", "rotary positions"),
        ];
        let names = self.file.names();
        for (ending, what) in endings {
            if names.iter().any(|name| name.ends_with(ending)) {
                return Err(Error::file(self.path, format!("has {what}, which are not known yet")));
            }
        }
        let has_alibi = self.scalar("alibi")?.is_some_and(|flag| flag != 0.0);
        match has_alibi {
            true => Err(Error::file(self.path, "has ALiBi positions, which are not known yet")),
            false => Ok(()),
        }
    }

    fn shared(&self, config: &TranslationConfig) -> Result<Vec<Planned>> {
        let zero = self.starts_from_zero()?;
        let zeros = || zero.then_some(Part::Zeros(1));
        let with_zero = |planned: Planned| {
            let parts = planned.parts.into_iter().chain(zeros()).collect();
            Planned { name: planned.name, parts }
        };
        let mut planned =
            vec![with_zero(Planned::new("embedding.weight", "decoder/embeddings/weight"))];
        let Architecture { source_vocab_size, separate_output, positions, embedding_norm, .. } =
            config.architecture;
        if source_vocab_size.is_some() {
            planned.push(Planned::new("source_embedding.weight", self.source_embedding()));
        }
        if separate_output {
            planned.push(with_zero(Planned::new("output.weight", "decoder/projection/weight")));
        }
        if positions == Positions::Table {
            let name = "encoder/position_encodings/encodings";
            planned.push(Planned::new("embedding.positions", name));
        }
        if config.output_bias {
            let name = "decoder/projection/bias";
            let mut bias = match self.file.info(name) {
                Some(_) => Planned::new("output_bias", name),
                None => Planned::zeros("output_bias", config.vocab_size - 1),
            };
            bias.parts.extend(zero.then(|| Part::Values(vec![NEVER])));
            planned.push(bias);
        }
        for (side, ours) in [("encoder", "source_"), ("decoder", "")] {
            if embedding_norm {
                let theirs = format!("{side}/layernorm_embedding");
                planned.extend(norm(&format!("{ours}embedding_norm"), &theirs));
            }
            if config.norm == NormPlacement::Pre {
                planned.extend(norm(&format!("{side}_norm"), &format!("{side}/layer_norm")));
            }
            for i in 0..self.layers(side) {
                planned.extend(self.layer(side, i)?);
            }
        }
        Ok(planned)
    }

    fn layer(&self, side: &str, i: usize) -> Result<Vec<Planned>> {
        let (ours, theirs) = (format!("{side}.{i}"), format!("{side}/layer_{i}"));
        let mut linears = vec![
            ("attention.qkv", "self_attention/linear_0"),
            ("attention.out", "self_attention/linear_1"),
            ("feed_forward.up", "ffn/linear_0"),
            ("feed_forward.down", "ffn/linear_1"),
        ];
        let mut norms = vec![("attention_norm", "self_attention"), ("feed_forward_norm", "ffn")];
        if side == "decoder" {
            linears.extend([
                ("cross.query", "attention/linear_0"),
                ("cross.kv", "attention/linear_1"),
                ("cross.out", "attention/linear_2"),
            ]);
            norms.push(("cross_norm", "attention"));
        }
        let mut planned = Vec::new();
        for (own, name) in linears {
            let weight = format!("{theirs}/{name}/weight");
            let rows = self.info(&weight)?.shape[0];
            planned.push(Planned::new(format!("{ours}.{own}.weight"), weight));
            let (own, bias) = (format!("{ours}.{own}.bias"), format!("{theirs}/{name}/bias"));
            planned.push(match self.file.info(&bias) {
                Some(_) => Planned::new(own, bias),
                None => Planned::zeros(own, rows),
            });
        }
        for (own, name) in norms {
            let name = format!("{theirs}/{name}/layer_norm");
            planned.extend(norm(&format!("{ours}.{own}"), &name));
        }
        Ok(planned)
    }
}

fn norm(ours: &str, theirs: &str) -> [Planned; 2] {
    [("weight", "gamma"), ("bias", "beta")]
        .map(|(own, name)| Planned::new(format!("{ours}.{own}"), format!("{theirs}/{name}")))
}
