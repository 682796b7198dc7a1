//! Trains the models of Dragoman, and says how good they are.
//!
//! | module | holds |
//! |---|---|
//! | [`config`], [`schedule`] | the settings of a run, and its learning rate |
//! | [`metrics`], [`evaluate`] | BLEU, chrF and what else is measured of translations |
//! | [`inspect`] | which experts the tokens of test sets visit |
//! | [`tensorboard`], [`report`] | what a run leaves behind for people |
//! | [`control`], [`progress`], [`device`] | a run and the world around it |
//! | [`checkpoint`], [`optimizer`], [`average`], [`loss`] | the parts of a step |
//! | `shards` | which rank updates which weights, where several train together |
//! | [`task`], [`summary`], [`recorder`], [`trainer`] | the loop, what it asks of a task, its log, and how it ended |
//! | [`recommendation`] | how good recommendations are |
//! | [`tasks`] | what can be trained |
//! | [`distilled`] | corpora whose targets a model wrote |
//! | [`experts`] | experts that come to a finished model |
//! | [`calibrate`] | fits a model's estimate of quality |
//! | [`lexicon`] | counts what words become |
//!
//! Everything random is a function of the seed and the step, and a checkpoint holds all the rest:
//! a run that was stopped and goes on equals one that was not, bit for bit.
//!
//! ```
//! use dragoman_training::schedule::Schedule;
//!
//! let schedule = Schedule::Linear { warmup: 400.0, hold: 0.5 };
//! assert_eq!(schedule.factor(100, 0.1), 0.25); // a quarter of the warm-up is done
//! assert_eq!(schedule.factor(4000, 0.75), 0.5); // half of the way down to zero
//! ```

mod error;
pub mod metrics;
pub mod evaluate;
pub mod inspect;
pub mod tensorboard;
pub mod report;
pub mod schedule;
pub mod config;
pub mod control;
pub mod progress;
pub mod device;
pub mod task;
pub mod checkpoint;
pub mod optimizer;
pub mod average;
mod shards;
pub mod loss;
pub mod summary;
pub mod recorder;
pub mod trainer;
pub mod recommendation;
pub mod tasks;
pub mod distilled;
pub mod experts;
pub mod calibrate;
pub mod lexicon;

pub use error::{Error, Result};
pub use tasks::translation;
