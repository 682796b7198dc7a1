//! Right operands that are packed once and used again: weights at inference.

use std::{borrow::Cow, convert::Infallible, ops::Range};

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

/// Weights that are read and packed together: their numbers as floats are gone before the next.
const CHUNK: usize = 1 << 20;
/// Longest sum of int8 products that 32 bits hold.
pub(crate) const LONGEST: usize = i32::MAX as usize / (255 * 127);

impl Panels {
    /// Packs `weights`, `(N, K)`.
    pub(crate) fn new(packing: Packing, weights: &[f32], n: usize, k: usize) -> Self {
        let rows = |rows: Range<usize>| {
            Ok::<_, Infallible>(Cow::Borrowed(&weights[rows.start * k..rows.end * k]))
        };
        match Self::from_rows(packing, (n, k), rows) {
            Ok(panels) => panels,
            Err(never) => match never {},
        }
    }

    /// Packs weights `(N, K)` of which `read` gives some rows at a time, in order.
    pub(crate) fn from_rows<'a, E>(
        packing: Packing,
        (n, k): (usize, usize),
        mut read: impl FnMut(Range<usize>) -> Result<Cow<'a, [f32]>, E>,
    ) -> Result<Self, E> {
        assert!(packing != Packing::Int8 || k <= LONGEST, "int8 sums of {k} would overflow");
        let stride = packing.words(k) * PANEL;
        let count = n.div_ceil(PANEL);
        let integers = if packing == Packing::Int8 { n } else { 0 };
        let (mut scales, mut excess) = (vec![0.0; integers], vec![0; integers]);
        let mut words = Words::zeros(count * stride);
        let together = (CHUNK / (PANEL * k).max(1)).max(1);
        for first in (0..count).step_by(together) {
            let last = (first + together).min(count);
            let rows = first * PANEL..(last * PANEL).min(n);
            let values = read(rows.clone())?;
            assert_eq!(values.len(), rows.len() * k, "rows {rows:?} of {k} numbers");
            let weights = Rows::new(&values, k);
            let panels = &mut words.get_mut()[first * stride..last * stride];
            let work = 8 * values.len();
            match packing {
                Packing::Int8 => {
                    let (scales, excess) = (&mut scales[rows.clone()], &mut excess[rows.clone()]);
                    let mut jobs: Vec<_> = panels
                        .chunks_mut(stride.max(1))
                        .zip(scales.chunks_mut(PANEL))
                        .zip(excess.chunks_mut(PANEL))
                        .collect();
                    parallel::for_each_chunk(&mut jobs, 1, work, |i, jobs| {
                        let [((panel, scales), excess)] = jobs else { return };
                        quantise_panel(&weights, i * PANEL, panel, (scales, excess));
                    });
                }
                _ => {
                    let rows = Operand::KInner(weights);
                    parallel::for_each_chunk(panels, stride, work, |i, panel| {
                        let columns = i * PANEL..((i + 1) * PANEL).min(values.len() / k.max(1));
                        pack_right(packing, &rows, columns, 0..k, panel);
                    });
                }
            }
        }
        Ok(Self { packing, n, k, words, scales, excess })
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

/// Packs the rows of `weights` from `first` on, as many as there are `scales`, as columns of a panel.
fn quantise_panel(
    weights: &Rows<'_>,
    first: usize,
    panel: &mut [u32],
    (scales, excess): (&mut [f32], &mut [i32]),
) {
    let mut packed = vec![0; panel.len() / PANEL];
    for (column, (scale, excess)) in scales.iter_mut().zip(excess).enumerate() {
        let row = weights.row(first + column);
        *scale = quantise::scale(row);
        let sum = quantise::pack(row, quantise::inverse(*scale), 0, &mut packed);
        *excess = sum * quantise::OFFSET;
        let places = panel.iter_mut().skip(column).step_by(PANEL);
        for (place, word) in places.zip(&packed) {
            *place = *word;
        }
    }
}
