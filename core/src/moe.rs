//! Layers of experts: one [`MoeLayer`], and a [`Router`] for each rule by which tokens find experts.
//!
//! | module | holds |
//! |---|---|
//! | [`capacity`] | how many tokens an expert takes, and who is dropped |
//! | [`plan`] | what goes in, [`Tokens`], and what comes out, [`RoutingPlan`] |
//! | [`router`] | what a rule provides, and the weights it plans with |
//! | [`routers`] | the rules, a file each, and their names, [`Routing`] |
//! | [`balance`], [`load`] | losses and biases that keep the choice balanced; visits counted over batches |
//! | `choices` | what a part of a global batch chose |
//! | [`routing`] | where the tokens of a batch went |
//! | `expert`, `low_rank`, `added` | the weights of experts; experts that are added beside the others |
//! | [`layer`] | [`MoeLayer`]: router, experts, shared and added experts |
//!
//! Gates compute in float32, ties go to the lower expert, and of equal tokens the earlier one goes
//! first. Letters: `N` tokens, `D` width, `E` experts, `S` slots (visits of a token, at most).
//!
//! ```
//! use dragoman_core::{
//!     context::Context,
//!     kernels::matmul::Precision,
//!     moe::{BlockConfig, MoeLayer, Tokens},
//!     params::ParamStore,
//!     ragged::Ragged,
//! };
//!
//! let config = r#"{ "d_model": 16, "d_ff": 32, "num_experts": 8,
//!     "routing": { "kind": "gshard", "second_expert": "all", "eval_capacity": { "fraction": 0.25 } } }"#;
//! let config: BlockConfig = serde_json::from_str(config).expect("every field is known");
//! let params = ParamStore::new(&candle::Device::Cpu, 1);
//! let layer = MoeLayer::new(&config, &params.root())?;
//!
//! let layout = Ragged::contiguous(&[3, 5]);
//! let xs = candle::Tensor::ones((8, 16), candle::DType::F32, &candle::Device::Cpu)?;
//! let context = Context::inference(Precision::F32);
//! let (ys, routing) = layer.forward(&Tokens::new(&xs, &layout), &context)?;
//! assert_eq!(ys.dims(), [8, 16]);
//! // Equal tokens want the same two experts, which have room for ⌈0.25 · 8⌉ each.
//! assert_eq!(routing.expect("it has a router").load.iter().sum::<usize>(), 4);
//! # Ok::<(), dragoman_core::Error>(())
//! ```

pub mod capacity;
pub mod plan;
pub mod router;
pub mod routers;
pub mod balance;
pub mod load;
mod choices;
pub mod routing;
mod expert;
mod low_rank;
mod added;
pub mod layer;

pub use balance::BalanceConfig;
pub use capacity::{Capacity, Scope};
pub use choices::Choices;
pub(crate) use layer::Place;
pub use layer::{BlockConfig, MoeLayer};
pub use load::{Load, Revival, Revived};
pub use plan::{RoutingPlan, Tokens};
pub use router::{GateShape, Gating, Router};
pub use routers::Routing;
pub use routing::LayerRouting;
