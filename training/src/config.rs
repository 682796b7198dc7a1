//! The settings of a run that do not depend on what is trained.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::schedule::Schedule;

/// How to train, whatever the task: the section `[run]` of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Seed of the weights, the order of the data and every mask. Same seed, same bits, on one
    /// family of CPUs.
    pub seed: u64,
    /// Micro-batches whose gradients are added up before each update.
    ///
    /// Several ranks share them, so their number divides it: the run is the same on 1, 2 or 4 ranks.
    pub accumulation: usize,
    /// Whether the gradients of micro-batches are added two neighbours at a time, as several ranks
    /// always do. Then a run of one process has the bits of a run on 2, 4, 8 … ranks where
    /// `accumulation` is a power of two; it takes memory for some more copies of the gradient.
    pub tree_sums: bool,
    /// Whether the experts of every layer are sharded over several ranks, rather than copied: tokens
    /// go to the rank of their expert and back. For experts that would not fit on one rank.
    pub expert_parallel: bool,
    /// Chunks in which the rows of a micro-batch travel with `expert_parallel`: the exchange of one overlaps
    /// with the computation of another. 1 is for batches so small that each message costs more than its bytes.
    pub exchange_chunks: usize,
    /// Share of activations that are zeroed in training.
    pub dropout: f32,
    /// Share of expert outputs that are zeroed in training, whole (token, expert) visits at a time
    /// ("EOM" of NLLB).
    pub expert_dropout: f32,
    /// When the run is over.
    pub budget: Budget,
    /// Updates after which the run ends before its budget, and its schedule, are used up: where a
    /// run like it was best; 0 is none.
    pub end_at: u64,
    /// How the learning rate rises and falls.
    pub schedule: Schedule,
    /// The update rule.
    pub optimizer: OptimizerConfig,
    /// What is minimised.
    pub loss: LossConfig,
    /// Decay of the moving average of the weights, such as 0.999; 0 keeps none.
    ///
    /// Where there is one, it is what is evaluated and exported. In the first steps the decay is
    /// `min(decay, (1 + step) / (10 + step))`, so that the average soon forgets the random start.
    pub average_decay: f64,
    /// How often the development sets are translated.
    pub evaluate: Every,
    /// Evaluations in a row without a better score on the development sets after which the run is
    /// over; 0 waits for the end of the budget.
    pub patience: u64,
    /// At every evaluation, experts with less than this share of an even load since the last one start
    /// again as noisy copies of the busiest of their layer; 0 never. For published routing rules that
    /// have a gate.
    pub revive_below: f64,
    /// When checkpoints are written, and how many are kept.
    pub checkpoints: CheckpointConfig,
    /// Steps between two lines of the run's log.
    pub log_every: u64,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            accumulation: 1,
            tree_sums: false,
            expert_parallel: false,
            exchange_chunks: 2,
            dropout: 0.1,
            expert_dropout: 0.0,
            budget: Budget::default(),
            end_at: 0,
            schedule: Schedule::default(),
            optimizer: OptimizerConfig::default(),
            loss: LossConfig::default(),
            average_decay: 0.0,
            evaluate: Every { steps: 1000, minutes: 0.0 },
            patience: 0,
            revive_below: 0.0,
            checkpoints: CheckpointConfig::default(),
            log_every: 10,
        }
    }
}

/// When a run is over: at the first limit that is reached. Zero is no limit.
///
/// Only under a limit of steps does the same seed give the same bits: minutes depend on the
/// machine. A resumed run counts the minutes of the sessions before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Updates of the weights.
    pub steps: u64,
    /// Minutes of training, evaluations included.
    pub minutes: f64,
}

impl Budget {
    /// Share of the budget used up after `steps` and `elapsed`, at most 1; none if nothing limits
    /// the run.
    pub fn progress(&self, steps: u64, elapsed: Duration) -> Option<f64> {
        let by_steps = (self.steps > 0).then(|| steps as f64 / self.steps as f64);
        let by_time = (self.minutes > 0.0).then(|| elapsed.as_secs_f64() / (self.minutes * 60.0));
        let furthest = by_steps.into_iter().chain(by_time).reduce(f64::max);
        furthest.map(|progress| progress.min(1.0))
    }
}

/// A rhythm: whenever so many steps or minutes have passed. Zero is never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Every {
    /// Steps from one time to the next.
    pub steps: u64,
    /// Minutes from one time to the next.
    pub minutes: f64,
}

impl Every {
    /// Whether it is time at `step`, with `since` gone by since the last time.
    pub fn is_due(&self, step: u64, since: Duration) -> bool {
        let by_steps = self.steps > 0 && step.is_multiple_of(self.steps);
        let by_time = self.minutes > 0.0 && since.as_secs_f64() >= self.minutes * 60.0;
        by_steps || by_time
    }
}

/// How weights are changed by their gradients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// The update rule of the weight matrices; norms, biases, gates and embeddings take AdamW.
    pub rule: Rule,
    /// The learning rate at the peak of the schedule.
    pub learning_rate: f64,
    /// Decay of the first moment, β₁.
    pub beta1: f64,
    /// Decay of the second moment, β₂.
    pub beta2: f64,
    /// ε, added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay of the weight matrices; norms, biases, gates and embeddings have
    /// none.
    pub weight_decay: f64,
    /// The norm of the whole gradient is scaled down to this; 0 leaves it as it is.
    pub clip_norm: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            rule: Rule::default(),
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.98,
            epsilon: 1e-9,
            weight_decay: 0.01,
            clip_norm: 1.0,
        }
    }
}

/// The update rule of the weight matrices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Rule {
    /// AdamW (Loshchilov and Hutter 2019).
    #[default]
    AdamW,
    /// Momentum, made orthogonal.
    Muon(MuonConfig),
}

/// Muon (Jordan et al. 2024) with the scale of Liu et al. 2025 (eq. 4), so that a learning rate and a
/// weight decay that suit AdamW suit it, too.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MuonConfig {
    /// Decay of the momentum, μ.
    pub momentum: f64,
    /// Steps of the Newton–Schulz iteration that makes the momentum orthogonal.
    pub iterations: usize,
    /// Root mean square of an update, as a multiple of the learning rate.
    pub scale: f64,
}

impl Default for MuonConfig {
    fn default() -> Self {
        Self { momentum: 0.95, iterations: 5, scale: 0.2 }
    }
}

/// The terms of the loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// ε of label smoothing (Szegedy et al. 2016).
    pub label_smoothing: f32,
    /// Weight of the balance losses, which spread tokens over the experts of a group (Fedus et al.
    /// 2021, eq. 4).
    pub balance: f64,
    /// Over what the shares of experts are taken that the balance loss spreads.
    pub balance_over: BalanceOver,
    /// Weight of the router z-loss, which keeps the gate's logits small (Zoph et al. 2022, eq. 5).
    pub router_z: f64,
    /// Outputs that the softmax of a translation model runs over in a step: the labels of the batch
    /// and others drawn at random (Jean et al. 2015); 0 is all of the vocabulary. On the CPU.
    pub shortlist: usize,
    /// How far the biases of `deepseek_v3` move in a step, against the load (2024, section 2.1.2).
    pub correction_speed: f64,
}

/// Over what tokens spread evenly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BalanceOver {
    /// Each micro-batch.
    #[default]
    MicroBatch,
    /// All micro-batches of a step, of all ranks (Qiu et al. 2025). A rank makes the forward passes of
    /// all its micro-batches before the first backward pass, and holds what they need. For published
    /// routing rules.
    Step,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            label_smoothing: 0.1,
            balance: 0.01,
            balance_over: BalanceOver::default(),
            router_z: 0.001,
            shortlist: 0,
            correction_speed: 0.001,
        }
    }
}

/// When checkpoints are written, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// How often; besides, every run that ends or is stopped writes one.
    pub every: Every,
    /// Checkpoints that are kept, the newest ones.
    pub keep: usize,
    /// At the end of the run the weights of the last so many checkpoints are averaged, and the
    /// average is taken if it scores better than the best; 0 or 1 does nothing. At most `keep`.
    pub average: usize,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: Every { steps: 1000, minutes: 10.0 }, keep: 3, average: 0 }
    }
}

impl RunConfig {
    /// Says which settings contradict each other or make no sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { optimizer, loss, budget, checkpoints, .. } = self;
        self.schedule.check()?;
        share("dropout", self.dropout.into())?;
        share("expert_dropout", self.expert_dropout.into())?;
        share("average_decay", self.average_decay)?;
        share("revive_below", self.revive_below)?;
        share("loss.label_smoothing", loss.label_smoothing.into())?;
        share("optimizer.beta1", optimizer.beta1)?;
        share("optimizer.beta2", optimizer.beta2)?;
        if let Rule::Muon(MuonConfig { momentum, iterations, scale }) = optimizer.rule {
            share("optimizer.rule.momentum", momentum)?;
            not_negative("optimizer.rule.scale", scale)?;
            if iterations == 0 {
                return Err("`optimizer.rule.iterations` is 0; 5 are usual".into());
            }
        }
        not_negative("optimizer.learning_rate", optimizer.learning_rate)?;
        not_negative("optimizer.weight_decay", optimizer.weight_decay)?;
        not_negative("optimizer.clip_norm", optimizer.clip_norm)?;
        not_negative("loss.balance", loss.balance)?;
        not_negative("loss.router_z", loss.router_z)?;
        not_negative("loss.correction_speed", loss.correction_speed)?;
        not_negative("budget.minutes", budget.minutes)?;
        not_negative("evaluate.minutes", self.evaluate.minutes)?;
        not_negative("checkpoints.every.minutes", checkpoints.every.minutes)?;
        if optimizer.epsilon <= 0.0 || !optimizer.epsilon.is_finite() {
            return Err(format!(
                "`optimizer.epsilon` is {}; give a small positive number",
                optimizer.epsilon
            ));
        }
        if self.accumulation == 0 {
            return Err("`accumulation` is 0; 1 updates the weights after every batch".into());
        }
        if self.exchange_chunks == 0 {
            return Err("`exchange_chunks` is 0; 1 sends the rows of a batch at once".into());
        }
        if self.expert_parallel && self.revive_below > 0.0 {
            return Err(
                "`revive_below` copies experts, and with `expert_parallel` they are not in one \
                        place: leave one of them out"
                    .into(),
            );
        }
        if self.log_every == 0 {
            return Err("`log_every` is 0; 1 logs every step".into());
        }
        if checkpoints.keep == 0 {
            return Err("`checkpoints.keep` is 0; a run needs one to go on from".into());
        }
        if checkpoints.average > checkpoints.keep {
            let CheckpointConfig { average, keep, .. } = checkpoints;
            return Err(format!(
                "`checkpoints.average` is {average}, but only `checkpoints.keep` = {keep} are kept"
            ));
        }
        if self.schedule.needs_budget() && budget.progress(0, Duration::ZERO).is_none() {
            return Err(
                "this schedule ends with the run: set `budget.steps` or `budget.minutes`".into()
            );
        }
        Ok(())
    }
}

fn share(name: &str, value: f64) -> Result<(), String> {
    match (0.0..1.0).contains(&value) {
        true => Ok(()),
        false => Err(format!("`{name}` is {value}; it must be at least 0 and less than 1")),
    }
}

fn not_negative(name: &str, value: f64) -> Result<(), String> {
    match value >= 0.0 && value.is_finite() {
        true => Ok(()),
        false => Err(format!("`{name}` is {value}; it must be a number from 0 upwards")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RunConfig, String> {
        let config: RunConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check().map(|()| config)
    }

    #[test]
    fn the_defaults_are_valid_and_survive_toml() {
        let config = parse("").expect("the defaults are valid");
        let text = toml::to_string(&config).expect("a config is TOML");
        assert_eq!(parse(&text), Ok(config));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, name) in [
            ("dropuot = 0.1", "dropuot"),
            ("dropout = 1.0", "dropout"),
            ("accumulation = 0", "accumulation"),
            ("[optimizer]\nlearning_rate = -1.0", "optimizer.learning_rate"),
            ("[schedule]\nkind = \"linear\"\nwarmup = 10", "budget.steps"),
            ("[optimizer.rule]\nkind = \"muon\"\nmomentum = 1.0", "optimizer.rule.momentum"),
            ("[optimizer.rule]\nkind = \"muno\"", "muno"),
            ("[checkpoints]\nkeep = 2\naverage = 3", "checkpoints.average"),
            ("[schedule]\nkind = \"triangle\"\nwarmup = 10", "triangle"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(name), "{text}: {error}");
        }
    }

    #[test]
    fn the_limit_reached_first_counts() {
        let minute = Duration::from_secs(60);
        let budget = Budget { steps: 100, minutes: 10.0 };
        assert_eq!(budget.progress(50, minute), Some(0.5));
        assert_eq!(budget.progress(1, 5 * minute), Some(0.5));
        assert_eq!(budget.progress(1000, minute), Some(1.0));
        assert_eq!(Budget::default().progress(1000, minute), None);
    }

    #[test]
    fn a_rhythm_is_due_by_steps_or_by_time() {
        let every = Every { steps: 10, minutes: 1.0 };
        assert!(every.is_due(20, Duration::ZERO));
        assert!(!every.is_due(21, Duration::from_secs(59)));
        assert!(every.is_due(21, Duration::from_secs(60)));
        assert!(!Every::default().is_due(10, Duration::from_secs(1_000_000)));
    }
}
