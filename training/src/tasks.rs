//! What can be trained: a file for each task.

mod date;

pub mod recommendation;
pub mod translation;

use date::rfc3339;
