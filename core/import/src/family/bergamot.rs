//! Marian's own models: Firefox and Bergamot (`.bin`), and originals (`.npz`).

use std::{collections::BTreeMap, path::Path};

use dragoman_core::{
    config::{
        Activation, Architecture, NormPlacement, Positions, SearchDefaults, Stopping, TargetMixing,
        TranslationConfig,
    },
    sentencepiece::SentencePiece,
    vocabulary::{FramePart, Outputs, Pieces, PiecesConfig, SideConfig},
};

use super::{NEVER, check_length, one_direction, sentencepiece, token_list};
use crate::{
    Error, Result,
    checkpoint::Checkpoint,
    plan::{ImportPlan, Part, Planned, Request},
};

/// Files of a model: its weights are read already.
pub(crate) struct Source<'a> {
    /// The file of the weights.
    pub(crate) path: &'a Path,
    /// The weights.
    pub(crate) checkpoint: Box<dyn Checkpoint>,
    /// The settings of the training, YAML.
    pub(crate) settings: Option<String>,
    /// The vocabulary of sources, and that of targets where it is another.
    pub(crate) vocabularies: (Vec<u8>, Option<Vec<u8>>),
}

/// Plans the model in `source`.
pub(crate) fn plan(
    source: Source<'_>,
    request: &Request,
    pair: (Option<&str>, Option<&str>),
) -> Result<(ImportPlan, Box<dyn Checkpoint>)> {
    let model = Model {
        path: source.path,
        checkpoint: &*source.checkpoint,
        settings: Settings::new(&source)?,
    };
    let config = model.config()?;
    let vocabulary = vocabulary(&source, &config)?;
    let register = one_direction(request.pair(pair.0, pair.1)?);
    let shared = model.shared(&config)?;
    let plan = ImportPlan { config, register, vocabulary, shared, experts: Vec::new() };
    Ok((plan, source.checkpoint))
}

/// Ids of Marian's vocabularies.
const END: u32 = 0;
const UNKNOWN: u32 = 1;

fn vocabulary(source: &Source<'_>, config: &TranslationConfig) -> Result<Pieces> {
    let (own, target) = &source.vocabularies;
    let list = |content: &[u8]| -> Result<Vec<String>> {
        let model: SentencePiece = sentencepiece(source.path, content)?;
        let piece = |id| model.piece(id).unwrap_or_default().to_string();
        Ok((0..model.len() as u32).map(piece).collect())
    };
    let mut sources = list(own)?;
    let targets = target.as_ref().map(|target| list(target)).transpose()?;
    // One row more is the zeros from which the decoder starts.
    let mut said = targets.clone().unwrap_or_else(|| sources.clone());
    check_length(source.path, said.len() + 1, config.vocab_size)?;
    said.push(String::new());
    if config.architecture.source_vocab_size.is_none() {
        sources.push(String::new());
    }
    let mut files = BTreeMap::from([
        ("source.spm".to_string(), own.clone()),
        ("tokens.json".to_string(), token_list(&sources)),
    ]);
    let side = SideConfig::sentencepiece;
    let target_side = match target {
        Some(target) => {
            files.insert("target.spm".into(), target.clone());
            files.insert("target-tokens.json".into(), token_list(&said));
            Some(side("target.spm", "target-tokens.json"))
        }
        None => None,
    };
    let start = config.vocab_size as u32 - 1;
    let pieces = PiecesConfig {
        source: side("source.spm", "tokens.json"),
        target: target_side,
        unknown: UNKNOWN,
        special: vec![END, UNKNOWN],
        outputs: Outputs { end: END, first: 0, banned: Vec::new() },
        before: Vec::new(),
        after: vec![FramePart::Id(END)],
        start: vec![FramePart::Id(start)],
        languages: BTreeMap::new(),
    };
    super::vocabulary(pieces, files)
}

/// The settings that matter; a model without them is taken for one of Firefox.
struct Settings {
    heads: usize,
    post_norm: bool,
    activation: Activation,
}

impl Settings {
    fn new(source: &Source<'_>) -> Result<Self> {
        let text = source.settings.as_deref().unwrap_or_default();
        let value = |key: &str| {
            let line =
                text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':'));
            line.map(|value| value.trim().trim_matches(['"', '\'']).to_string())
        };
        let refuse = |what: &str, found: &str, known: &str| {
            Error::file(source.path, format!("{what} `{found}` is not known; {known}"))
        };
        if let Some(kind) = value("type").filter(|kind| kind != "transformer") {
            return Err(refuse("the architecture", &kind, "`transformer` is"));
        }
        let post_norm = match value("transformer-postprocess").as_deref() {
            None | Some("dan" | "an") => true,
            Some("da" | "a") if value("transformer-preprocess").is_some_and(|norm| norm == "n") => {
                false
            }
            Some(other) => return Err(refuse("transformer-postprocess", other, "`dan` is")),
        };
        let activation = match value("transformer-ffn-activation").as_deref() {
            None | Some("relu") => Activation::Relu,
            Some("swish") => Activation::Silu,
            Some("gelu") => Activation::Gelu,
            Some(other) => return Err(refuse("the activation", other, "relu, swish and gelu are")),
        };
        let heads = value("transformer-heads").and_then(|heads| heads.parse().ok()).unwrap_or(8);
        Ok(Self { heads, post_norm, activation })
    }
}

struct Model<'a> {
    path: &'a Path,
    checkpoint: &'a dyn Checkpoint,
    settings: Settings,
}

impl Model<'_> {
    fn has(&self, name: &str) -> bool {
        self.checkpoint.info(name).is_some()
    }

    fn shape(&self, name: &str) -> Result<Vec<usize>> {
        match self.checkpoint.info(name) {
            Some(info) => Ok(info.shape),
            None => Err(Error::file(self.path, format!("has no tensor `{name}`"))),
        }
    }

    /// Names of the embeddings of sources and of targets.
    fn embeddings(&self) -> [&'static str; 2] {
        match self.has("Wemb") {
            true => ["Wemb"; 2],
            false => ["encoder_Wemb", "decoder_Wemb"],
        }
    }

    fn layers(&self, side: &str) -> usize {
        (1..).take_while(|i| self.has(&format!("{side}_l{i}_ffn_W1"))).count()
    }

    fn is_recurrent(&self) -> bool {
        self.has("decoder_l1_rnn_W")
    }

    /// Whether the output has a matrix of its own.
    fn has_output(&self) -> bool {
        self.has("decoder_ff_logit_out_W")
    }

    fn config(&self) -> Result<TranslationConfig> {
        let [source, target] = self.embeddings();
        let (source_shape, shape) = (self.shape(source)?, self.shape(target)?);
        let [vocab_size, d_model] = shape[..] else {
            return Err(Error::file(self.path, "its embedding is no matrix"));
        };
        let is_shared = source == target;
        let target = match self.is_recurrent() {
            true => TargetMixing::Ssru,
            false => TargetMixing::Attention,
        };
        let (encoder_layers, decoder_layers) = (self.layers("encoder"), self.layers("decoder"));
        if encoder_layers == 0 || decoder_layers == 0 {
            return Err(Error::file(self.path, "is no transformer of Marian: it has no layers"));
        }
        let norm = if self.settings.post_norm { NormPlacement::Post } else { NormPlacement::Pre };
        Ok(TranslationConfig {
            vocab_size: vocab_size + 1,
            d_model,
            num_heads: self.settings.heads,
            encoder_layers,
            decoder_layers,
            d_ff: self.shape("encoder_l1_ffn_W1")?[0],
            activation: self.settings.activation,
            norm,
            max_positions: 1024,
            output_bias: true,
            moe: None,
            architecture: Architecture {
                positions: Positions::Fairseq { first: 0 },
                source_vocab_size: (!is_shared).then(|| source_shape[0]),
                separate_output: self.has_output(),
                norm_epsilon: 1e-9,
                target,
                search: Some(SearchDefaults { length_penalty: 1.0, stopping: Stopping::Worst }),
                ..Architecture::default()
            },
        })
    }

    fn shared(&self, config: &TranslationConfig) -> Result<Vec<Planned>> {
        let [source, target] = self.embeddings();
        let with_zero = |name: &str, tensor: &str| Planned {
            name: name.into(),
            parts: vec![Part::Tensor(tensor.into()), Part::Zeros(1)],
        };
        let mut planned = vec![with_zero("embedding.weight", target)];
        if source != target {
            planned.push(Planned::new("source_embedding.weight", source));
        }
        if self.has_output() {
            planned.push(with_zero("output.weight", "decoder_ff_logit_out_W"));
        }
        let bias = match self.has("decoder_ff_logit_out_b") {
            true => Part::Tensor("decoder_ff_logit_out_b".into()),
            false => Part::Zeros(config.vocab_size - 1),
        };
        let parts = vec![bias, Part::Values(vec![NEVER])];
        planned.push(Planned { name: "output_bias".into(), parts });
        for (side, count) in
            [("encoder", config.encoder_layers), ("decoder", config.decoder_layers)]
        {
            if !self.settings.post_norm {
                let theirs = format!("{side}_top_ln");
                planned.extend(norm(&format!("{side}_norm"), &theirs));
            }
            for i in 0..count {
                planned.extend(self.layer(side, i));
            }
        }
        Ok(planned)
    }

    fn layer(&self, side: &str, i: usize) -> Vec<Planned> {
        let (ours, theirs) = (format!("{side}.{i}"), format!("{side}_l{}", i + 1));
        let mut planned = Vec::new();
        let mut add = |own: &str, names: &[&str]| {
            for (kind, letter) in [("weight", "W"), ("bias", "b")] {
                let part = |name: &&str| match name.split_once(' ') {
                    Some((block, x)) => Part::Tensor(format!("{theirs}_{block}_{letter}{x}")),
                    None => Part::Tensor(format!("{theirs}_{name}")),
                };
                let parts = names.iter().map(part).collect();
                planned.push(Planned { name: format!("{ours}.{own}.{kind}"), parts });
            }
        };
        if side == "encoder" || !self.is_recurrent() {
            add("attention.qkv", &["self q", "self k", "self v"]);
            add("attention.out", &["self o"]);
        }
        add("feed_forward.up", &["ffn 1"]);
        add("feed_forward.down", &["ffn 2"]);
        if side == "decoder" {
            add("cross.query", &["context q"]);
            add("cross.kv", &["context k", "context v"]);
            add("cross.out", &["context o"]);
        }
        let mut attention_norm = "self_Wo_ln";
        if side == "decoder" && self.is_recurrent() {
            attention_norm = "rnn_ffn_ln";
            let part = |name: &str| Part::Tensor(format!("{theirs}_rnn_{name}"));
            let width = self.checkpoint.info(&format!("{theirs}_rnn_bf"));
            let width = width.map_or(0, |info| info.shape.iter().product());
            let gates = format!("{ours}.attention.gates");
            planned.push(Planned {
                name: format!("{gates}.weight"),
                parts: vec![part("Wf"), part("W")],
            });
            planned.push(Planned {
                name: format!("{gates}.bias"),
                parts: vec![part("bf"), Part::Zeros(width)],
            });
        }
        let mut norms =
            vec![("attention_norm", attention_norm), ("feed_forward_norm", "ffn_ffn_ln")];
        if side == "decoder" {
            norms.push(("cross_norm", "context_Wo_ln"));
        }
        for (own, name) in norms {
            planned.extend(norm(&format!("{ours}.{own}"), &format!("{theirs}_{name}")));
        }
        planned
    }
}

fn norm(ours: &str, theirs: &str) -> [Planned; 2] {
    [("weight", "scale"), ("bias", "bias")]
        .map(|(own, name)| Planned::new(format!("{ours}.{own}"), format!("{theirs}_{name}")))
}
