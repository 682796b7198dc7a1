//! What the end-to-end tests stand on: the real binary, a model that knows a few sentences by
//! heart, a server that stops with its test.
//!
//! - [`binary`] finds `dragoman` and runs its commands;
//! - [`model`] trains [`model::SENTENCES`] once for each build of the tests;
//! - [`app`] starts `dragoman serve` on a free port and a temporary store;
//! - [`browser`] opens a headless Chromium;
//! - [`http`] is a server of the test, which may fail in any way; [`collector`] one that takes traces, [`objects`]
//!   one that stores objects;
//! - [`skip`] prints a notice of which test could not run, and why.
//!
//! Nothing here calls the server's code: the tests see what a user sees.

pub mod skip;
pub mod binary;
pub mod model;
pub mod app;
pub mod http;
pub mod collector;
pub mod objects;
pub mod browser;

pub use app::{Options, TestApp};
pub use binary::{Dragoman, Finished};
pub use collector::Collector;
