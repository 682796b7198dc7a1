//! The second half of the backward pass: the gradients of every visit's token and of the experts'
//! weights.

use super::{GradientTask, Middle, Outs};
use crate::{
    ffn::{FfnInput, Group, GroupedFfn, Tile, rows},
    gemm::{Epilogue, Operand, Out, Part, Product, Rows},
    scratch::Scratch,
};

/// All that the second half reads.
pub(super) struct Second<'a> {
    pub(super) ffn: &'a GroupedFfn<'a>,
    pub(super) input: &'a FfnInput<'a>,
    pub(super) dys: &'a [f32],
    pub(super) groups: &'a [Group],
    pub(super) middle: &'a Middle,
}

impl Second<'_> {
    pub(super) fn run(&self, task: &GradientTask, outs: &[Option<Outs>], dxs: Out) {
        let outs = |tile: &Tile| {
            let expert = self.groups[tile.group].expert;
            outs[expert].as_ref().expect("tasks are made for trained experts")
        };
        let some = |out: Option<Out>| out.expect("tasks are made for weights that exist");
        let epilogue = |tile: &Tile| match outs(tile).overwrite {
            true => &Epilogue::NONE,
            false => &Epilogue::ACCUMULATE,
        };
        match task {
            GradientTask::Input(tile) => self.input(tile, dxs),
            GradientTask::Up(tile) => self.up(tile, &self.middle.up, outs(tile).up, epilogue(tile)),
            GradientTask::Gate(tile) => {
                self.up(tile, &self.middle.gate, some(outs(tile).gate), epilogue(tile));
            }
            GradientTask::Down(tile) => self.down(tile, outs(tile).down, epilogue(tile)),
            GradientTask::UpBias(tile) => self.up_bias(tile, some(outs(tile).up_bias)),
            GradientTask::DownBias(tile) => self.down_bias(tile, some(outs(tile).down_bias)),
        }
    }

    /// `dx = upᵀ · dup`, and the gate's.
    fn input(&self, tile: &Tile, dxs: Out) {
        let (group, d_model) = (&self.groups[tile.group], self.ffn.d_model);
        let weights = &self.ffn.experts[group.expert];
        let dxs = dxs.part(group.visits.start * d_model, d_model);
        let back = |gradient, weight, epilogue| {
            let a = Operand::KInner(Rows::new(group.part_of(gradient), group.d_ff));
            let b = Operand::KOuter(Rows::new(weight, d_model));
            let packing = self.ffn.precision.into();
            let (m, n, k) = (group.visits.len(), d_model, group.d_ff);
            let product = Product { packing, m, n, k, a, b: b.into() };
            run_tile(&product, tile, dxs, epilogue);
        };
        back(&self.middle.up, weights.up, &Epilogue::NONE);
        if let Some(weight) = weights.gate {
            back(&self.middle.gate, weight, &Epilogue::ACCUMULATE);
        }
    }

    /// `Σ dup ⊗ x`, and the gate's.
    fn up(&self, tile: &Tile, gradient: &Scratch, out: Out, epilogue: &Epilogue<'_>) {
        let (group, d_model) = (&self.groups[tile.group], self.ffn.d_model);
        let a = Operand::KOuter(Rows::new(group.part_of(gradient), group.d_ff));
        let b = Operand::KOuter(Rows::gather(self.input.xs, d_model, self.tokens(group)));
        let (packing, m, n, k) =
            (self.ffn.precision.into(), group.d_ff, d_model, group.visits.len());
        run_tile(&Product { packing, m, n, k, a, b: b.into() }, tile, out, epilogue);
    }

    /// `Σ dy ⊗ hidden`.
    fn down(&self, tile: &Tile, out: Out, epilogue: &Epilogue<'_>) {
        let (group, d_model) = (&self.groups[tile.group], self.ffn.d_model);
        let a = Operand::KOuter(Rows::gather(self.dys, d_model, self.tokens(group)));
        let b = Operand::KOuter(Rows::new(group.part_of(&self.middle.hidden), group.d_ff));
        let (packing, m, n, k) =
            (self.ffn.precision.into(), d_model, group.d_ff, group.visits.len());
        run_tile(&Product { packing, m, n, k, a, b: b.into() }, tile, out, epilogue);
    }

    /// `Σ dup`.
    fn up_bias(&self, tile: &Tile, out: Out) {
        let group = &self.groups[tile.group];
        let sum = columns_of(tile, out);
        for row in group.part_of(&self.middle.up).chunks_exact(group.d_ff) {
            rows::add_weighted(sum, 1.0, &row[tile.columns.clone()]);
        }
    }

    /// `Σ weight · dy`.
    fn down_bias(&self, tile: &Tile, out: Out) {
        let group = &self.groups[tile.group];
        let sum = columns_of(tile, out);
        for visit in group.visits.clone() {
            let token = self.input.visits.tokens()[visit] as usize;
            let weight = self.input.weights[self.input.visits.positions()[visit] as usize];
            let dy = &self.dys[token * self.ffn.d_model..][..self.ffn.d_model];
            rows::add_weighted(sum, weight, &dy[tile.columns.clone()]);
        }
    }

    fn tokens(&self, group: &Group) -> &[u32] {
        &self.input.visits.tokens()[group.visits.clone()]
    }
}

/// Computes the part of `product` that is this tile's.
fn run_tile(product: &Product<'_>, tile: &Tile, out: Out, epilogue: &Epilogue<'_>) {
    let part = Part { rows: tile.rows.clone(), columns: tile.columns.clone() };
    // SAFETY: the tiles of one matrix are disjoint, and each matrix is written by one kind of task.
    #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
    unsafe {
        product.run_part(part, (out, None), epilogue, |_| ());
    }
}

/// The part of a bias that is this tile's.
fn columns_of<'a>(tile: &Tile, bias: Out) -> &'a mut [f32] {
    // SAFETY: the tiles of one bias are disjoint, and the caller of the pass holds it borrowed
    // until all are done.
    #[expect(unsafe_code, reason = "tasks write disjoint parts of one vector")]
    unsafe {
        bias.row(0, tile.columns.clone())
    }
}
