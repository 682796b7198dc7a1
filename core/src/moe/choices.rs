//! What a batch chose in a layer, to be balanced over a larger batch of which it is a part.

use candle::Tensor;

use super::{balance::auxiliary_loss, load::Load, plan::RoutingPlan};
use crate::Result;

/// The choices of one batch in one layer, with what their balance loss needs.
///
/// Counted over all parts of a global batch, they give each part its share of the balance loss of
/// the whole (Qiu et al. 2025): experts may then differ from part to part, where their texts do.
#[derive(Debug, Clone)]
pub struct Choices {
    plan: RoutingPlan,
}

impl Choices {
    pub(super) fn new(plan: &RoutingPlan) -> Self {
        Self { plan: plan.clone() }
    }

    /// How often each expert was chosen.
    pub fn counts(&self) -> Vec<u64> {
        Load::of(&self.plan).choices.concat()
    }

    /// The [`auxiliary_loss`] of this part, where the whole chose as `counts` say.
    ///
    /// # Errors
    /// Fails when `counts` are of another number of experts.
    pub fn loss(&self, counts: &[u64]) -> Result<Tensor> {
        let choices = counts.chunks(self.plan.num_experts.max(1)).map(<[u64]>::to_vec).collect();
        auxiliary_loss(&self.plan, Some(&Load { choices, ..Load::default() }))
    }
}

#[cfg(test)]
mod tests {
    use candle::Device;

    use crate::{
        context::{Context, Training},
        kernels::matmul::Precision,
        moe::{BlockConfig, MoeLayer, Tokens},
        params::{Init, ParamStore},
        ragged::Ragged,
    };

    use super::*;

    #[test]
    fn the_losses_of_equal_halves_are_those_of_the_whole() -> Result<()> {
        let config =
            r#"{ "d_model": 4, "d_ff": 4, "num_experts": 3, "routing": { "kind": "gshard" } }"#;
        let config: BlockConfig = serde_json::from_str(config).expect("every field is known");
        let params = ParamStore::new(&Device::Cpu, 1);
        let layer = MoeLayer::new(&config, &params.root())?;
        let rows = params.root().get((8, 4), "rows", Init::Normal(3.0))?.tensor()?.detach();
        let choices = |xs: &Tensor| -> Result<Choices> {
            let training = Training { seed: 1, step: 1, dropout: 0.0, expert_dropout: 0.0 };
            let context = Context::training(Precision::F32, training);
            let layout = Ragged::contiguous(&[xs.dim(0)?]);
            let (_, plan) = layer.forward_planned(&Tokens::new(xs, &layout), &context)?;
            Ok(Choices::new(&plan.expect("it has a router")))
        };
        let whole = choices(&rows)?;
        let halves = [choices(&rows.narrow(0, 0, 4)?)?, choices(&rows.narrow(0, 4, 4)?)?];
        let [first, second] = [halves[0].counts(), halves[1].counts()];
        assert_ne!(first, second, "they choose differently");
        let all: Vec<u64> = first.iter().zip(&second).map(|(a, b)| a + b).collect();
        assert_eq!(all, whole.counts());
        let value = |choices: &Choices| choices.loss(&all)?.to_scalar::<f32>().map_err(Into::into);
        let [first, second]: [Result<f32>; 2] = [value(&halves[0]), value(&halves[1])];
        assert!(((first? + second?) / 2.0 - value(&whole)?).abs() < 1e-6);
        Ok(())
    }
}
