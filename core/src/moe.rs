//! Published routers as presets of one [`Router`], and a block of experts that uses any of them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | every preset with its published fields, [`Routing`] |
//! | [`plan`] | what goes in, [`Tokens`], and what comes out, [`Plan`] |
//! | [`capacity`] | how many tokens an expert takes, and who is dropped |
//! | `switch`, `gshard`, `mixtral`, `deepseek`, `expert_choice`, `hash`, `hierarchical`, `adaptive`, `route` | one preset each, as a function from logits to a plan |
//! | `soft` | Soft MoE, which mixes tokens into slots instead of choosing |
//! | [`router`] | the weights of a gate, and the preset they serve |
//! | [`block`] | [`MoeBlock`]: router, experts and shared expert |
//! | [`published`] | weights of published blocks under our names |
//! | [`load`] | visits counted over batches: dead experts, bias updates, revival |
//! | [`balance`] | losses that keep the choice balanced |
//!
//! Gates compute in float32, ties go to the lower expert, and of equal tokens the earlier one goes
//! first. Letters: `N` tokens, `D` width, `E` experts, `S` slots (visits of a token, at most).
//!
//! ```
//! use dragoman_core::{
//!     context::Context,
//!     kernels::matmul::Precision,
//!     moe::{BlockConfig, MoeBlock, Tokens},
//!     params::ParamStore,
//!     ragged::Ragged,
//! };
//!
//! let config = r#"{ "d_model": 16, "d_ff": 32, "num_experts": 8,
//!     "routing": { "kind": "gshard", "second_expert": "all", "eval_capacity": { "fraction": 0.25 } } }"#;
//! let config: BlockConfig = serde_json::from_str(config).expect("every field is known");
//! let params = ParamStore::new(&candle::Device::Cpu, 1);
//! let block = MoeBlock::new(&config, &params.root())?;
//!
//! let layout = Ragged::contiguous(&[3, 5]);
//! let xs = candle::Tensor::ones((8, 16), candle::DType::F32, &candle::Device::Cpu)?;
//! let context = Context::inference(Precision::F32);
//! let (ys, plan) = block.forward(&Tokens::new(&xs, &layout), &context)?;
//! assert_eq!(ys.dims(), [8, 16]);
//! // Equal tokens want the same two experts, which have room for ⌈0.25 · 8⌉ each.
//! assert_eq!(plan.expect("top-2 is sparse").load().iter().sum::<usize>(), 4);
//! # Ok::<(), dragoman_core::Error>(())
//! ```

pub mod config;
pub mod plan;
pub(crate) mod rank;
pub mod capacity;
mod switch;
mod gshard;
mod mixtral;
mod deepseek;
mod expert_choice;
mod hash;
mod hierarchical;
mod adaptive;
mod route;
mod soft;
pub mod router;
pub mod block;
pub mod published;
pub mod load;
pub mod balance;

pub use balance::BalanceConfig;
pub use block::{BlockConfig, MoeBlock};
pub use capacity::{Capacity, Scope};
pub use config::Routing;
pub use load::Load;
pub use plan::{Plan, Tokens};
pub use published::Published;
pub use router::Router;
