//! Counts of work, so that a test can show what was not done.

use std::sync::atomic::{AtomicU64, Ordering};

static WEIGHT_GRADIENTS: AtomicU64 = AtomicU64::new(0);

/// Matrix products for weight gradients that this process has run: one for each matrix and call.
///
/// All threads count together, so a test that takes a difference needs a process of its own.
pub fn weight_gradients() -> u64 {
    WEIGHT_GRADIENTS.load(Ordering::Relaxed)
}

/// Counts `products` matrix products for weight gradients.
pub fn count_weight_gradients(products: usize) {
    WEIGHT_GRADIENTS.fetch_add(products as u64, Ordering::Relaxed);
}
