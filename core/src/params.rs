//! The weights of a model by name, each with the place where its gradient gathers.
//!
//! Our CPU operations write the gradients of weights straight into [`Param`]: accumulation over
//! micro-batches costs nothing, and a frozen weight costs no work at all (candle computes the
//! gradient of every argument, tracked or not). Composite paths leave their gradients in candle's
//! [`GradStore`](candle::backprop::GradStore); [`ParamStore::collect`] moves them here.
//!
//! A weight that only serves may stay where it is [`Stored`]: it is read when it is first used, and
//! a matrix is packed without a copy in float32 beside it.

mod quantised;
mod stored;
mod values;
mod param;
mod store;
mod builder;
mod prefetch;

pub use builder::{Builder, Init};
pub use param::Param;
pub use prefetch::Prefetcher;
pub(crate) use quantised::restored;
pub use quantised::{Bits, quantise};
pub use store::ParamStore;
pub(crate) use stored::head_len;
pub use stored::{Container, Stored};
pub(crate) use values::Values;
