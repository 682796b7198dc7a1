//! What is known of every row before the first layer runs.

use crate::register::RowRoute;

/// The rows of a pass, as far as they decide about experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows<'a> {
    /// Where each row goes.
    pub routes: &'a [RowRoute],
    /// The token of each row, for rules that look at it; empty where it is not known.
    pub ids: &'a [u32],
}
