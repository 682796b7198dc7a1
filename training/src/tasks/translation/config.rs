//! The settings of a translation run: the TOML files in `training/configs/`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use dragoman_core::{config::TranslationConfig, kernels::matmul::Precision};
use dragoman_data::batch::BatchConfig;
use serde::{Deserialize, Serialize};

use super::augment::AugmentConfig;
use crate::{
    Error, Result,
    config::{BalanceOver, RunConfig},
};

/// All settings of a run that trains a translation model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Name of the run, for its report.
    pub name: String,
    /// Where to compute: `cpu`, or in a build with the feature `cuda`, `cuda:0`, or `cuda` for the GPU of
    /// the rank's number.
    pub device: String,
    /// Type in which matrices are multiplied: `bf16` or `f32`. Weights and sums are f32 either way.
    pub precision: Precision,
    /// Shape of the model. The size of the vocabulary is the tokenizer's, whatever stands here.
    pub model: TranslationConfig,
    /// The experts of the model's layers of experts.
    pub experts: ExpertsConfig,
    /// A model directory whose weights a new run starts from, instead of from chance. Its shape must
    /// be that of the run, and its tokenizer that of the corpus or one that the corpus's extends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_from: Option<PathBuf>,
    /// A model directory whose lexicon gives its bonuses while the model learns, as it will in the
    /// search; the model that is written has it, too. Development sets are translated with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lexicon_from: Option<PathBuf>,
    /// For each expert that the model of `start_from` does not have, the one of which it begins as a
    /// copy: `"pair.en-it" = "pair.en-es"`.
    pub parents: BTreeMap<String, String>,
    /// Directions to train, such as `["en-de", "de-en"]`; all of the corpus if empty.
    pub directions: Vec<String>,
    /// How batches are made.
    pub batches: BatchConfig,
    /// How sentences are changed when they are read.
    pub augment: AugmentConfig,
    /// Sentences that choose the best weights.
    pub dev: DevConfig,
    /// How to train.
    pub run: RunConfig,
}

/// The experts of a new model: each direction has one of its own, beside free ones that all
/// directions share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpertsConfig {
    /// Free experts in every layer of experts; with the one of the direction more than
    /// `model.moe.top_k`. With a rule in `model.moe.routing` these are all experts there are.
    pub free: usize,
    /// Inner width of an expert, `F`.
    pub d_ff: usize,
}

/// The development sets, and how they are translated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DevConfig {
    /// The sets; without any, the newest weights are taken for the best.
    pub sets: Vec<DevSet>,
}

/// Sentences with their translations, in each direction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DevSet {
    /// Name of the set.
    pub name: String,
    /// Files of pairs, such as `general/{pair}.dev.tsv.gz`, where `{pair}` is `en-de` for both
    /// `en-de` and `de-en`.
    pub pairs: Option<String>,
    /// A folder with a file for each language, such as `flores-dev`, which has `de.txt`.
    pub folder: Option<String>,
    /// Sentences of each direction, spread over the file; 0 takes all.
    pub sentences: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            name: "translation".into(),
            device: "cpu".into(),
            precision: Precision::Bf16,
            model: TranslationConfig::default(),
            experts: ExpertsConfig::default(),
            start_from: None,
            lexicon_from: None,
            parents: BTreeMap::new(),
            directions: Vec::new(),
            batches: BatchConfig::default(),
            augment: AugmentConfig::default(),
            dev: DevConfig::default(),
            run: RunConfig::default(),
        }
    }
}

impl Default for ExpertsConfig {
    fn default() -> Self {
        Self { free: 4, d_ff: 512 }
    }
}

impl TrainConfig {
    /// Reads and checks the TOML file at `path`.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs_err::read_to_string(path)?;
        Self::parse(&text).map_err(|reason| Error::Config { path: path.into(), reason })
    }

    /// Says which settings contradict each other.
    pub fn check(&self) -> Result<(), String> {
        let Self { model, experts, dev, run, augment, .. } = self;
        augment.check().map_err(|reason| format!("[augment] {reason}"))?;
        run.check().map_err(|reason| format!("[run] {reason}"))?;
        model.check().map_err(|reason| format!("[model] {reason}"))?;
        let moe = model.moe.as_ref().filter(|_| !model.moe_layers().is_empty());
        if let Some(moe) = moe
            && let Some(rule) = &moe.routing
        {
            let in_decoder = moe.decoder_freq > 0 && moe.decoder_freq <= model.decoder_layers;
            rule.check(experts.free, in_decoder)
                .map_err(|reason| format!("[model.moe.routing] {reason}"))?;
        } else if let Some(moe) = moe
            && experts.free < moe.top_k
        {
            return Err(format!(
                "[experts] free = {} and one of the direction leave nothing to choose for \
                 model.moe.top_k = {}",
                experts.free, moe.top_k
            ));
        }
        if run.revive_below > 0.0 && moe.is_none_or(|moe| moe.routing.is_none()) {
            return Err("[run] revive_below needs a published rule: set model.moe.routing".into());
        }
        if run.loss.balance_over == BalanceOver::Step && moe.is_none_or(|moe| moe.routing.is_none())
        {
            return Err("[run.loss] balance_over = \"step\" needs a published rule: set \
                        model.moe.routing"
                .into());
        }
        if experts.d_ff == 0 {
            return Err("[experts] d_ff is 0".into());
        }
        if self.batches.max_length + 2 > model.max_positions {
            return Err(format!(
                "[batches] max_length = {} and the tag do not fit into model.max_positions = {}",
                self.batches.max_length, model.max_positions
            ));
        }
        for set in &dev.sets {
            if set.pairs.is_some() == set.folder.is_some() {
                return Err(format!(
                    "[[dev.sets]] `{}` needs either `pairs` or `folder`",
                    set.name
                ));
            }
        }
        Ok(())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check().map(|()| config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        for (text, name) in [
            ("[model]\nd_modle = 8", "d_modle"),
            ("[model]\nnum_heads = 7", "num_heads 7"),
            ("[experts]\nfree = 1", "[experts] free"),
            ("[batches]\nmax_length = 600\nmax_tokens = 4000", "max_length = 600"),
            ("[[dev.sets]]\nname = \"general\"", "`general`"),
            ("[run]\ndropout = 2.0", "[run] `dropout`"),
            ("[run]\nrevive_below = 0.1", "[run] revive_below"),
            ("[run.loss]\nbalance_over = \"step\"", "[run.loss] balance_over"),
        ] {
            let error = TrainConfig::parse(text).expect_err(text);
            assert!(error.contains(name), "{text}: {error}");
        }
    }

    #[test]
    fn every_config_of_the_repository_is_valid() -> anyhow::Result<()> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
        let mut count = 0;
        for entry in fs_err::read_dir(dir)? {
            let path = entry?.path();
            if !path.to_string_lossy().contains("recommend-") {
                TrainConfig::load(&path)?;
                count += 1;
            }
        }
        assert!(count >= 3, "only {count} configs");
        Ok(())
    }
}
