//! A layer whose experts are sharded over ranks.

use candle::Tensor;

use super::MoeLayer;
use crate::{
    Result,
    context::Context,
    kernels::visits::Visits,
    moe::plan::RoutingPlan,
    ops::{
        ExpertParams,
        exchange::{Target, depart},
    },
};

impl MoeLayer {
    /// The rows through experts that are sharded over ranks, added to the shared expert, which is
    /// computed while they travel.
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
        let ranks = owners.ranks();
        let departure = depart(ranks, xs, &plan.experts, plan.slots, &targets)?;
        let shared = self.shared.is_some().then(|| self.run_shared(xs, context)).transpose()?;
        let arrival = departure.arrive(xs)?;

        let is_here = |e: &usize| target(*e).rank == ranks.rank();
        let here: Vec<usize> = (0..self.experts.len()).filter(is_here).collect();
        let index =
            |expert: &u32| here.binary_search(&(*expert as usize)).map(|index| index as u32);
        let visits: std::result::Result<Vec<u32>, _> = arrival.experts.iter().map(index).collect();
        let visits =
            visits.map_err(|_| ranks.error(format!("rows came for others in `{}`", self.name)))?;
        let answers = match visits.len() {
            0 => arrival.rows.clone(),
            count => {
                let visits = Visits::new(&visits, count, 1, here.len());
                let experts: Vec<ExpertParams> =
                    here.iter().map(|&e| self.experts[e].weights.clone()).collect();
                self.run(&arrival.rows, None, &visits, &experts, context)?
            }
        };
        let ys = arrival.collect(&answers, &plan.weights)?;
        match shared {
            Some(shared) => Ok((ys + shared)?),
            None => Ok(ys),
        }
    }
}
