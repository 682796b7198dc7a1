//! A layer of segment experts: all of the group are computed and softly gated.

use candle::{D, DType, Tensor};
use candle_nn::ops::softmax;

use crate::{
    Error, Result,
    config::{RecommendationConfig, SegmentGate},
    context::Context,
    layers::feed_forward::expert_params,
    ops::{self, ExpertParams, Visits},
    params::{Builder, Init, Param},
    register::Register,
};

/// A shared expert that sees every token, and the segment experts of the user's route.
///
/// With the group `G` of the route, the token's state `x` and statistics of the user's behaviour
/// `b`: `y = shared(x) + Σ_{e ∈ G} softmax_G(g_e · [x, b]) · E_e(x)` (the gates of MMoE, Ma et al.
/// 2018, over the shared and the specific experts of PLE, Tang et al. 2020; statistics instead of
/// a user's id as in POSO, Dai et al. 2021).
#[derive(Debug, Clone)]
pub struct SegmentLayer {
    shared: ExpertParams,
    experts: Vec<Expert>,
    /// Experts of every route, as indices, by slot; all routes have as many.
    groups: Vec<Vec<u32>>,
    activation: crate::config::Activation,
    gate: SegmentGate,
}

/// One expert in one layer.
#[derive(Debug, Clone)]
struct Expert {
    weights: ExpertParams,
    /// Its row of the gate, `(D + S,)`.
    gate: Param,
}

impl SegmentLayer {
    /// Creates the layer called `name` (such as `layers.1`), with its weights named
    /// `NAME.shared.*` and `experts.EXPERT.NAME.*`.
    pub fn new(
        name: &str,
        config: &RecommendationConfig,
        register: &Register,
        root: &Builder<'_>,
    ) -> Result<Self> {
        let RecommendationConfig { d_model, num_statistics, gate, .. } = *config;
        let width = d_model + num_statistics;
        let spread = match gate {
            // Small, so that all experts start as equals (ST-MoE, 2022).
            SegmentGate::Learned | SegmentGate::Uniform => 0.1 / (width as f32).sqrt(),
            // Large enough to decide.
            SegmentGate::Random => 2.0 / (width as f32).sqrt(),
        };
        let mut experts = Vec::new();
        for entry in register.experts.iter().filter(|e| e.layers.iter().any(|l| l == name)) {
            let vb = root.pp("experts").pp(&entry.name).pp(name);
            let weights = expert_params(d_model, entry.d_ff, &vb)?;
            let row = vb.get(width, "gate.weight", Init::Normal(spread))?;
            if gate != SegmentGate::Learned {
                row.set_trainable(false);
            }
            experts.push((entry.name.as_str(), Expert { weights, gate: row }));
        }
        experts.sort_by_key(|(name, _)| *name);
        let index = |name: &String| experts.binary_search_by_key(&name.as_str(), |e| e.0).ok();
        let group = |route: &crate::register::Route| -> Vec<u32> {
            route.group.iter().filter_map(index).map(|i| i as u32).collect()
        };
        let groups: Vec<Vec<u32>> = register.routes.iter().map(group).collect();
        if groups.windows(2).any(|pair| pair[0].len() != pair[1].len()) {
            let reason = format!("the routes have groups of different sizes in layer `{name}`");
            return Err(Error::Invalid(reason));
        }
        let shared = expert_params(d_model, config.d_ff, &root.pp(name).pp("shared"))?;
        let experts = experts.into_iter().map(|(_, expert)| expert).collect();
        Ok(Self { shared, experts, groups, activation: config.activation, gate })
    }

    /// Whether training may change any weight of the layer.
    pub fn learns(&self) -> bool {
        let of_group = |expert: &Expert| expert.gate.is_trainable() || expert.weights.learns();
        self.shared.learns() || self.experts.iter().any(of_group)
    }

    /// Maps `xs` `(N, D)` to the same shape, given the `statistics` `(N, S)` and the route of each
    /// row; also the logits of each row's group by slot, `(N, G)`, if a gate decides.
    pub fn forward(
        &self,
        xs: &Tensor,
        statistics: &Tensor,
        routes: &[u32],
        context: &Context,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let rows = routes.len();
        let slots = self.groups.first().map_or(0, Vec::len);
        if slots == 0 {
            let visits = Visits::new(&vec![0; rows], rows, 1, 1);
            let experts = [self.shared.clone()];
            let ys = ops::experts(xs, None, &visits, &experts, self.activation, context)?;
            return Ok((ys, None));
        }
        let logits = match self.gate {
            SegmentGate::Uniform => None,
            _ => Some(self.logits(xs, statistics, routes, context)?), // (N, G)
        };
        let shares = match &logits {
            Some(logits) => softmax(logits, D::Minus1)?,
            None => (Tensor::ones((rows, slots), DType::F32, xs.device())? / slots as f64)?,
        };
        let one = Tensor::ones((rows, 1), DType::F32, xs.device())?;
        let shares = Tensor::cat(&[shares, one], D::Minus1)?; // (N, G + 1)

        let mut experts: Vec<ExpertParams> =
            self.experts.iter().map(|expert| expert.weights.clone()).collect();
        let mut visited = Vec::with_capacity(rows * (slots + 1));
        for &route in routes {
            visited.extend_from_slice(&self.groups[route as usize]);
            visited.push(experts.len() as u32);
        }
        experts.push(self.shared.clone());
        let visits = Visits::new(&visited, rows, slots + 1, experts.len());
        let ys = ops::experts(xs, Some(&shares), &visits, &experts, self.activation, context)?;
        Ok((ys, logits))
    }

    /// Logits of each row's group by slot, `(N, G)`.
    fn logits(
        &self,
        xs: &Tensor,
        statistics: &Tensor,
        routes: &[u32],
        context: &Context,
    ) -> Result<Tensor> {
        let inputs = match statistics.dim(1)? {
            0 => xs.clone(),
            _ => Tensor::cat(&[xs, statistics], D::Minus1)?, // (N, D + S)
        };
        let gates: Vec<Param> = self.experts.iter().map(|expert| expert.gate.clone()).collect();
        let logits = ops::gate_logits(&inputs, &gates, context)?; // (N, E)
        let mut slots: Vec<u32> = Vec::with_capacity(routes.len() * self.groups[0].len());
        routes.iter().for_each(|&route| slots.extend(&self.groups[route as usize]));
        let slots = Tensor::from_vec(slots, (routes.len(), ()), xs.device())?;
        Ok(logits.gather(&slots, D::Minus1)?) // (N, G)
    }
}
