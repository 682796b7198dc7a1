//! The request to add an expert.

use std::path::PathBuf;

use crate::{config::Budget, evaluate::LanguagePair};

/// What a change to a model may cost, and on what that is measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judgement {
    /// Sets, as files with `{pair}` or folders with a file for each language.
    pub dev: Vec<String>,
    /// Short names of the domains that are on while measuring.
    pub domains: Vec<String>,
    /// By how much mean chrF++ may fall; a change that costs more is not made.
    pub max_drop: f64,
}

/// An expert to add to a model, and what it learns from.
#[derive(Debug, Clone, PartialEq)]
pub struct AddRequest {
    /// Name of the expert: `domain.it`, or `pair.en-it`.
    pub name: String,
    /// Goes on from the weights of the domain of this name that the model has, and replaces it.
    pub updates: bool,
    /// Corpora, such as `it/{pair}.tsv.gz`, where `{pair}` stands for `en-de` in both directions;
    /// without it, the file's name starts with its languages.
    pub data: Vec<String>,
    /// Directions that a domain covers; without any, all for which there is a corpus and a route.
    pub pairs: Vec<LanguagePair>,
    /// The expert whose copy a pair expert starts as; without one, the nearest by development loss.
    pub parent: Option<String>,
    /// Rank of a low-rank domain expert over the network that every token visits; full without.
    pub lora: Option<usize>,
    /// Inner width of a full expert; a pair expert is at least as wide as its parent.
    pub width: Option<usize>,
    /// Development sets, in the form of `data`; without any, a part of the corpora is held out.
    pub dev: Option<String>,
    /// Sets of other texts, in the form of `data` or folders with a file for each language: what the
    /// detector tells the domain from, and where else its expert is measured.
    pub general: Vec<String>,
    /// Licence of the corpora, for the register.
    pub licence: String,
    /// When training is over, at the latest.
    pub budget: Budget,
    /// The learning rate at its peak.
    pub learning_rate: f64,
    /// By how much the score on the development sets may fall; with 0 it has to rise.
    pub max_drop: f64,
    /// Seed of all that is random.
    pub seed: u64,
    /// The folder of the run: checkpoints, log and report.
    pub work: PathBuf,
    /// Shows nothing while training.
    pub quiet: bool,
}

impl AddRequest {
    /// Adds the expert called `name`, which learns from `data`, in the folder `work`.
    pub fn new(name: &str, data: Vec<String>, work: PathBuf) -> Self {
        Self {
            name: name.into(),
            updates: false,
            data,
            pairs: Vec::new(),
            parent: None,
            lora: None,
            width: None,
            dev: None,
            general: Vec::new(),
            licence: String::new(),
            budget: Budget { steps: 1000, minutes: 0.0 },
            learning_rate: 5e-3,
            max_drop: 0.0,
            seed: 1,
            work,
            quiet: false,
        }
    }
}
