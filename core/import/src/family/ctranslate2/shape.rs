//! What a `model.bin` says of its shape, and what of it is not known.

use dragoman_core::config::{
    Activation, Architecture, DistanceKind, NormPlacement, Positions, SearchDefaults, Stopping,
    TranslationConfig,
};

use super::Model;
use crate::{Error, Result, checkpoint::Checkpoint};

impl Model<'_> {
    pub(super) fn config(&self) -> Result<TranslationConfig> {
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
            1 => Activation::GeluTanh,
            2 => Activation::Silu,
            3 => Activation::Gelu,
            4 => Activation::GeluSigmoid,
            other => {
                let reason = format!(
                    "its activation {other} is not known; 0 (relu), 1, 3 and 4 (forms of gelu) and \
                     2 (swish) are"
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
        let choices = self.choices(d_model / heads.max(1))?;
        let default_epsilon = if choices.rms_norm { 1e-6 } else { 1e-5 };
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
            norm_epsilon: self.config.layer_norm_epsilon.unwrap_or(default_epsilon),
            search: Some(SearchDefaults {
                length_penalty: self.source.length_penalty,
                stopping: Stopping::Full,
            }),
            ..choices
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

    /// What stands in the attributes of single layers.
    fn choices(&self, head: usize) -> Result<Architecture> {
        let attention = "encoder/layer_0/self_attention";
        let number = |name: &str| self.file.scalar(&format!("{attention}/{name}"));
        let head_width = number("head_dim")?.map(|width| width as usize);
        Ok(Architecture {
            gated: self.file.info("encoder/layer_0/ffn/linear_0_noact/weight").is_some(),
            rms_norm: self.file.info(&format!("{attention}/layer_norm/beta")).is_none(),
            attention_scale: number("queries_scale")?,
            head_width: head_width.filter(|&width| width != head),
            source_distances: self.distances("encoder", head_width.unwrap_or(head))?,
            target_distances: self.distances("decoder", head_width.unwrap_or(head))?,
            ..Architecture::default()
        })
    }

    /// What the attention of a side knows of distances.
    fn distances(&self, side: &str, head: usize) -> Result<DistanceKind> {
        let layer = format!("{side}/layer_0/self_attention");
        let rows =
            |name: &str| self.file.info(&format!("{layer}/{name}")).map(|info| info.shape[0]);
        let number = |name: &str| self.file.scalar(&format!("{layer}/{name}"));
        if let Some(rows) = rows("relative_position_keys") {
            return Ok(DistanceKind::Vectors { most: rows / 2 });
        }
        if let Some(count) = rows("relative_attention_bias") {
            let most = number("relative_attention_max_distance")?.unwrap_or(128.0) as usize;
            return Ok(DistanceKind::Buckets { count, most });
        }
        if let Some(width) = number("rotary_dim")? {
            let width = if width == 0.0 { head } else { width as usize };
            let base = number("rotary_base")?.unwrap_or(10_000.0);
            let interleaved = number("rotary_interleave")?.is_none_or(|flag| flag != 0.0);
            return Ok(DistanceKind::Rotary { width, base, interleaved });
        }
        let has_slopes = self.file.scalar(&format!("{side}/alibi"))?.unwrap_or(0.0) != 0.0;
        Ok(if has_slopes { DistanceKind::Slopes } else { DistanceKind::None })
    }

    fn is_separate(&self, one: &str, other: &str) -> bool {
        self.file.canonical(one) != self.file.canonical(other)
    }

    /// Refuses what the specification allows and this suite does not have.
    pub(super) fn refuse_what_is_not_known(&self) -> Result<()> {
        let endings = [
            ("/relative_asymmetric_position_keys", "asymmetric relative positions"),
            ("/rotary_scaling_type", "scaled rotary positions"),
            ("/q_norm/gamma", "norms of queries and keys"),
            ("/v_norm/gamma", "norms of values"),
            ("/input_layer_norm/gamma", "parallel blocks or norms on both sides of a block"),
            ("/shared_layer_norm/gamma", "parallel blocks"),
            ("/project_in/weight", "embeddings of another width"),
            ("/embeddings_1/weight", "several embeddings of the source"),
            ("/memory_kv/weight", "attention to both sides at once"),
            ("/sliding_window", "a sliding window"),
            ("/layer_norm_use_residual", "norms with an offset"),
        ];
        let not_known = |what: &str| Error::file(self.path, format!("has {what}: not known"));
        let names = self.file.names();
        for (ending, what) in endings {
            if names.iter().any(|name| name.ends_with(ending)) {
                return Err(not_known(what));
            }
        }
        let heads = self.scalar("num_heads")?;
        let shared = self.file.scalar("encoder/layer_0/self_attention/num_heads_kv")?;
        if shared.is_some_and(|shared| Some(shared) != heads) {
            return Err(not_known("heads that share keys and values"));
        }
        if self.file.scalar("decoder/scale_alibi")?.is_some_and(|flag| flag != 0.0) {
            return Err(not_known("scaled ALiBi"));
        }
        if self.file.scalar("decoder/final_logit_softcapping")?.is_some() {
            return Err(not_known("capped logits"));
        }
        let gate_bias = |name: &&String| name.ends_with("/ffn/linear_0/bias");
        let gated = names.iter().any(|name| name.ends_with("/ffn/linear_0_noact/weight"));
        match gated && names.iter().any(|name| gate_bias(&name)) {
            true => Err(not_known("gates with a bias")),
            false => Ok(()),
        }
    }
}
