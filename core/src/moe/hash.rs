//! Hash layers (Roller et al. 2021): the id of a token decides, and nothing is learned.

use candle::{DType, Tensor};
use sha2::{Digest, Sha256};

use super::{
    config::Assignment,
    plan::{Cells, Plan, Tokens, masked},
};
use crate::{Error, Result, kernels::visits::Visits};

pub(super) fn plan(
    assignment: &Assignment,
    tokens: &Tokens<'_>,
    num_experts: usize,
) -> Result<Plan> {
    let Some(ids) = tokens.ids else {
        let reason = "`hash` routes by token ids: give the id of every row";
        return Err(Error::Invalid(reason.into()));
    };
    let mut chosen = vec![Visits::NONE; ids.len()];
    for row in tokens.rows() {
        chosen[row] = assignment.expert(ids[row], num_experts)?;
    }
    let ones = Tensor::ones((ids.len(), 1), DType::F32, tokens.xs.device())?;
    Ok(Plan {
        num_experts,
        slots: 1,
        weights: masked(&ones, &chosen)?,
        experts: chosen.clone(),
        chosen,
        gate: None,
        cells: Cells::one(tokens, num_experts),
        counted_slots: 1,
    })
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
}
