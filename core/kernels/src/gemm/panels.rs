//! Right operands that are packed once and used again: weights at inference.

use super::{
    block::{Quantised, pack_right},
    layout::{Operand, PANEL, Packing, Rows},
    quantise,
};
use crate::{parallel, scratch::Words};

/// A right operand in panels, with all of `K`.
pub(crate) struct Panels {
    pub(super) packing: Packing,
    pub(super) n: usize,
    pub(super) k: usize,
    words: Words,
    /// Of each column, in int8.
    scales: Vec<f32>,
    /// What the left operand's offset adds to each column's sums, in int8.
    excess: Vec<i32>,
}

/// Longest sum of int8 products that 32 bits hold.
const LONGEST: usize = i32::MAX as usize / (255 * 127);

impl Panels {
    /// Packs `weights`, `(N, K)`.
    pub(crate) fn new(packing: Packing, weights: &[f32], n: usize, k: usize) -> Self {
        assert!(packing != Packing::Int8 || k <= LONGEST, "int8 sums of {k} would overflow");
        let stride = packing.words(k) * PANEL;
        let mut panels = Self {
            packing,
            n,
            k,
            words: Words::zeros(n.div_ceil(PANEL) * stride),
            scales: Vec::new(),
            excess: Vec::new(),
        };
        match packing {
            Packing::Int8 => panels.quantise(weights),
            _ => {
                let rows = Operand::KInner(Rows::new(weights, k));
                let work = 8 * n * k;
                parallel::for_each_chunk(panels.words.get_mut(), stride, work, |i, panel| {
                    let columns = i * PANEL..((i + 1) * PANEL).min(n);
                    pack_right(packing, &rows, columns, 0..k, panel);
                });
            }
        }
        panels
    }

    fn quantise(&mut self, weights: &[f32]) {
        let words = self.packing.words(self.k);
        let mut packed = vec![0; words];
        for column in 0..self.n {
            let row = &weights[column * self.k..][..self.k];
            let scale = quantise::scale(row);
            let sum = quantise::pack(row, quantise::inverse(scale), 0, &mut packed);
            let panel = &mut self.words.get_mut()[column / PANEL * PANEL * words..];
            let places = panel.iter_mut().skip(column % PANEL).step_by(PANEL);
            for (place, word) in places.zip(&packed) {
                *place = *word;
            }
            self.scales.push(scale);
            self.excess.push(sum * quantise::OFFSET);
        }
    }

    /// The panels from the one that holds `column` on, and the words from one to the next.
    pub(super) fn panels_from(&self, column: usize) -> (&[u32], usize) {
        let stride = self.packing.words(self.k) * PANEL;
        (&self.words.get()[column / PANEL * stride..], stride)
    }

    /// What finishes the sums of columns from `start` on, for rows of these scales.
    pub(super) fn quantised<'a>(
        &'a self,
        start: usize,
        row_scales: &'a [f32],
    ) -> Option<Quantised<'a>> {
        (self.packing == Packing::Int8).then(|| Quantised {
            row_scales,
            column_scales: &self.scales[start..],
            excess: &self.excess[start..],
        })
    }

    /// `K`.
    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// `N`.
    pub(crate) fn n(&self) -> usize {
        self.n
    }

    /// How the weights are kept.
    pub(crate) fn packing(&self) -> Packing {
        self.packing
    }

    /// Memory that the weights take.
    pub(crate) fn bytes(&self) -> usize {
        4 * (self.words.get().len() + self.scales.len() + self.excess.len())
    }
}
