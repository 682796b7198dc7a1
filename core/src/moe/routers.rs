//! The routers, a file for each: its config, its rule and its tests.
//!
//! A new router is a file here that implements [`Router`] for its config, a variant of [`Routing`] and
//! a line in [`Routing::router`].

mod switch;
mod gshard;
mod mixtral;
mod deepseek;
mod expert_choice;
mod hash;
mod soft;
mod hierarchical;
mod adaptive;
mod route;
pub(crate) mod segments;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use adaptive::AdaptiveConfig;
pub use deepseek::{DeepseekV2Config, DeepseekV3Config, Masked};
pub use expert_choice::ExpertChoiceConfig;
pub use gshard::{GshardConfig, SecondExpert};
pub use hash::{Assignment, HashConfig};
pub use hierarchical::HierarchicalConfig;
pub use mixtral::MixtralConfig;
pub use route::RouteConfig;
pub use soft::SoftConfig;
pub use switch::SwitchConfig;

use super::router::Router;

/// How tokens find their experts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Routing {
    /// The best expert, with its probability as weight (Switch, Fedus et al. 2021).
    Switch(SwitchConfig),
    /// The two best experts (GShard, Lepikhin et al. 2020; NLLB, 2022; fairseq's `Top2Gate`).
    #[serde(alias = "nllb")]
    Gshard(GshardConfig),
    /// The best `top_k`, with the softmax over their logits (Mixtral, Jiang et al. 2024).
    Mixtral(MixtralConfig),
    /// Softmax scores, with a choice limited to some groups (DeepSeek-V2, 2024).
    DeepseekV2(DeepseekV2Config),
    /// Sigmoid scores, with a choice limited to some groups and corrected by a bias
    /// (DeepSeek-V3, 2024).
    DeepseekV3(DeepseekV3Config),
    /// Every expert takes its best tokens (Zhou et al. 2022); sees later tokens, so for encoders.
    ExpertChoice(ExpertChoiceConfig),
    /// The token's id decides (Hash layers, Roller et al. 2021).
    Hash(HashConfig),
    /// Experts see mixtures of tokens (Soft MoE, Puigcerver et al. 2023); for encoders.
    Soft(SoftConfig),
    /// A gate picks groups, another one experts in them (Shazeer et al. 2017, appendix B).
    Hierarchical(HierarchicalConfig),
    /// As many experts as it takes to be sure (Huang et al. 2024).
    Adaptive(AdaptiveConfig),
    /// The route, known beforehand, names a group; a gate picks the best of it. Ours.
    Route(RouteConfig),
}

impl Routing {
    /// The rule behind the name.
    pub fn router(&self) -> Arc<dyn Router> {
        match self.clone() {
            Self::Switch(config) => Arc::new(config),
            Self::Gshard(config) => Arc::new(config),
            Self::Mixtral(config) => Arc::new(config),
            Self::DeepseekV2(config) => Arc::new(config),
            Self::DeepseekV3(config) => Arc::new(config),
            Self::ExpertChoice(config) => Arc::new(config),
            Self::Hash(config) => Arc::new(config),
            Self::Soft(config) => Arc::new(config),
            Self::Hierarchical(config) => Arc::new(config),
            Self::Adaptive(config) => Arc::new(config),
            Self::Route(config) => Arc::new(config),
        }
    }

    /// Visits of a token at most, `S`.
    pub fn slots(&self, num_experts: usize) -> usize {
        self.router().slots(num_experts)
    }

    /// Says what is wrong, if the fields contradict each other or the number of experts, or if the
    /// rule looks at later tokens in a `causal` layer.
    pub fn check(&self, num_experts: usize, causal: bool) -> Result<(), String> {
        match num_experts {
            0 => Err("num_experts is 0: a layer needs at least one expert".into()),
            _ => self.router().check(num_experts, causal),
        }
    }
}

fn check_top_k(top_k: usize, experts: usize, what: &str) -> Result<(), String> {
    check_at_most("top_k", top_k, experts, what)
}

fn check_at_most(name: &str, value: usize, most: usize, what: &str) -> Result<(), String> {
    match (1..=most).contains(&value) {
        true => Ok(()),
        false => Err(format!("{name} {value} must be between 1 and {what} {most}")),
    }
}

fn check_rate(name: &str, rate: f32) -> Result<(), String> {
    match (0.0..1.0).contains(&rate) {
        true => Ok(()),
        false => Err(format!("{name} {rate} must be in [0, 1)")),
    }
}

fn check_not_causal(kind: &str, causal: bool) -> Result<(), String> {
    match causal {
        false => Ok(()),
        true => Err(format!(
            "`{kind}` lets later tokens decide about earlier ones: it can stand in an encoder \
             only; in a decoder choose another kind, such as `mixtral`"
        )),
    }
}

fn group_size(num_experts: usize, groups: usize, name: &str) -> Result<usize, String> {
    match groups > 0 && num_experts.is_multiple_of(groups) {
        true => Ok(num_experts / groups),
        false => Err(format!("{name} {groups} must divide num_experts {num_experts}")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::moe::Capacity;

    /// Checks that each config is refused in a causal layer of eight experts, for the reason beside it.
    pub(super) fn refuses(cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            let routing = parse(text).expect(text);
            let reason = routing.check(8, true).expect_err(text);
            assert!(reason.contains(expected), "{text}: {reason}");
        }
    }

    fn parse(text: &str) -> serde_json::Result<Routing> {
        serde_json::from_str(text)
    }

    #[test]
    fn a_preset_is_its_name_and_the_fields_that_differ() -> serde_json::Result<()> {
        let routing = parse(
            r#"{ "kind": "nllb", "second_expert": "random", "eval_capacity": { "fraction": 0.25 } }"#,
        )?;
        let Routing::Gshard(config) = &routing else { panic!("{routing:?}") };
        assert_eq!(config.second_expert, SecondExpert::Random);
        assert_eq!(config.eval_capacity, Capacity::Fraction(0.25));
        assert_eq!(config.capacity, Capacity::Factor(2.0));
        let text = serde_json::to_string(&routing)?;
        assert_eq!(parse(&text)?, routing);
        Ok(())
    }

    #[test]
    fn an_unknown_field_or_kind_is_refused() {
        let error = parse(r#"{ "kind": "mixtral", "topk": 2 }"#).expect_err("no such field");
        assert!(error.to_string().contains("topk"), "{error}");
        let error = parse(r#"{ "kind": "mixtrall" }"#).expect_err("no such kind");
        assert!(error.to_string().contains("mixtral"), "{error}");
    }

    #[test]
    fn a_layer_needs_an_expert() {
        assert!(parse(r#"{ "kind": "soft" }"#).expect("it parses").check(8, false).is_ok());
        assert!(Routing::Mixtral(MixtralConfig::default()).check(0, false).is_err());
    }
}
