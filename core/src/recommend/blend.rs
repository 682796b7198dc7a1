//! How the scores of the transformer and the cheap scorers are mixed for a user.

use serde::{Deserialize, Serialize};

/// Weights of the scorers by what is known of a user: the file `blend.json`.
///
/// With the inputs `x` (a one, the weights of the segment experts, the statistics of behaviour),
/// scorer `k` weighs `softmax_k(w_k · x)`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blend {
    /// Names of the scorers.
    pub scorers: Vec<String>,
    /// A row for each scorer.
    pub weights: Vec<Vec<f32>>,
}
