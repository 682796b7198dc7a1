//! Weights of published blocks, under the names that Hugging Face transformers gives them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use candle::{Device, Tensor};
use dragoman_core::{
    moe::{BlockConfig, MoeLayer},
    params::ParamStore,
};

/// Whose names a block's weights have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    /// `MixtralSparseMoeLayer`: `gate`, `experts.E.{w1,w2,w3}`.
    Mixtral,
    /// `DeepseekV2MoE` and `DeepseekV3MoE`: `gate`, `experts.E.{gate,up,down}_proj`,
    /// `shared_experts.…`.
    Deepseek,
    /// `SwitchTransformersSparseMLP`: `router.classifier`, `experts.expert_E.{wi,wo}`.
    Switch,
    /// `NllbMoeSparseMLP`: `router.classifier`, `experts.expert_E.{fc1,fc2}`.
    NllbMoe,
}

impl Published {
    /// Our name of the weight that they call `theirs`; none if it is not a weight of such a block.
    pub(crate) fn our_name(self, theirs: &str) -> Option<String> {
        let (gate, prefix, maps): (_, _, &[(&str, &str)]) = match self {
            Self::Mixtral => ("gate", "", &[("w1", "up_gate"), ("w2", "down"), ("w3", "up")]),
            Self::Deepseek => {
                let maps = &[("gate_proj", "up_gate"), ("up_proj", "up"), ("down_proj", "down")];
                ("gate", "", maps)
            }
            Self::Switch => ("router.classifier", "expert_", &[("wi", "up"), ("wo", "down")]),
            Self::NllbMoe => ("router.classifier", "expert_", &[("fc1", "up"), ("fc2", "down")]),
        };
        let (path, kind) = theirs.rsplit_once('.')?;
        if path == "gate" && kind == "e_score_correction_bias" && self == Self::Deepseek {
            return Some("router.correction_bias".into());
        }
        if !matches!(kind, "weight" | "bias") {
            return None;
        }
        if path == gate {
            return Some(format!("router.gate.{kind}"));
        }
        let (path, map) = path.rsplit_once('.')?;
        let (_, map) = maps.iter().find(|(theirs, _)| *theirs == map)?;
        if path == "shared_experts" && self == Self::Deepseek {
            return Some(format!("shared.{map}.{kind}"));
        }
        let expert: usize = path.strip_prefix("experts.")?.strip_prefix(prefix)?.parse().ok()?;
        Some(format!("experts.{expert}.{map}.{kind}"))
    }

    /// Makes the block of `config` with published weights; their names begin at the block.
    ///
    /// # Errors
    /// Fails when a name is not known, or a weight is missing or has another shape.
    pub(crate) fn load(
        self,
        config: &BlockConfig,
        tensors: impl IntoIterator<Item = (String, Tensor)>,
        device: &Device,
    ) -> Result<(MoeLayer, ParamStore)> {
        let mut renamed = BTreeMap::new();
        for (name, tensor) in tensors {
            let unknown = || format!("`{name}` is not a weight of a published {self:?} block");
            renamed.insert(self.our_name(&name).with_context(unknown)?, tensor);
        }
        let params = ParamStore::from_tensors(device, renamed);
        Ok((MoeLayer::new(config, &params.root())?, params))
    }
}

#[test]
fn published_names_become_ours() {
    let cases = [
        (Published::Mixtral, "experts.3.w1.weight", Some("experts.3.up_gate.weight")),
        (Published::Mixtral, "gate.weight", Some("router.gate.weight")),
        (Published::Deepseek, "shared_experts.up_proj.weight", Some("shared.up.weight")),
        (Published::Deepseek, "gate.e_score_correction_bias", Some("router.correction_bias")),
        (Published::Switch, "experts.expert_7.wo.weight", Some("experts.7.down.weight")),
        (Published::NllbMoe, "experts.expert_0.fc1.bias", Some("experts.0.up.bias")),
        (Published::NllbMoe, "router.classifier.bias", Some("router.gate.bias")),
        (Published::NllbMoe, "experts.0.fc1.bias", None),
        (Published::Mixtral, "experts.x.w1.weight", None),
        (Published::Mixtral, "shared_experts.w1.weight", None),
        (Published::Switch, "layer_norm.weight", None),
    ];
    for (published, theirs, ours) in cases {
        assert_eq!(published.our_name(theirs).as_deref(), ours, "{published:?} {theirs}");
    }
}
