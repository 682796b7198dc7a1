//! How tokens find their experts, by the flags that fairseq has for it.

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use dragoman_core::{
    config::MoeConfig,
    moe::{
        Capacity, Routing,
        routers::{GshardConfig, SecondExpert},
    },
};
use dragoman_training::tasks::translation::TrainConfig;
use serde_json::json;

/// The experts, whatever the settings say
#[derive(Debug, Args)]
#[command(next_help_heading = "Experts, whatever the settings say")]
pub(super) struct RoutingArgs {
    /// Rule by which tokens find their experts, with its published settings: `switch`, `gshard`,
    /// `mixtral`, `deepseek_v2`, `deepseek_v3`, `hash`, `hierarchical`, `adaptive`, in an encoder
    /// `expert_choice` and `soft`; or `route`, the group of the language pair
    #[arg(long, value_name = "RULE")]
    moe_routing: Option<String>,

    /// Experts of every layer of experts (with `route`, those that all pairs share)
    #[arg(long, value_name = "N")]
    moe_expert_count: Option<usize>,

    /// Every so many layers, one holds experts
    #[arg(long, value_name = "N")]
    moe_freq: Option<usize>,

    /// Top-2: which token keeps its second expert in training
    #[arg(long, value_name = "POLICY")]
    moe_second_expert_policy: Option<Policy>,

    /// Top-2: divide the two probabilities by their sum before tokens are dropped
    #[arg(long)]
    moe_normalize_gate_prob_before_dropping: bool,

    /// Top-2: let tokens with a high best probability go first
    #[arg(long)]
    moe_batch_prioritized_routing: bool,

    /// Top-2: an expert takes this share of the tokens at most, except in training
    #[arg(long, value_name = "FRACTION")]
    moe_eval_capacity_token_fraction: Option<f64>,

    /// Weight of the loss that balances the experts
    #[arg(long, value_name = "WEIGHT")]
    moe_gate_loss_wt: Option<f64>,
}

/// Which token keeps its second expert.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Policy {
    All,
    Sampling,
    Random,
}

impl RoutingArgs {
    /// Puts what was asked for in place of the settings.
    pub(super) fn apply(&self, config: &mut TrainConfig) -> anyhow::Result<()> {
        if let Some(balance) = self.moe_gate_loss_wt {
            config.run.loss.balance = balance;
        }
        if let Some(count) = self.moe_expert_count {
            config.experts.free = count;
        }
        if !self.changes_layers() {
            return Ok(());
        }
        let moe = config.model.moe.get_or_insert_with(MoeConfig::default);
        if let Some(freq) = self.moe_freq {
            (moe.encoder_freq, moe.decoder_freq) = (freq, freq);
        }
        if let Some(kind) = &self.moe_routing {
            moe.routing = rule(kind)?;
        }
        if self.asks_for_top_two() {
            let routing = moe.routing.get_or_insert(Routing::Gshard(GshardConfig::default()));
            let Routing::Gshard(gshard) = routing else {
                bail!("the flags of top-2 gating want the rule `gshard`, not another one");
            };
            self.apply_top_two(gshard);
        }
        config.check().map_err(anyhow::Error::msg).context("the flags contradict each other")
    }

    fn changes_layers(&self) -> bool {
        self.moe_freq.is_some()
            || self.moe_routing.is_some()
            || self.moe_expert_count.is_some()
            || self.asks_for_top_two()
    }

    fn asks_for_top_two(&self) -> bool {
        self.moe_second_expert_policy.is_some()
            || self.moe_normalize_gate_prob_before_dropping
            || self.moe_batch_prioritized_routing
            || self.moe_eval_capacity_token_fraction.is_some()
    }

    fn apply_top_two(&self, gshard: &mut GshardConfig) {
        if let Some(policy) = self.moe_second_expert_policy {
            gshard.second_expert = match policy {
                Policy::All => SecondExpert::All,
                Policy::Sampling => SecondExpert::Sampling,
                Policy::Random => SecondExpert::Random,
            };
        }
        if let Some(fraction) = self.moe_eval_capacity_token_fraction {
            gshard.eval_capacity = Capacity::Fraction(fraction);
        }
        gshard.normalize_before_dropping |= self.moe_normalize_gate_prob_before_dropping;
        gshard.batch_prioritized |= self.moe_batch_prioritized_routing;
    }
}

/// The published rule called `kind`; none for `route`.
fn rule(kind: &str) -> anyhow::Result<Option<Routing>> {
    match kind {
        "route" => Ok(None),
        _ => serde_json::from_value(json!({ "kind": kind }))
            .map(Some)
            .with_context(|| format!("`--moe-routing {kind}`")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        routing: RoutingArgs,
    }

    fn applied(flags: &str) -> anyhow::Result<TrainConfig> {
        let mut config = TrainConfig::default();
        let flags = Flags::try_parse_from(format!("train {flags}").split_whitespace())?;
        flags.routing.apply(&mut config)?;
        Ok(config)
    }

    #[test]
    fn the_classic_command_has_its_equal() -> anyhow::Result<()> {
        let config = applied(
            "--moe-expert-count 16 --moe-freq 2 --moe-second-expert-policy all \
             --moe-eval-capacity-token-fraction 0.25 --moe-gate-loss-wt 0.01",
        )?;
        let gshard = GshardConfig {
            second_expert: SecondExpert::All,
            eval_capacity: Capacity::Fraction(0.25),
            ..GshardConfig::default()
        };
        let moe = config.model.moe.as_ref().expect("the default has experts");
        assert_eq!(moe.routing, Some(Routing::Gshard(gshard)));
        assert_eq!((moe.encoder_freq, moe.decoder_freq), (2, 2));
        assert_eq!((config.experts.free, config.run.loss.balance), (16, 0.01));
        Ok(())
    }

    #[test]
    fn contradictions_are_named() {
        let message = |flags| format!("{:#}", applied(flags).expect_err(flags));
        let error = message("--moe-routing mixtral --moe-batch-prioritized-routing");
        assert!(error.contains("want the rule `gshard`"), "{error}");
        let error = message("--moe-routing soft");
        assert!(error.contains("in an encoder"), "{error}");
        let error = message("--moe-routing mixtral --moe-expert-count 1");
        assert!(error.contains("top_k 2"), "{error}");
        let error = message("--moe-routing misch");
        assert!(error.contains("mixtral"), "{error}");
    }

    #[test]
    fn nothing_asked_changes_nothing() -> anyhow::Result<()> {
        assert_eq!(applied("")?, TrainConfig::default());
        Ok(())
    }
}
