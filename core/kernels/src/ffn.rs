//! The grouped feed-forward network of a mixture-of-experts layer, forward and backward.
//!
//! `ys[t] = Σₛ weights[t, s] · E(xs[t])` with `E = experts[e(t, s)]`, where
//! `E(x) = down · act(up · x + b) + c`, or with a gate (SwiGLU, arXiv 2002.05202)
//! `E(x) = down · (act(gate · x) ∘ (up · x + b)) + c`.
//!
//! Rows are gathered while they are packed, so a visit costs no copy. All experts' tiles are one
//! list of tasks, so many small experts are as fast as few large ones. Nothing is added atomically:
//! visits write rows of their own, and each token adds its visits in the order of its slots.
//!
//! Shapes: `N` tokens, `S` slots, `E` experts, `D` width, `F` inner width (each expert may have its
//! own).

mod backward;
mod forward;
mod infer;
mod rows;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use backward::{ExpertGrads, Gradients};
pub use infer::{PackedExpert, PackedFfn};

use super::{
    activation::Activation, gemm::Precision, parallel::SMALL, scratch::Scratch, visits::Visits,
};

/// The weights of one expert, row-major.
#[derive(Clone, Copy, Debug)]
pub struct ExpertWeights<'a> {
    /// `(F, D)`.
    pub up: &'a [f32],
    /// Added to the up-projection: `(F,)`.
    pub up_bias: Option<&'a [f32]>,
    /// `(F, D)` in a gated expert: the activation is applied to it, and it multiplies the
    /// up-projection.
    pub gate: Option<&'a [f32]>,
    /// `(D, F)`.
    pub down: &'a [f32],
    /// Added to the down-projection: `(D,)`.
    pub down_bias: Option<&'a [f32]>,
}

/// The experts of a layer, and how they compute.
#[derive(Clone, Copy, Debug)]
pub struct GroupedFfn<'a> {
    /// The numbers that the matrix products multiply.
    pub precision: Precision,
    /// The function between the two projections.
    pub activation: Activation,
    /// `D`.
    pub d_model: usize,
    /// The experts that [`Visits`] numbers.
    pub experts: &'a [ExpertWeights<'a>],
}

/// What goes into the layer.
#[derive(Clone, Copy, Debug)]
pub struct FfnInput<'a> {
    /// The tokens, `(N, D)`.
    pub xs: &'a [f32],
    /// The experts that each token visits.
    pub visits: &'a Visits,
    /// How much each visit counts, `(N, S)`.
    pub weights: &'a [f32],
}

/// What the backward pass needs of the forward pass: each visit's projections, before the
/// activation.
pub struct Saved {
    up: Scratch,
    gate: Scratch,
}

impl std::fmt::Debug for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saved").field("numbers", &self.up.get().len()).finish_non_exhaustive()
    }
}

/// The visits of one expert, and where their rows of `F` begin in a buffer that holds all visits'
/// rows.
#[derive(Clone, Debug)]
struct Group {
    expert: usize,
    visits: Range<usize>,
    d_ff: usize,
    start: usize,
}

impl Group {
    /// Which part of such a buffer is this group's.
    fn part(&self) -> Range<usize> {
        self.start..self.start + self.visits.len() * self.d_ff
    }

    fn part_of<'a>(&self, buffer: &'a Scratch) -> &'a [f32] {
        &buffer.floats()[self.part()]
    }
}

/// A part of one matrix of one group.
#[derive(Clone, Debug)]
struct Tile {
    group: usize,
    rows: Range<usize>,
    columns: Range<usize>,
}

/// Rows of a tile at most: enough to make up for packing the other operand.
const TILE_ROWS: usize = 512;
/// Columns of a tile, at most and at least.
const TILE_COLUMNS: Range<usize> = 128..512;

impl GroupedFfn<'_> {
    /// The experts that are visited, in order.
    fn groups(&self, visits: &Visits) -> Vec<Group> {
        groups(visits, |expert| self.experts[expert].up.len() / self.d_model)
    }

    /// Whether any visited expert has a gate.
    fn any_gate(&self, groups: &[Group]) -> bool {
        groups.iter().any(|group| self.experts[group.expert].gate.is_some())
    }

    fn check(&self, input: &FfnInput<'_>) {
        input.check(self.d_model, self.experts.len());
        let d_model = self.d_model;
        for (i, expert) in self.experts.iter().enumerate() {
            let d_ff = expert.up.len() / d_model;
            let lengths = [
                ("up", expert.up.len(), d_ff * d_model),
                ("down", expert.down.len(), d_model * d_ff),
                ("gate", expert.gate.map_or(d_ff * d_model, <[f32]>::len), d_ff * d_model),
                ("up_bias", expert.up_bias.map_or(d_ff, <[f32]>::len), d_ff),
                ("down_bias", expert.down_bias.map_or(d_model, <[f32]>::len), d_model),
            ];
            for (name, length, expected) in lengths {
                assert_eq!(length, expected, "length of `{name}` of expert {i}");
            }
        }
    }
}

impl FfnInput<'_> {
    fn check(&self, d_model: usize, num_experts: usize) {
        let Self { xs, visits, weights } = self;
        assert!(d_model > 0, "a layer has a width");
        assert_eq!(visits.num_experts(), num_experts, "visits number these experts");
        assert_eq!(weights.len(), visits.num_tokens() * visits.num_slots(), "a weight each slot");
        if visits.num_slots() > 0 {
            assert_eq!(xs.len(), visits.num_tokens() * d_model, "a row each token");
        }
    }
}

/// The experts that are visited, in order; `d_ff` gives the inner width of each.
fn groups(visits: &Visits, d_ff: impl Fn(usize) -> usize) -> Vec<Group> {
    let mut start = 0;
    let mut groups = Vec::new();
    for expert in 0..visits.num_experts() {
        let visits = visits.of_expert(expert);
        if !visits.is_empty() {
            let d_ff = d_ff(expert);
            groups.push(Group { expert, visits: visits.clone(), d_ff, start });
            start += visits.len() * d_ff;
        }
    }
    groups
}

/// About the operations of one projection of all visits: multiplications, additions, and the
/// reading of weights.
fn work(groups: &[Group], d_model: usize) -> usize {
    let numbers: usize = groups.iter().map(|group| (group.visits.len() + 2) * group.d_ff).sum();
    2 * numbers * d_model
}

/// Cuts the matrices of all groups, `size` `(rows, columns)` each, into tiles: as large as pays,
/// but enough of them to keep the threads busy.
fn tiles(groups: &[Group], size: impl Fn(&Group) -> (usize, usize)) -> Vec<Tile> {
    let threads = rayon::current_num_threads();
    let mut width = TILE_COLUMNS.end;
    loop {
        let tiles = tiles_of(groups, &size, width);
        if width <= TILE_COLUMNS.start || threads == 1 || tiles.len() >= 4 * threads {
            return tiles;
        }
        width /= 2;
    }
}

fn tiles_of(groups: &[Group], size: impl Fn(&Group) -> (usize, usize), width: usize) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for (i, group) in groups.iter().enumerate() {
        let (rows, columns) = size(group);
        for row in (0..rows).step_by(TILE_ROWS) {
            for column in (0..columns).step_by(width) {
                let rows = row..(row + TILE_ROWS).min(rows);
                let columns = column..(column + width).min(columns);
                tiles.push(Tile { group: i, rows, columns });
            }
        }
    }
    tiles
}

/// Tokens in one task of a pass over tokens.
const TOKENS: usize = 64;

/// Whether a pass over rows pays for several threads: it moves memory rather than computes.
fn row_work(numbers: usize) -> usize {
    if numbers * 16 > SMALL { SMALL } else { 0 }
}
