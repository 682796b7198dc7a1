//! Where a layer stands in a model, and which weights it gets from there.

use super::{Expert, MoeLayer};
use crate::{
    Result,
    kernels::activation::Activation,
    moe::{
        added::{AddedExperts, Host},
        expert::ExpertShape,
        router::Gating,
    },
    ops::ExpertParams,
    params::{Builder, Init, Param},
    register::{ExpertEntry, Register, Route},
};

/// Where a layer stands in a model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Its name, such as `encoder.1`.
    pub(crate) name: &'a str,
    /// Width of the tokens, `D`.
    pub(crate) d_model: usize,
    /// Non-linearity of the experts.
    pub(crate) activation: Activation,
    /// Whether feed-forward networks have a gate.
    pub(crate) gated: bool,
    /// The experts and routes of the model.
    pub(crate) register: &'a Register,
    /// The root of the model's weights.
    pub(crate) root: &'a Builder<'a>,
}

impl Place<'_> {
    pub(super) fn layer(
        &self,
        router: Option<Gating>,
        experts: Vec<Expert>,
        shared: Option<ExpertParams>,
        added: Option<AddedExperts>,
    ) -> MoeLayer {
        let (name, activation) = (self.name.into(), self.activation);
        MoeLayer { name, router, experts, shared, added, activation }
    }

    /// The shape of a network of inner width `d_ff`, with biases.
    pub(super) fn shape(&self, d_ff: usize) -> ExpertShape {
        ExpertShape { d_model: self.d_model, d_ff, gated: self.gated, bias: true }
    }

    pub(super) fn is_covered_by(&self, entry: &ExpertEntry) -> bool {
        entry.layers.iter().any(|layer| layer == self.name)
    }

    pub(super) fn builder(&self, entry: &ExpertEntry) -> Builder<'_> {
        self.root.pp("experts").pp(&entry.name).pp(self.name)
    }

    pub(super) fn expert(&self, entry: &ExpertEntry) -> Result<Expert> {
        let weights = self.shape(entry.d_ff).create(&self.builder(entry))?;
        Ok(Expert { name: entry.name.clone(), weights })
    }

    /// The experts that cover the layer and that `is_member` takes, by name, with their rows of the gate.
    pub(super) fn experts_with_rows(
        &self,
        is_member: impl Fn(&&ExpertEntry) -> bool,
        width: usize,
        init: Init,
    ) -> Result<(Vec<Expert>, Vec<Param>)> {
        let mut experts = Vec::new();
        let entries = self.register.experts.iter().filter(|entry| self.is_covered_by(entry));
        for entry in entries.filter(is_member) {
            let expert = self.expert(entry)?;
            experts.push((expert, self.builder(entry).get(width, "gate.weight", init)?));
        }
        experts.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        Ok(experts.into_iter().unzip())
    }

    /// The experts of every route, by slot.
    pub(super) fn groups(&self, experts: &[Expert]) -> Vec<Vec<u32>> {
        let index = |name: &String| experts.binary_search_by(|e| e.name.cmp(name)).ok();
        let group = |route: &Route| -> Vec<u32> {
            route.group.iter().filter_map(index).map(|i| i as u32).collect()
        };
        self.register.routes.iter().map(group).collect()
    }

    pub(super) fn shared(&self, d_ff: usize) -> Result<Option<ExpertParams>> {
        let vb = self.root.pp(self.name).pp("shared");
        (d_ff > 0).then(|| self.shape(d_ff).create(&vb)).transpose()
    }

    pub(super) fn added(
        &self,
        network: Option<&ExpertParams>,
        has_groups: bool,
    ) -> Result<Option<AddedExperts>> {
        let Self { name, d_model, activation, gated, register, root } = *self;
        let host = Host { name, network, has_groups, d_model, activation, gated };
        AddedExperts::new(host, register, root)
    }
}
