//! Experts that come to a finished model, and what else can be done with its experts.
//!
//! [`add`] trains one expert and its gate rows on a corpus, [`add_segment`] one for a group of users
//! on a log, [`add_catalogue`] one with the tables of a second catalogue, and commits it to the model directory:
//! an expert file and a new register, so that every old route computes what it computed. All else
//! of the model is frozen, and no work is spent on its gradients.

mod request;
mod plan;
mod corpus;
mod detector;
mod scores;
mod run;
mod add;
mod text;
mod segment;
mod catalogue;
mod edit;
mod measure;
mod quantise;
mod prune;
mod merge;
mod distil;
mod transfer;
mod retrieval;

pub use add::Outcome;
pub use catalogue::{CatalogueAdded, CatalogueOutcome, CatalogueRequest, add_catalogue};
pub use distil::{DistilRequest, Distilled, distil};
pub use edit::{Undone, extract, remove, rename, undo};
pub use merge::{Merged, merge};
pub use prune::{By, Pruned, prune};
pub use quantise::{Quantised, Wanted, quantise};
pub use request::{AddRequest, Judgement};
pub use retrieval::{Fit, RetrievalAdded, add_retrieval};
pub use scores::Row;
pub(crate) use scores::general_set;
pub use segment::{Measured, SegmentAdded, SegmentOutcome, SegmentRequest, add_segment};
pub use text::{Added, Preview, add, preview};
pub use transfer::{export, import};
