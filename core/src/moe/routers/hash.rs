//! Hash layers (Roller et al. 2021): the id of a token decides, and nothing is learned.

use candle::{DType, Tensor};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Router;
use crate::{
    Error, Result,
    context::Context,
    kernels::visits::Visits,
    moe::{
        plan::{RoutingPlan, Tokens, masked, not_finite},
        router::{GateShape, GateWeights},
    },
    params::Builder,
};

/// Fields of [`Routing::Hash`](super::Routing::Hash).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HashConfig {
    /// Which token id goes where.
    pub assignment: Assignment,
}

/// Which token id goes to which expert.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assignment {
    /// Token `i` to expert `i mod E`.
    #[default]
    Modulo,
    /// A fixed expert for each id, random by this seed.
    Random(u64),
    /// The expert of each id of the vocabulary, for example balanced by frequency.
    Table(Vec<u32>),
}

impl Router for HashConfig {
    fn check(&self, num_experts: usize, _causal: bool) -> Result<(), String> {
        let Assignment::Table(experts) = &self.assignment else { return Ok(()) };
        match experts.iter().find(|&&expert| expert as usize >= num_experts) {
            Some(expert) => Err(format!("the hash table names expert {expert} of {num_experts}")),
            None => Ok(()),
        }
    }

    fn slots(&self, _num_experts: usize) -> usize {
        1
    }

    fn weights(&self, _: &GateShape, _: &Builder<'_>) -> Result<GateWeights> {
        Ok(GateWeights::default())
    }

    fn plan(&self, weights: &GateWeights, tokens: &Tokens<'_>, _: &Context) -> Result<RoutingPlan> {
        check_inputs(tokens)?;
        let num_experts = weights.num_experts;
        let Some(ids) = tokens.ids else {
            let reason = "`hash` routes by token ids: give the id of every row";
            return Err(Error::Invalid(reason.into()));
        };
        let mut chosen = vec![Visits::NONE; ids.len()];
        for row in tokens.rows() {
            chosen[row] = self.assignment.expert(ids[row], num_experts)?;
        }
        let ones = Tensor::ones((ids.len(), 1), DType::F32, tokens.xs.device())?;
        Ok(RoutingPlan {
            weights: masked(&ones, &chosen)?,
            experts: chosen.clone(),
            chosen,
            ..RoutingPlan::of_nothing(tokens, num_experts)?
        })
    }
}

/// Checks that the rows of sentences are finite, since no gate does.
fn check_inputs(tokens: &Tokens<'_>) -> Result<()> {
    let values = tokens.xs.flatten_all()?.to_vec1::<f32>()?;
    let width = tokens.xs.dim(1)?;
    let row = |row: &usize| &values[row * width..][..width];
    match tokens.rows().iter().find(|r| row(r).iter().any(|value| !value.is_finite())) {
        Some(row) => Err(not_finite(&format!("the inputs of row {row}"))),
        None => Ok(()),
    }
}

impl Assignment {
    /// The expert of a token.
    fn expert(&self, id: u32, num_experts: usize) -> Result<u32> {
        match self {
            Self::Modulo => Ok(id % num_experts as u32),
            Self::Random(seed) => {
                let mut hash = Sha256::new_with_prefix(seed.to_le_bytes());
                hash.update(id.to_le_bytes());
                let words = hash.finalize();
                let word = words[..8].iter().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
                Ok((word % num_experts as u64) as u32)
            }
            Self::Table(experts) => experts.get(id as usize).copied().ok_or_else(|| {
                let reason = format!("token {id} is not in the hash table of {}", experts.len());
                Error::Invalid(reason)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moe::routers::tests::refuses;

    #[test]
    fn an_id_always_goes_to_the_same_expert() -> Result<()> {
        assert_eq!(Assignment::Modulo.expert(11, 4)?, 3);
        assert_eq!(Assignment::Table(vec![2, 0]).expert(1, 4)?, 0);
        assert!(Assignment::Table(vec![2, 0]).expert(2, 4).is_err());
        let mut load = [0; 4];
        for id in 0..4000 {
            let expert = Assignment::Random(1).expert(id, 4)?;
            assert_eq!(Assignment::Random(1).expert(id, 4)?, expert);
            load[expert as usize] += 1;
        }
        assert!(load.iter().all(|&ids| (900..1100).contains(&ids)), "{load:?}");
        Ok(())
    }

    #[test]
    fn contradictions_are_refused() {
        refuses(&[(r#"{ "kind": "hash", "assignment": { "table": [0, 8] } }"#, "expert 8 of 8")]);
    }
}
