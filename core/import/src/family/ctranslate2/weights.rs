//! Which tensors of a `model.bin` make ours.

use dragoman_core::config::{
    Architecture, DistanceKind, NormPlacement, Positions, TranslationConfig,
};

use super::{super::NEVER, Model};
use crate::{
    Result,
    checkpoint::Checkpoint,
    plan::{Part, Planned},
};

impl Model<'_> {
    pub(super) fn shared(&self, config: &TranslationConfig) -> Result<Vec<Planned>> {
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
                planned.extend(self.norm(&format!("{ours}embedding_norm"), &theirs));
            }
            if config.norm == NormPlacement::Pre {
                for part in self.norm(&format!("{side}_norm"), &format!("{side}/layer_norm")) {
                    planned.push(self.scaled_output(side, part)?);
                }
            }
            for i in 0..self.layers(side) {
                planned.extend(self.layer(side, i, &config.architecture)?);
            }
        }
        Ok(planned)
    }

    /// A part of the last norm of a side, multiplied by the factor of what comes out of the decoder.
    fn scaled_output(&self, side: &str, planned: Planned) -> Result<Planned> {
        let factor = match side {
            "decoder" => self.file.scalar("decoder/scale_outputs")?.filter(|&factor| factor != 1.0),
            _ => None,
        };
        let (Some(factor), [Part::Tensor(name)]) = (factor, &planned.parts[..]) else {
            return Ok(planned);
        };
        let mut values = self.file.read(name)?.into_f32();
        values.iter_mut().for_each(|value| *value *= factor);
        Ok(Planned { parts: vec![Part::Values(values)], ..planned })
    }

    fn layer(&self, side: &str, i: usize, architecture: &Architecture) -> Result<Vec<Planned>> {
        let (ours, theirs) = (format!("{side}.{i}"), format!("{side}/layer_{i}"));
        let mut linears = vec![
            ("attention.qkv", "self_attention/linear_0"),
            ("attention.out", "self_attention/linear_1"),
            ("feed_forward.up", "ffn/linear_0"),
            ("feed_forward.down", "ffn/linear_1"),
        ];
        if architecture.gated {
            // Theirs is the map that the activation follows.
            linears[2] = ("feed_forward.up", "ffn/linear_0_noact");
        }
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
        let mut tensor = |own: &str, name: &str| {
            planned.push(Planned::new(format!("{ours}.{own}"), format!("{theirs}/{name}")));
        };
        if architecture.gated {
            tensor("feed_forward.up_gate.weight", "ffn/linear_0/weight");
        }
        let distances = match side {
            "encoder" => architecture.source_distances,
            _ => architecture.target_distances,
        };
        match distances {
            DistanceKind::Vectors { .. } => {
                tensor("attention.relative_keys", "self_attention/relative_position_keys");
                tensor("attention.relative_values", "self_attention/relative_position_values");
            }
            DistanceKind::Buckets { .. } => {
                tensor("attention.distance_bias", "self_attention/relative_attention_bias");
            }
            _ => {}
        }
        for (own, name) in norms {
            let name = format!("{theirs}/{name}/layer_norm");
            planned.extend(self.norm(&format!("{ours}.{own}"), &name));
        }
        Ok(planned)
    }

    /// The weights of a norm; a root mean square norm has one alone.
    fn norm(&self, ours: &str, theirs: &str) -> Vec<Planned> {
        let parts = [("weight", "gamma"), ("bias", "beta")].into_iter();
        let parts = parts.map(|(own, name)| (own, format!("{theirs}/{name}")));
        parts
            .filter(|(own, name)| *own == "weight" || self.file.info(name).is_some())
            .map(|(own, name)| Planned::new(format!("{ours}.{own}"), name))
            .collect()
    }
}
