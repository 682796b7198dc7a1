//! Operations on tensors that carry gradients.
//!
//! Each has two forms with equal results: on the CPU, one of our kernels as a candle custom
//! operation, whose backward pass leaves the gradients of weights in their
//! [`Param`](crate::params::Param)s; elsewhere (and wherever
//! [`Context::composite`](crate::context::Context) asks for it) a composite of candle operations
//! that are known to be differentiable. `N` rows, `D` width, `H` heads, `V` vocabulary.

pub mod embedding;
pub mod lookup;
pub mod norm;
pub mod linear;
pub mod attention;
pub mod distances;
pub mod residual;
pub mod gate;
pub mod experts;
pub(crate) mod exchange;
pub mod low_rank;

pub(crate) mod rank;
mod select;
mod slices;

pub use attention::{Attention, attention};
pub use distances::{Distances, Rotary, attention_with_distances};
pub use embedding::{Table, embed};
pub use experts::{ExpertParams, Visits, experts};
pub(crate) use gate::group_probs;
pub use gate::{Groups, expert_weights, gate_logits, router_losses};
pub use linear::{linear, linear_in, with_product};
pub use lookup::{Lookup, NO_ROW, add_lookups, pick, sum_lookups};
pub use low_rank::{LowRankParams, low_rank};
pub use norm::norm;
pub use residual::{add_dropped, dropped};
pub(crate) use select::{NONE, select};
pub(crate) use slices::with_values;
