//! How good recommendations are, asked honestly.
//!
//! | module | holds |
//! |---|---|
//! | [`metrics`], [`lists`] | what is measured of a list, and of all lists together |
//! | `lines` | files with a line for each user |
//! | [`trial`] | users at a moment and what they did then: a cut in time, or the last event |
//! | [`ranking`] | lists from a scorer or a model |
//! | [`ials`], [`baselines`], [`blend`] | what every model stands beside, chosen on validation |
//! | `compare`, `debias` | figures beside those of others, and without what most people choose |
//! | `panel`, `successive` | all users, at once or about one event after another |
//! | [`protocol`] | the whole evaluation |
//! | [`report`] | its result: for the terminal, as JSON, as a page |
//!
//! The whole catalogue is ranked, never a sample of it; what a user has met is left out; ties fall
//! by the order of identifiers; a target outside the catalogue counts as a miss.

pub mod metrics;
pub mod lists;
mod lines;
pub mod trial;
pub mod ranking;
pub mod ials;
pub mod baselines;
pub mod blend;
mod compare;
mod debias;
mod panel;
mod successive;
pub mod protocol;
pub mod report;

pub use self::{
    protocol::{Options, Protocol, evaluate},
    report::Evaluation,
};
