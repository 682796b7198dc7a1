//! Model directories in object stores, brought into a cache of this machine.
//!
//! A [`RemoteFolder`] has an address such as `s3://bucket/models/opus-en-de`. [`RemoteFolder::fetch`] reads its
//! register, brings each file that the register names into the cache, checked by its sha256, and returns a
//! folder that holds exactly this version of the model. What is there already is not fetched again, and
//! several processes may share a cache. Replacing the register in the store is a rollout: whoever polls
//! [`RemoteFolder::version`] sees another one, and fetches.
//!
//! - `transport` lets `ureq` make the requests, so that no second HTTP client comes into the binary;
//! - `store` finds the store of an address and its credentials;
//! - `blobs` keeps files by their sha256;
//! - `folder` puts a version of a model together.

mod error;
mod transport;
mod store;
mod blobs;
mod folder;

pub use error::{Error, Result};
pub use folder::RemoteFolder;
pub use store::is_address;
