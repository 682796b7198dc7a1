//! The backward pass.

mod second;

use std::ops::Range;

use super::{
    FfnInput, Group, GroupedFfn, Saved, TOKENS, Tile, row_work, rows, rows::PIECE, tiles, work,
};
use crate::{
    counters,
    gemm::{Epilogue, Operand, Out, Part, Product, Rows},
    parallel,
    scratch::Scratch,
    visits::Visits,
};

use second::Second;

/// Where the gradients of one expert's weights are added; the shapes are those of its weights.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is the gradient of the weight it is named after")]
pub struct ExpertGrads<'a> {
    /// Whether the gradients of the matrices are overwritten instead, if the expert is visited.
    pub overwrite: bool,
    pub up: &'a mut [f32],
    pub up_bias: Option<&'a mut [f32]>,
    pub gate: Option<&'a mut [f32]>,
    pub down: &'a mut [f32],
    pub down_bias: Option<&'a mut [f32]>,
}

/// Where the backward pass leaves its results.
#[derive(Debug)]
pub struct Gradients<'a, 'b> {
    /// Of the tokens, `(N, D)`; overwritten.
    pub xs: &'a mut [f32],
    /// Of the visits' weights, `(N, S)`; overwritten, with zero where there is no visit.
    pub weights: &'a mut [f32],
    /// Of each expert's weights, added to; `None` for a frozen one, on whose gradient nothing is
    /// spent.
    pub experts: &'a mut [Option<ExpertGrads<'b>>],
}

/// [`ExpertGrads`] as tasks share them.
#[derive(Clone, Copy)]
struct Outs {
    overwrite: bool,
    up: Out,
    gate: Option<Out>,
    down: Out,
    up_bias: Option<Out>,
    down_bias: Option<Out>,
}

/// One piece of work of the second half.
enum GradientTask {
    Input(Tile),
    Up(Tile),
    Gate(Tile),
    Down(Tile),
    UpBias(Tile),
    DownBias(Tile),
}

/// What the first half leaves to the second: of each visit, the gradients of its projections, its
/// weighted hidden row, and the parts of its weight's gradient.
struct Middle {
    up: Scratch,
    gate: Scratch,
    hidden: Scratch,
    parts: Scratch,
    /// Parts in a row of `parts`.
    pieces: usize,
}

impl GroupedFfn<'_> {
    /// Computes the gradients from `dys`, `(N, D)`, the gradient of what [`Self::forward`] gave for
    /// the same input.
    ///
    /// # Panics
    /// When a slice is not of the length that its shape says.
    pub fn backward(
        &self,
        input: &FfnInput<'_>,
        saved: &Saved,
        dys: &[f32],
        gradients: Gradients<'_, '_>,
    ) {
        self.check(input);
        assert_eq!(dys.len(), input.xs.len(), "`dys` has the shape of `xs`");
        assert_eq!(gradients.xs.len(), input.xs.len(), "`xs` has a gradient of its shape");
        assert_eq!(gradients.weights.len(), input.weights.len(), "each weight has a gradient");
        let outs = self.outs(gradients.experts);
        let groups = self.groups(input.visits);

        let middle = self.through_activation(input, saved, dys, &groups, &outs);
        let mut visit_dxs = Scratch::words(input.visits.len() * self.d_model);
        let dxs = Out::new(visit_dxs.floats_mut(), self.d_model);
        let tasks = self.tasks(&groups, &outs);
        parallel::for_each(tasks.len(), 3 * work(&groups, self.d_model), |i| {
            Second { ffn: self, input, dys, groups: &groups, middle: &middle }
                .run(&tasks[i], &outs, dxs);
        });

        sum_visits(input.visits, self.d_model, visit_dxs.floats(), gradients.xs);
        self.sum_parts(input.visits, &groups, dys, &middle, gradients.weights);
    }

    /// Checks the gradients' shapes and shares them.
    fn outs(&self, experts: &mut [Option<ExpertGrads<'_>>]) -> Vec<Option<Outs>> {
        assert_eq!(experts.len(), self.experts.len(), "gradients, or none, for each expert");
        let share = |i: usize, name: &str, weight: &[f32], gradient: &mut [f32], width: usize| {
            assert_eq!(gradient.len(), weight.len(), "length of the gradient of `{name}` of {i}");
            Out::new(gradient, width)
        };
        let share_option =
            |i: usize, name, weight: Option<&[f32]>, gradient: &mut Option<&mut [f32]>, width| {
                weight.map(|weight| {
                    let gradient = gradient.as_deref_mut();
                    let gradient = gradient.unwrap_or_else(|| {
                        panic!("expert {i} has `{name}`, so its gradients have one too")
                    });
                    share(i, name, weight, gradient, width)
                })
            };
        let shared = experts.iter_mut().zip(self.experts).enumerate().map(|(i, (to, weights))| {
            let to = to.as_mut()?;
            let (d_model, d_ff) = (self.d_model, weights.up.len() / self.d_model);
            Some(Outs {
                overwrite: to.overwrite,
                up: share(i, "up", weights.up, to.up, d_model),
                gate: share_option(i, "gate", weights.gate, &mut to.gate, d_model),
                down: share(i, "down", weights.down, to.down, d_ff),
                up_bias: share_option(i, "up_bias", weights.up_bias, &mut to.up_bias, 0),
                down_bias: share_option(i, "down_bias", weights.down_bias, &mut to.down_bias, 0),
            })
        });
        shared.collect()
    }

    /// The first half: back through the down-projection and the activation.
    fn through_activation(
        &self,
        input: &FfnInput<'_>,
        saved: &Saved,
        dys: &[f32],
        groups: &[Group],
        outs: &[Option<Outs>],
    ) -> Middle {
        let numbers = groups.last().map_or(0, |group| group.part().end);
        assert_eq!(saved.up.get().len(), numbers, "`saved` is of the same visits");
        let any_trained = groups.iter().any(|group| outs[group.expert].is_some());
        let pieces = groups.iter().map(|group| group.d_ff.div_ceil(PIECE)).max().unwrap_or(0);
        let mut middle = Middle {
            up: Scratch::words(numbers),
            gate: Scratch::words(if self.any_gate(groups) { numbers } else { 0 }),
            hidden: Scratch::words(if any_trained { numbers } else { 0 }),
            parts: Scratch::words(input.visits.len() * pieces),
            pieces,
        };
        let shared = [&mut middle.up, &mut middle.gate, &mut middle.hidden, &mut middle.parts]
            .map(|part| Out::new(part.floats_mut(), pieces));
        let tiles = tiles(groups, |group| (group.visits.len(), group.d_ff));
        parallel::for_each(tiles.len(), work(groups, self.d_model), |i| {
            let group = &groups[tiles[i].group];
            let trained = outs[group.expert].is_some();
            self.middle_tile(input, saved, dys, group, &tiles[i], trained, shared);
        });
        middle
    }

    #[expect(clippy::too_many_arguments, reason = "one tile of everything")]
    fn middle_tile(
        &self,
        input: &FfnInput<'_>,
        saved: &Saved,
        dys: &[f32],
        group: &Group,
        tile: &Tile,
        trained: bool,
        [up, gate, hidden, parts]: [Out; 4],
    ) {
        let weights = &self.experts[group.expert];
        let (d_ff, gated) = (group.d_ff, weights.gate.is_some());
        let [up, gate, hidden] = [up, gate, hidden].map(|part| part.part(group.start, d_ff));
        let tokens = &input.visits.tokens()[group.visits.clone()];
        let product = Product {
            packing: self.precision.into(),
            m: group.visits.len(),
            n: d_ff,
            k: self.d_model,
            a: Operand::KInner(Rows::gather(dys, self.d_model, tokens)),
            b: Operand::KOuter(Rows::new(weights.down, d_ff)).into(),
        };
        let back = |row: usize| {
            let visit = group.visits.start + row;
            let weight = input.weights[input.visits.positions()[visit] as usize];
            for start in tile.columns.clone().step_by(PIECE) {
                let columns = start..(start + PIECE).min(tile.columns.end);
                let at = group.start + row * d_ff;
                let from = at + columns.start..at + columns.end;
                // SAFETY: the tiles of all groups are disjoint parts of these buffers, and begin
                // with whole pieces.
                #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
                unsafe {
                    let piece = rows::Piece {
                        weight,
                        up: &saved.up.floats()[from.clone()],
                        gate: gated.then(|| &saved.gate.floats()[from]),
                        gradient: up.row(row, columns.clone()),
                        gate_gradient: gated.then(|| gate.row(row, columns.clone())),
                        hidden: trained.then(|| hidden.row(row, columns.clone())),
                    };
                    let place = start / PIECE..start / PIECE + 1;
                    parts.row(visit, place)[0] = rows::backward(self.activation, piece);
                }
            }
        };
        // SAFETY: as above.
        #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
        unsafe {
            let part = Part { rows: tile.rows.clone(), columns: tile.columns.clone() };
            product.run_part(part, (up, None), &Epilogue::NONE, |stripe| stripe.for_each(back));
        }
    }

    /// The second half's work: the gradient of every visit's token, and of every trained expert's
    /// weights.
    fn tasks(&self, groups: &[Group], outs: &[Option<Outs>]) -> Vec<GradientTask> {
        let trained = |has: &dyn Fn(&Outs) -> bool, rows: Range<usize>, of: &Group| {
            if outs[of.expert].as_ref().is_some_and(has) { rows } else { 0..0 }
        };
        let d_model = self.d_model;
        let weight = |has: &dyn Fn(&Outs) -> bool| {
            tiles(groups, |group| (trained(has, 0..group.d_ff, group).len(), d_model))
        };
        let row = |has: &dyn Fn(&Outs) -> bool, width: &dyn Fn(&Group) -> usize| {
            tiles(groups, |group| (trained(has, 0..1, group).len(), width(group)))
        };
        let down = tiles(groups, |group| (trained(&|_| true, 0..d_model, group).len(), group.d_ff));
        let (up, gate) = (weight(&|_| true), weight(&|outs| outs.gate.is_some()));
        let products = |tiles: &[Tile]| {
            tiles.iter().filter(|tile| tile.rows.start == 0 && tile.columns.start == 0).count()
        };
        counters::count_weight_gradients(products(&down) + products(&up) + products(&gate));

        let mut tasks = Vec::new();
        let inputs = tiles(groups, |group| (group.visits.len(), d_model));
        tasks.extend(inputs.into_iter().map(GradientTask::Input));
        tasks.extend(up.into_iter().map(GradientTask::Up));
        tasks.extend(gate.into_iter().map(GradientTask::Gate));
        tasks.extend(down.into_iter().map(GradientTask::Down));
        let up_bias = row(&|outs| outs.up_bias.is_some(), &|group| group.d_ff);
        tasks.extend(up_bias.into_iter().map(GradientTask::UpBias));
        let down_bias = row(&|outs| outs.down_bias.is_some(), &|_| d_model);
        tasks.extend(down_bias.into_iter().map(GradientTask::DownBias));
        tasks
    }

    /// The gradient of each visit's weight, `⟨dy, E(x)⟩`: the parts in order, and the bias's.
    fn sum_parts(
        &self,
        visits: &Visits,
        groups: &[Group],
        dys: &[f32],
        middle: &Middle,
        dweights: &mut [f32],
    ) {
        dweights.fill(0.0);
        for group in groups {
            let pieces = group.d_ff.div_ceil(PIECE);
            for visit in group.visits.clone() {
                let parts = &middle.parts.floats()[visit * middle.pieces..][..pieces];
                let mut sum = parts.iter().sum();
                if let Some(bias) = self.experts[group.expert].down_bias {
                    let token = visits.tokens()[visit] as usize;
                    sum += rows::inner(&dys[token * self.d_model..][..self.d_model], bias);
                }
                dweights[visits.positions()[visit] as usize] = sum;
            }
        }
    }
}

/// `dxs[t] = Σₛ visit_dxs[visit of (t, s)]`, in the order of the slots.
fn sum_visits(visits: &Visits, d_model: usize, visit_dxs: &[f32], dxs: &mut [f32]) {
    let work = row_work(visit_dxs.len());
    parallel::for_each_chunk(dxs, TOKENS * d_model, work, |chunk, dxs| {
        for (i, dx) in dxs.chunks_exact_mut(d_model).enumerate() {
            dx.fill(0.0);
            let token = chunk * TOKENS + i;
            if token >= visits.num_tokens() {
                continue; // without slots there are no visits to count tokens by
            }
            for &visit in visits.of_token(token).iter().filter(|&&visit| visit != Visits::NONE) {
                rows::add_weighted(dx, 1.0, &visit_dxs[visit as usize * d_model..][..d_model]);
            }
        }
    });
}
