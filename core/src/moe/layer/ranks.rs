//! A layer whose experts are sharded over ranks.

use candle::Tensor;

use super::MoeLayer;
use crate::{
    Result,
    context::Context,
    moe::plan::RoutingPlan,
    ops::exchange::{LocalExperts, Target, depart},
};

impl MoeLayer {
    /// The rows through experts that are sharded over ranks, added to the shared expert, which is
    /// computed while the first of them travel.
    pub(super) fn run_on_ranks(
        &self,
        xs: &Tensor,
        plan: &RoutingPlan,
        context: &Context,
    ) -> Result<Tensor> {
        let Some(owners) = &context.expert_owners else { return Ok(xs.clone()) };
        let target =
            |e: usize| Target { rank: owners.owner(&self.experts[e].name), expert: e as u32 };
        let targets: Vec<Target> = match &plan.active {
            Some(active) => active.iter().map(|&e| target(e)).collect(),
            None => (0..self.experts.len()).map(target).collect(),
        };
        let departure = depart(owners, xs, &plan.experts, plan.slots, &targets)?;
        let shared = self.shared.is_some().then(|| self.run_shared(xs, context)).transpose()?;

        let is_here = |e: &usize| target(*e).rank == owners.ranks().rank();
        let here: Vec<usize> = (0..self.experts.len()).filter(is_here).collect();
        let local = LocalExperts {
            numbers: here.iter().map(|&e| e as u32).collect(),
            params: here.iter().map(|&e| self.experts[e].weights.clone()).collect(),
            activation: self.activation,
        };
        let ys = departure.arrive(xs, &plan.weights, local, context)?;
        match shared {
            Some(shared) => Ok((ys + shared)?),
            None => Ok(ys),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, thread};

    use candle::{Device, Tensor, Var};

    use super::super::BlockConfig;
    use crate::{
        Error, Result,
        collective::{ExpertOwners, Ranks, Threads, threads},
        context::{Context, Training},
        kernels::matmul::Precision,
        moe::{MoeLayer, Tokens},
        params::ParamStore,
        ragged::Ragged,
    };

    const D: usize = 4;

    /// What comes of a pass over some rows.
    struct Passed {
        ys: Vec<f32>,
        dxs: Vec<f32>,
        /// Gradients of weights.
        grads: BTreeMap<String, Vec<f32>>,
    }

    fn pass(owners: Option<ExpertOwners>, rows: &[f32]) -> Result<Passed> {
        let config = BlockConfig {
            d_model: D,
            d_ff: 8,
            num_experts: 3,
            shared_d_ff: 4,
            ..Default::default()
        };
        let params = ParamStore::new(&Device::Cpu, 5);
        let layer = MoeLayer::new(&config, &params.root())?;
        let count = rows.len() / D;
        let xs = Var::from_tensor(&Tensor::from_slice(rows, (count, D), &Device::Cpu)?)?;
        let training = Training { seed: 1, step: 1, dropout: 0.0, expert_dropout: 0.0 };
        let mut context = Context::training(Precision::F32, training);
        context.expert_owners = owners;
        let layout = Ragged::contiguous(&[count]);
        let (ys, _) = layer.forward(&Tokens::new(&xs, &layout), &context)?;
        let grads = ys.sqr()?.sum_all()?.backward()?;
        params.collect(&grads)?;
        let values = |tensor: &Tensor| Ok::<_, Error>(tensor.flatten_all()?.to_vec1::<f32>()?);
        let dxs = grads.get(&xs).map(values).transpose()?.unwrap_or_default();
        let of = |param: crate::params::Param| {
            (param.name().to_owned(), param.with_grad(|grad| grad.to_vec()))
        };
        Ok(Passed { ys: values(&ys)?, dxs, grads: params.iter().map(of).collect() })
    }

    fn apart(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn experts_of_other_ranks_answer_as_those_that_are_here_in_any_number_of_chunks() -> Result<()>
    {
        // Seven rows on one rank, and two on the other: fewer than chunks.
        let rows = |rank: usize| -> Vec<f32> {
            (0..[7, 2][rank] * D).map(|i| ((i * 37 + rank * 11) as f32).sin()).collect()
        };
        let local = [pass(None, &rows(0))?, pass(None, &rows(1))?];
        for chunks in [1, 2, 3, 9] {
            let of_rank = |backend: Threads| {
                let ranks = Ranks::new(backend);
                let owners = ExpertOwners::new(&ranks, ["0", "1", "2"])?.in_chunks(chunks);
                pass(Some(owners), &rows(ranks.rank()))
            };
            let passed: Vec<Result<Passed>> = thread::scope(|scope| {
                let of_rank = &of_rank;
                let handles: Vec<_> =
                    threads(2).into_iter().map(|rank| scope.spawn(move || of_rank(rank))).collect();
                handles.into_iter().map(|handle| handle.join().expect("no rank panics")).collect()
            });
            let passed = passed.into_iter().collect::<Result<Vec<_>>>()?;
            for (ours, theirs) in passed.iter().zip(&local) {
                assert!(apart(&ours.ys, &theirs.ys) < 1e-6, "{chunks} chunks");
                assert!(apart(&ours.dxs, &theirs.dxs) < 1e-5, "{chunks} chunks");
            }
            for name in local[0].grads.keys() {
                let sum = |of: &[Passed]| -> Vec<f32> {
                    let pairs = of[0].grads[name].iter().zip(&of[1].grads[name]);
                    pairs.map(|(a, b)| a + b).collect()
                };
                let (ours, theirs) = (sum(&passed), sum(&local));
                assert!(apart(&ours, &theirs) < 1e-5, "`{name}` in {chunks} chunks");
                assert!(theirs.iter().any(|grad| grad.abs() > 1e-3), "`{name}` learns");
            }
        }
        Ok(())
    }
}
