//! The forward pass.

use super::{FfnInput, Group, GroupedFfn, Saved, TOKENS, Tile, row_work, rows, tiles};
use crate::kernels::{
    gemm::{Epilogue, Operand, Out, Product, Rows},
    parallel,
    scratch::Scratch,
    visits::Visits,
};

impl GroupedFfn<'_> {
    /// Computes `ys`, `(N, D)`, and what [`Self::backward`] needs. A token without visits gets zeros.
    ///
    /// # Panics
    /// When a slice is not of the length that its shape says.
    pub fn forward(&self, input: &FfnInput<'_>, ys: &mut [f32]) -> Saved {
        self.check(input);
        assert_eq!(ys.len(), input.xs.len(), "`ys` has the shape of `xs`");
        let groups = self.groups(input.visits);
        let numbers = groups.last().map_or(0, |group| group.part().end);
        let mut up = Scratch::words(numbers);
        let mut gate = Scratch::words(if self.any_gate(&groups) { numbers } else { 0 });
        let mut hidden = Scratch::words(numbers);
        let mut outs = Scratch::words(input.visits.len() * self.d_model);

        let parts = [&mut up, &mut gate, &mut hidden].map(|part| Out::new(part.floats_mut(), 0));
        let hidden_tiles = tiles(&groups, |group| (group.visits.len(), group.d_ff));
        parallel::for_each(hidden_tiles.len(), self.work(&groups), |i| {
            let tile = &hidden_tiles[i];
            self.hidden_tile(input, &groups[tile.group], tile, parts);
        });

        let out = Out::new(outs.floats_mut(), self.d_model);
        let out_tiles = tiles(&groups, |group| (group.visits.len(), self.d_model));
        parallel::for_each(out_tiles.len(), self.work(&groups), |i| {
            let tile = &out_tiles[i];
            self.out_tile(&groups[tile.group], tile, hidden.floats(), out);
        });

        combine(input.visits, input.weights, self.d_model, outs.floats(), ys);
        Saved { up, gate }
    }

    /// A tile of the projections and of the hidden rows of one group.
    fn hidden_tile(
        &self,
        input: &FfnInput<'_>,
        group: &Group,
        tile: &Tile,
        [up, gate, hidden]: [Out; 3],
    ) {
        let weights = &self.experts[group.expert];
        let [up, gate, hidden] = [up, gate, hidden].map(|part| part.part(group.start, group.d_ff));
        let tokens = &input.visits.tokens()[group.visits.clone()];
        let product = |weight| Product {
            packing: self.precision.into(),
            m: group.visits.len(),
            n: group.d_ff,
            k: self.d_model,
            a: Operand::KInner(Rows::gather(input.xs, self.d_model, tokens)),
            b: Operand::KInner(Rows::new(weight, self.d_model)).into(),
        };
        let part = (tile.rows.clone(), tile.columns.clone());
        let bias = Epilogue { bias: weights.up_bias, ..Epilogue::NONE };
        // SAFETY: the tiles of all groups are disjoint parts of these buffers.
        #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
        unsafe {
            if let Some(weight) = weights.gate {
                product(weight).run_part(part.clone(), gate, &Epilogue::NONE, |_| ());
            }
            product(weights.up).run_part(part, up, &bias, |stripe| {
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
    fn out_tile(&self, group: &Group, tile: &Tile, hidden: &[f32], out: Out) {
        let weights = &self.experts[group.expert];
        let product = Product {
            packing: self.precision.into(),
            m: group.visits.len(),
            n: self.d_model,
            k: group.d_ff,
            a: Operand::KInner(Rows::new(&hidden[group.part()], group.d_ff)),
            b: Operand::KInner(Rows::new(weights.down, group.d_ff)).into(),
        };
        let out = out.part(group.visits.start * self.d_model, self.d_model);
        let bias = Epilogue { bias: weights.down_bias, ..Epilogue::NONE };
        // SAFETY: the tiles of all groups are disjoint parts of this buffer.
        #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
        unsafe {
            product.run_part((tile.rows.clone(), tile.columns.clone()), out, &bias, |_| ());
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
