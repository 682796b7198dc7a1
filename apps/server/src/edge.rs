//! What every request passes before it is routed: one way to write its path, and whether the page it
//! comes from may ask.

mod origin;
mod path;

pub(crate) use origin::{Origins, share};
pub(crate) use path::{WasHead, normalize};
