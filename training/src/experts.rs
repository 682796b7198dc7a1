//! Experts that come to a finished model, and what else can be done with its experts.
//!
//! [`add`] trains one expert and its gate rows on a corpus, and commits it to the model directory:
//! an expert file and a new register, so that every old route computes what it computed. All else
//! of the model is frozen, and no work is spent on its gradients.

mod request;
mod plan;
mod corpus;
mod detector;
mod scores;
mod add;
mod edit;

pub use add::{Added, Outcome, add};
pub use edit::{extract, remove, rename};
pub use request::AddRequest;
pub use scores::Row;
