//! The forward pass, for weights that are packed or not.

use super::{
    FfnInput, Group, GroupedFfn, Saved, TOKENS, Tile, groups, row_work, rows, tiles, work,
};
use crate::{
    activation::Activation,
    gemm::{Epilogue, IntegerRows, Operand, Out, Packing, Part, Product, Right, Rows},
    parallel,
    scratch::Scratch,
    visits::Visits,
};

impl GroupedFfn<'_> {
    /// Computes `ys`, `(N, D)`, and what [`Self::backward`] needs. A token without visits gets
    /// zeros.
    ///
    /// # Panics
    /// When a slice is not of the length that its shape says.
    pub fn forward(&self, input: &FfnInput<'_>, ys: &mut [f32]) -> Saved {
        self.check(input);
        let experts = self.experts.iter().map(|weights| {
            let d_ff = weights.up.len() / self.d_model;
            let right = |weight, k| Right::Plain(Operand::KInner(Rows::new(weight, k)));
            Some(Expert {
                packing: self.precision.into(),
                d_ff,
                up: right(weights.up, self.d_model),
                up_bias: weights.up_bias,
                gate: weights.gate.map(|gate| right(gate, self.d_model)),
                down: right(weights.down, d_ff),
                down_bias: weights.down_bias,
            })
        });
        let experts = experts.collect();
        Forward { activation: self.activation, d_model: self.d_model, experts }.run(input, ys)
    }
}

/// An expert as the forward pass sees it.
pub(super) struct Expert<'a> {
    pub(super) packing: Packing,
    pub(super) d_ff: usize,
    pub(super) up: Right<'a>,
    pub(super) up_bias: Option<&'a [f32]>,
    pub(super) gate: Option<Right<'a>>,
    pub(super) down: Right<'a>,
    pub(super) down_bias: Option<&'a [f32]>,
}

/// The forward pass of a layer; an expert that is not visited may be absent.
pub(super) struct Forward<'a> {
    pub(super) activation: Activation,
    pub(super) d_model: usize,
    pub(super) experts: Vec<Option<Expert<'a>>>,
}

impl Forward<'_> {
    pub(super) fn run(&self, input: &FfnInput<'_>, ys: &mut [f32]) -> Saved {
        assert_eq!(ys.len(), input.xs.len(), "`ys` has the shape of `xs`");
        let groups = groups(input.visits, |expert| self.expert(expert).d_ff);
        let gated = groups.iter().any(|group| self.expert(group.expert).gate.is_some());
        let numbers = groups.last().map_or(0, |group| group.part().end);
        let mut up = Scratch::words(numbers);
        let mut gate = Scratch::words(if gated { numbers } else { 0 });
        let mut hidden = Scratch::words(numbers);
        let mut outs = Scratch::words(input.visits.len() * self.d_model);

        let prepared = self.prepared(&groups, |group| self.up(input, group));
        let parts = [&mut up, &mut gate, &mut hidden].map(|part| Out::new(part.floats_mut(), 0));
        let hidden_tiles = tiles(&groups, |group| (group.visits.len(), group.d_ff));
        parallel::for_each(hidden_tiles.len(), work(&groups, self.d_model), |i| {
            let tile = &hidden_tiles[i];
            let integers = prepared[tile.group].as_ref();
            self.hidden_tile(input, &groups[tile.group], tile, (parts, integers));
        });

        let hidden = hidden.floats();
        let prepared = self.prepared(&groups, |group| self.down(group, hidden));
        let out = Out::new(outs.floats_mut(), self.d_model);
        let out_tiles = tiles(&groups, |group| (group.visits.len(), self.d_model));
        parallel::for_each(out_tiles.len(), work(&groups, self.d_model), |i| {
            let tile = &out_tiles[i];
            let integers = prepared[tile.group].as_ref();
            self.out_tile(&groups[tile.group], tile, hidden, (out, integers));
        });

        combine(input.visits, input.weights, self.d_model, outs.floats(), ys);
        Saved { up, gate }
    }

    fn expert(&self, expert: usize) -> &Expert<'_> {
        let weights = self.experts[expert].as_ref();
        weights.unwrap_or_else(|| panic!("expert {expert} is visited, so its weights are here"))
    }

    /// The left operands of the products of all groups, packed once where that is needed.
    fn prepared<'a>(
        &'a self,
        groups: &'a [Group],
        product: impl Fn(&'a Group) -> Product<'a>,
    ) -> Vec<Option<IntegerRows>> {
        groups.iter().map(|group| product(group).prepare()).collect()
    }

    /// The projection of a group's tokens into its hidden rows.
    fn up<'a>(&'a self, input: &FfnInput<'a>, group: &Group) -> Product<'a> {
        let weights = self.expert(group.expert);
        let tokens = &input.visits.tokens()[group.visits.clone()];
        Product {
            packing: weights.packing,
            m: group.visits.len(),
            n: group.d_ff,
            k: self.d_model,
            a: Operand::KInner(Rows::gather(input.xs, self.d_model, tokens)),
            b: weights.up,
        }
    }

    /// The projection of a group's hidden rows into its results.
    fn down<'a>(&'a self, group: &Group, hidden: &'a [f32]) -> Product<'a> {
        let weights = self.expert(group.expert);
        Product {
            packing: weights.packing,
            m: group.visits.len(),
            n: self.d_model,
            k: group.d_ff,
            a: Operand::KInner(Rows::new(&hidden[group.part()], group.d_ff)),
            b: weights.down,
        }
    }

    /// A tile of the projections and of the hidden rows of one group.
    fn hidden_tile(
        &self,
        input: &FfnInput<'_>,
        group: &Group,
        tile: &Tile,
        ([up, gate, hidden], integers): ([Out; 3], Option<&IntegerRows>),
    ) {
        let weights = self.expert(group.expert);
        let [up, gate, hidden] = [up, gate, hidden].map(|part| part.part(group.start, group.d_ff));
        let product = self.up(input, group);
        let part = Part { rows: tile.rows.clone(), columns: tile.columns.clone() };
        let bias = Epilogue { bias: weights.up_bias, ..Epilogue::NONE };
        // SAFETY: the tiles of all groups are disjoint parts of these buffers.
        #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
        unsafe {
            if let Some(b) = weights.gate {
                let product = Product { b, ..product };
                product.run_part(part.clone(), (gate, integers), &Epilogue::NONE, |_| ());
            }
            product.run_part(part, (up, integers), &bias, |stripe| {
                for row in stripe {
                    let columns = || tile.columns.clone();
                    let gate = weights.gate.map(|_| &*gate.row(row, columns()));
                    let (up, hidden) = (up.row(row, columns()), hidden.row(row, columns()));
                    rows::activate(self.activation, up, gate, hidden);
                }
            });
        }
    }

    /// A tile of the visits' results.
    fn out_tile(
        &self,
        group: &Group,
        tile: &Tile,
        hidden: &[f32],
        (out, integers): (Out, Option<&IntegerRows>),
    ) {
        let out = out.part(group.visits.start * self.d_model, self.d_model);
        let bias = self.expert(group.expert).down_bias;
        let bias = Epilogue { bias, ..Epilogue::NONE };
        let part = Part { rows: tile.rows.clone(), columns: tile.columns.clone() };
        // SAFETY: the tiles of all groups are disjoint parts of this buffer.
        #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
        unsafe {
            self.down(group, hidden).run_part(part, (out, integers), &bias, |_| ());
        }
    }
}

/// `ys[t] = Σₛ weights[t, s] · outs[visit of (t, s)]`, in the order of the slots.
fn combine(visits: &Visits, weights: &[f32], d_model: usize, outs: &[f32], ys: &mut [f32]) {
    let work = row_work(outs.len());
    parallel::for_each_chunk(ys, TOKENS * d_model, work, |chunk, ys| {
        for (i, y) in ys.chunks_exact_mut(d_model).enumerate() {
            y.fill(0.0);
            let token = chunk * TOKENS + i;
            if token >= visits.num_tokens() {
                continue; // without slots there are no visits to count tokens by
            }
            let weights = &weights[token * visits.num_slots()..];
            for (&visit, &weight) in visits.of_token(token).iter().zip(weights) {
                if visit != Visits::NONE {
                    rows::add_weighted(y, weight, &outs[visit as usize * d_model..][..d_model]);
                }
            }
        }
    });
}
