//! The routing rules, each with the fields of its paper or of its published implementation.

use serde::{Deserialize, Serialize};

use super::capacity::{Capacity, Scope};

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

/// Fields of [`Routing::Switch`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SwitchConfig {
    /// Tokens that an expert takes in training.
    pub capacity: Capacity,
    /// Tokens that an expert takes otherwise.
    pub eval_capacity: Capacity,
    /// Whose tokens share a capacity.
    pub capacity_scope: Scope,
    /// In training the gate sees its input times a number from `[1 − jitter, 1 + jitter]`.
    pub jitter: f32,
}

/// Which token keeps its second choice in training; all keep it otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondExpert {
    /// Every token visits the second best expert.
    All,
    /// The second is chosen after Gumbel noise has been added to the logits.
    Sampling,
    /// The second is visited with probability `2·p`, `p` being its probability.
    Random,
}

/// Fields of [`Routing::Gshard`]; the defaults are fairseq's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GshardConfig {
    /// Which token keeps its second choice in training.
    pub second_expert: SecondExpert,
    /// Whether the two probabilities are divided by their sum before tokens are dropped; if
    /// after, a token that lost one choice gives the other all the weight.
    pub normalize_before_dropping: bool,
    /// Whether tokens with a high best probability go first, rather than early ones.
    pub batch_prioritized: bool,
    /// Tokens that an expert takes in training.
    pub capacity: Capacity,
    /// Tokens that an expert takes otherwise.
    pub eval_capacity: Capacity,
    /// Whose tokens share a capacity.
    pub capacity_scope: Scope,
    /// Probability with which the answer of an expert to a token is zeroed in training; otherwise
    /// all answers count `1 −` this (NLLB's expert output masking, Hugging Face's
    /// `moe_token_dropout`).
    pub expert_output_masking: f32,
}

/// Fields of [`Routing::Mixtral`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MixtralConfig {
    /// Experts that each token visits (`num_experts_per_tok`).
    pub top_k: usize,
    /// As in [`SwitchConfig::jitter`] (`router_jitter_noise`).
    pub jitter: f32,
}

/// Fields of [`Routing::DeepseekV2`], named as in its published `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeepseekV2Config {
    /// Experts that each token visits (`num_experts_per_tok`).
    pub top_k: usize,
    /// Groups of equally many neighbouring experts; 1 is `greedy`, more `group_limited_greedy`.
    pub n_group: usize,
    /// Groups that a token may visit: those with the best experts.
    pub topk_group: usize,
    /// Whether the weights are divided by their sum; if not, they are scaled.
    pub norm_topk_prob: bool,
    /// Factor of weights that are not normalised.
    pub routed_scaling_factor: f64,
}

/// Fields of [`Routing::DeepseekV3`], named as in its published `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeepseekV3Config {
    /// Experts that each token visits (`num_experts_per_tok`).
    pub top_k: usize,
    /// Groups of equally many neighbouring experts.
    pub n_group: usize,
    /// Groups that a token may visit: those whose best two experts have the highest sum.
    pub topk_group: usize,
    /// Whether the weights are divided by their sum.
    pub norm_topk_prob: bool,
    /// Factor of all weights.
    pub routed_scaling_factor: f64,
    /// What the experts of other groups score.
    pub masked: Masked,
}

/// What the experts outside the chosen groups score: matters only when a correction makes the
/// scores inside negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Masked {
    /// Zero, as in Hugging Face transformers.
    Zero,
    /// Less than all others, as in DeepSeek's own inference code: they are never visited.
    Never,
}

/// Fields of [`Routing::ExpertChoice`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpertChoiceConfig {
    /// Experts that a token visits on average, `c`: each expert takes `⌈c·n/E⌉` of `n` tokens.
    pub capacity_factor: f64,
    /// Among whose tokens an expert chooses; with `sentence`, neighbours in a batch change nothing.
    pub scope: Scope,
}

/// Fields of [`Routing::Hash`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HashConfig {
    /// Which token id goes where.
    pub assignment: Assignment,
}

/// Which token id goes to which expert.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assignment {
    /// Token `i` to expert `i mod E`.
    #[default]
    Modulo,
    /// A fixed expert for each id, random by this seed.
    Random(u64),
    /// The expert of each id of the vocabulary, for example balanced by frequency.
    Table(Vec<u32>),
}

/// Fields of [`Routing::Soft`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SoftConfig {
    /// Mixtures that each expert sees of a sentence, `p`.
    pub slots_per_expert: usize,
    /// Whether tokens and slots are scaled to length one before they are compared, and the
    /// products by a learned number (section 2.3 of the paper).
    pub normalize: bool,
}

/// Fields of [`Routing::Hierarchical`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HierarchicalConfig {
    /// Groups of equally many neighbouring experts.
    pub num_groups: usize,
    /// Groups that each token visits.
    pub top_groups: usize,
    /// Experts that it visits in each of them.
    pub top_k: usize,
}

/// Fields of [`Routing::Adaptive`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptiveConfig {
    /// A token visits the fewest experts whose probabilities sum to at least this.
    pub threshold: f64,
    /// Most experts that it visits.
    pub top_k: usize,
    /// Whether the weights are divided by their sum; if not, they are the probabilities.
    pub normalize: bool,
}

/// Fields of [`Routing::Route`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// The experts of each route, by slot.
    pub groups: Vec<Vec<u32>>,
    /// Experts of its group that each token visits.
    pub top_k: usize,
}

impl Default for SwitchConfig {
    fn default() -> Self {
        Self {
            capacity: Capacity::Factor(1.25),
            eval_capacity: Capacity::Factor(2.0),
            capacity_scope: Scope::Batch,
            jitter: 0.01,
        }
    }
}

impl Default for GshardConfig {
    fn default() -> Self {
        Self {
            second_expert: SecondExpert::All,
            normalize_before_dropping: false,
            batch_prioritized: false,
            capacity: Capacity::Factor(2.0),
            eval_capacity: Capacity::Factor(2.0),
            capacity_scope: Scope::Batch,
            expert_output_masking: 0.0,
        }
    }
}

impl Default for MixtralConfig {
    fn default() -> Self {
        Self { top_k: 2, jitter: 0.0 }
    }
}

impl Default for DeepseekV2Config {
    fn default() -> Self {
        Self {
            top_k: 6,
            n_group: 8,
            topk_group: 3,
            norm_topk_prob: false,
            routed_scaling_factor: 16.0,
        }
    }
}

impl Default for DeepseekV3Config {
    fn default() -> Self {
        Self {
            top_k: 8,
            n_group: 8,
            topk_group: 4,
            norm_topk_prob: true,
            routed_scaling_factor: 2.5,
            masked: Masked::Zero,
        }
    }
}

impl Default for ExpertChoiceConfig {
    fn default() -> Self {
        Self { capacity_factor: 2.0, scope: Scope::Sentence }
    }
}

impl Default for SoftConfig {
    fn default() -> Self {
        Self { slots_per_expert: 1, normalize: false }
    }
}

impl Default for HierarchicalConfig {
    fn default() -> Self {
        Self { num_groups: 4, top_groups: 2, top_k: 2 }
    }
}

impl Default for AdaptiveConfig {
    fn default() -> Self {
        Self { threshold: 0.4, top_k: 4, normalize: false }
    }
}

impl Routing {
    /// Says what is wrong, if the fields contradict each other or the number of experts, or if the
    /// rule looks at later tokens in a `causal` layer.
    pub fn check(&self, num_experts: usize, causal: bool) -> Result<(), String> {
        if num_experts == 0 {
            return Err("num_experts is 0: a block needs at least one expert".into());
        }
        match self {
            Self::Switch(config) => {
                config.capacity.check("capacity")?;
                config.eval_capacity.check("eval_capacity")?;
                check_rate("jitter", config.jitter)
            }
            Self::Gshard(config) => {
                config.capacity.check("capacity")?;
                config.eval_capacity.check("eval_capacity")?;
                check_rate("expert_output_masking", config.expert_output_masking)?;
                check_top_k(2, num_experts, "num_experts")
            }
            Self::Mixtral(config) => {
                check_rate("jitter", config.jitter)?;
                check_top_k(config.top_k, num_experts, "num_experts")
            }
            Self::DeepseekV2(config) => {
                let limits = (config.n_group, config.topk_group, config.top_k);
                check_scale(config.routed_scaling_factor)?;
                check_limited(limits, num_experts, 1)
            }
            Self::DeepseekV3(config) => {
                let limits = (config.n_group, config.topk_group, config.top_k);
                check_scale(config.routed_scaling_factor)?;
                check_limited(limits, num_experts, 2)
            }
            Self::ExpertChoice(config) => {
                check_not_causal("expert_choice", causal)?;
                match config.capacity_factor > 0.0 && config.capacity_factor.is_finite() {
                    true => Ok(()),
                    false => Err(format!(
                        "capacity_factor {} must be a number above 0",
                        config.capacity_factor
                    )),
                }
            }
            Self::Hash(config) => check_assignment(&config.assignment, num_experts),
            Self::Soft(config) => {
                check_not_causal("soft", causal)?;
                match config.slots_per_expert {
                    0 => Err("slots_per_expert must be at least 1".into()),
                    _ => Ok(()),
                }
            }
            Self::Hierarchical(config) => {
                let size = group_size(num_experts, config.num_groups, "num_groups")?;
                check_at_most("top_groups", config.top_groups, config.num_groups, "num_groups")?;
                check_top_k(config.top_k, size, "the experts of a group,")
            }
            Self::Adaptive(config) => {
                if !(config.threshold > 0.0 && config.threshold <= 1.0) {
                    return Err(format!("threshold {} must be in (0, 1]", config.threshold));
                }
                check_top_k(config.top_k, num_experts, "num_experts")
            }
            Self::Route(config) => config.check(num_experts),
        }
    }

    /// Visits of a token at most, `S`; for [`Routing::ExpertChoice`] it depends on the tokens.
    pub fn slots(&self, num_experts: usize) -> usize {
        match self {
            Self::Switch(_) | Self::Hash(_) => 1,
            Self::Gshard(_) => 2,
            Self::Mixtral(config) => config.top_k,
            Self::DeepseekV2(config) => config.top_k,
            Self::DeepseekV3(config) => config.top_k,
            Self::ExpertChoice(_) => num_experts,
            Self::Soft(config) => num_experts * config.slots_per_expert,
            Self::Hierarchical(config) => config.top_groups * config.top_k,
            Self::Adaptive(config) => config.top_k,
            Self::Route(config) => config.top_k,
        }
    }
}

impl RouteConfig {
    fn check(&self, num_experts: usize) -> Result<(), String> {
        for (route, group) in self.groups.iter().enumerate() {
            if let Some(expert) = group.iter().find(|&&e| e as usize >= num_experts) {
                return Err(format!("route {route} names expert {expert} of {num_experts}"));
            }
            if (1..group.len()).any(|i| group[..i].contains(&group[i])) {
                return Err(format!("route {route} names an expert twice"));
            }
            check_top_k(self.top_k, group.len(), &format!("the group of route {route},"))?;
        }
        match self.top_k {
            0 => Err("top_k must be at least 1".into()),
            _ => Ok(()),
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

fn check_scale(factor: f64) -> Result<(), String> {
    match factor.is_finite() && factor > 0.0 {
        true => Ok(()),
        false => Err(format!("routed_scaling_factor {factor} must be a number above 0")),
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

fn check_assignment(assignment: &Assignment, num_experts: usize) -> Result<(), String> {
    let Assignment::Table(experts) = assignment else { return Ok(()) };
    match experts.iter().find(|&&expert| expert as usize >= num_experts) {
        Some(expert) => Err(format!("the hash table names expert {expert} of {num_experts}")),
        None => Ok(()),
    }
}

fn group_size(num_experts: usize, groups: usize, name: &str) -> Result<usize, String> {
    match groups > 0 && num_experts.is_multiple_of(groups) {
        true => Ok(num_experts / groups),
        false => Err(format!("{name} {groups} must divide num_experts {num_experts}")),
    }
}

/// Checks `n_group`, `topk_group` and `top_k`, for groups of at least `smallest` experts.
fn check_limited(
    (n_group, topk_group, top_k): (usize, usize, usize),
    num_experts: usize,
    smallest: usize,
) -> Result<(), String> {
    let size = group_size(num_experts, n_group, "n_group")?;
    if size < smallest {
        return Err(format!("a group of {size} experts is too small: it needs {smallest}"));
    }
    check_at_most("topk_group", topk_group, n_group, "n_group")?;
    check_top_k(top_k, topk_group * size, "the experts of the chosen groups,")
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn contradictions_say_how_to_go_on() {
        let cases = [
            (r#"{ "kind": "mixtral", "top_k": 9 }"#, "top_k 9 must be between 1 and num_experts 8"),
            (r#"{ "kind": "mixtral", "top_k": 0 }"#, "top_k 0 must be between 1 and num_experts 8"),
            (r#"{ "kind": "switch", "capacity": { "tokens": 0 } }"#, "capacity of 0 tokens"),
            (r#"{ "kind": "switch", "jitter": 1.5 }"#, "jitter 1.5 must be in [0, 1)"),
            (r#"{ "kind": "deepseek_v3", "n_group": 3 }"#, "n_group 3 must divide num_experts 8"),
            (r#"{ "kind": "deepseek_v3", "n_group": 8 }"#, "a group of 1 experts is too small"),
            (
                r#"{ "kind": "deepseek_v2", "n_group": 4, "topk_group": 1, "top_k": 3 }"#,
                "top_k 3 must be between 1 and the experts of the chosen groups, 2",
            ),
            (r#"{ "kind": "hash", "assignment": { "table": [0, 8] } }"#, "expert 8 of 8"),
            (r#"{ "kind": "adaptive", "threshold": 0 }"#, "threshold 0 must be in (0, 1]"),
            (
                r#"{ "kind": "route", "groups": [[0, 1], [2]], "top_k": 2 }"#,
                "top_k 2 must be between 1 and the group of route 1, 1",
            ),
            (r#"{ "kind": "expert_choice" }"#, "in an encoder only"),
            (r#"{ "kind": "soft" }"#, "in an encoder only"),
        ];
        for (text, expected) in cases {
            let routing = parse(text).expect(text);
            let reason = routing.check(8, true).expect_err(text);
            assert!(reason.contains(expected), "{text}: {reason}");
        }
        assert!(parse(r#"{ "kind": "soft" }"#).expect("it parses").check(8, false).is_ok());
        assert!(Routing::Mixtral(MixtralConfig::default()).check(0, false).is_err());
    }
}
