//! What relates items to items: for each item the few others that matter most.

use std::cmp::Ordering;

use candle::{Device, Tensor};

use super::{
    Event,
    scorer::{Tensors, vector},
};
use crate::{Error, Result};

/// A square sparse matrix over the items, row by row; within a row the columns ascend.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseRows {
    offsets: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl SparseRows {
    /// Puts rows of `(column, value)` together.
    pub(super) fn new(rows: impl IntoIterator<Item = Vec<(u32, f32)>>) -> Self {
        let mut sparse = Self { offsets: vec![0], columns: Vec::new(), values: Vec::new() };
        for mut row in rows {
            row.sort_unstable_by_key(|&(column, _)| column);
            sparse.columns.extend(row.iter().map(|&(column, _)| column));
            sparse.values.extend(row.iter().map(|&(_, value)| value));
            sparse.offsets.push(sparse.columns.len() as u32);
        }
        sparse
    }

    /// Number of items.
    pub fn num_items(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Columns and values of the row of `item`; empty beyond the catalogue.
    pub fn row(&self, item: u32) -> (&[u32], &[f32]) {
        let item = item as usize;
        if item >= self.num_items() {
            return (&[], &[]);
        }
        let range = self.offsets[item] as usize..self.offsets[item + 1] as usize;
        (&self.columns[range.clone()], &self.values[range])
    }

    /// Adds `weight` times the row of `item` to `out`.
    pub fn add(&self, item: u32, weight: f32, out: &mut [f32]) {
        let (columns, values) = self.row(item);
        for (&column, value) in columns.iter().zip(values) {
            out[column as usize] += weight * value;
        }
    }

    /// The value at a place; 0 where nothing is kept.
    pub fn get(&self, item: u32, column: u32) -> f32 {
        let (columns, values) = self.row(item);
        columns.binary_search(&column).map_or(0.0, |place| values[place])
    }

    /// The tensors `NAME.offsets`, `NAME.columns` and `NAME.values`.
    pub(super) fn to_tensors(&self, name: &str) -> Result<Tensors> {
        let cpu = &Device::Cpu;
        Ok(Tensors::from([
            (format!("{name}.offsets"), Tensor::new(self.offsets.as_slice(), cpu)?),
            (format!("{name}.columns"), Tensor::new(self.columns.as_slice(), cpu)?),
            (format!("{name}.values"), Tensor::new(self.values.as_slice(), cpu)?),
        ]))
    }

    /// What [`Self::to_tensors`] wrote; damage is found.
    pub(super) fn from_tensors(tensors: &Tensors, name: &str) -> Result<Self> {
        let offsets: Vec<u32> = vector(tensors, &format!("{name}.offsets"))?;
        let columns: Vec<u32> = vector(tensors, &format!("{name}.columns"))?;
        let values: Vec<f32> = vector(tensors, &format!("{name}.values"))?;
        let num_items = offsets.len().saturating_sub(1) as u32;
        let ends_fit = offsets.first() == Some(&0)
            && offsets.last().is_some_and(|&end| end as usize == columns.len());
        let is_whole = ends_fit
            && offsets.is_sorted()
            && columns.len() == values.len()
            && columns.iter().all(|&column| column < num_items)
            && values.iter().all(|value| value.is_finite());
        let rows_ascend = || {
            let mut rows = offsets.windows(2).map(|pair| pair[0] as usize..pair[1] as usize);
            rows.all(|row| columns[row].is_sorted_by(|a, b| a < b))
        };
        match is_whole && rows_ascend() {
            true => Ok(Self { offsets, columns, values }),
            false => Err(Error::Weight {
                name: name.to_owned(),
                reason: "its offsets, columns and values do not fit together".into(),
            }),
        }
    }
}

/// The `keep` greatest of the values, by size if `by_size`, else by value; ties fall to the first.
pub(super) fn greatest(mut row: Vec<(u32, f32)>, keep: usize, by_size: bool) -> Vec<(u32, f32)> {
    let rank = |&(column, value): &(u32, f32)| (if by_size { value.abs() } else { value }, column);
    let order = |a: &(u32, f32), b: &(u32, f32)| -> Ordering {
        let ((a, column_a), (b, column_b)) = (rank(a), rank(b));
        b.total_cmp(&a).then(column_a.cmp(&column_b))
    };
    if row.len() > keep && keep > 0 {
        row.select_nth_unstable_by(keep - 1, order);
    }
    row.truncate(keep);
    row
}

/// The distinct items of a history, the latest first, with a weight that falls by `decay` from each
/// to the next; items whose weight no longer shows are left out.
pub fn by_recency(history: &[Event], decay: f32) -> Vec<(u32, f32)> {
    let mut met = std::collections::HashSet::new();
    let mut weighted = Vec::new();
    let mut weight = 1.0f32;
    for event in history.iter().rev() {
        if weight < 1e-6 {
            break;
        }
        if met.insert(event.item) {
            weighted.push((event.item, weight));
            weight *= decay;
        }
    }
    weighted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> SparseRows {
        SparseRows::new([vec![(2, 0.5), (1, 1.0)], vec![], vec![(0, -2.0)]])
    }

    #[test]
    fn rows_are_found_and_added() {
        let rows = rows();
        assert_eq!(rows.row(0), (&[1, 2][..], &[1.0, 0.5][..]));
        assert_eq!((rows.get(0, 2), rows.get(0, 0), rows.get(7, 0)), (0.5, 0.0, 0.0));
        let mut out = [1.0; 3];
        rows.add(0, 2.0, &mut out);
        rows.add(9, 2.0, &mut out);
        assert_eq!(out, [1.0, 3.0, 2.0]);
    }

    #[test]
    fn the_greatest_are_kept() {
        let row = vec![(0, 1.0), (1, -3.0), (2, 2.0), (3, 2.0)];
        let mut kept = greatest(row.clone(), 2, false);
        kept.sort_by_key(|&(column, _)| column);
        assert_eq!(kept, [(2, 2.0), (3, 2.0)]);
        let mut kept = greatest(row.clone(), 2, true);
        kept.sort_by_key(|&(column, _)| column);
        assert_eq!(kept, [(1, -3.0), (2, 2.0)]);
        assert_eq!(greatest(row.clone(), 0, true), []);
        assert_eq!(greatest(row, 9, true).len(), 4);
    }

    #[test]
    fn a_history_is_weighted_from_its_end_and_counts_an_item_once() {
        let event = |item| Event { item, kind: 0, value: 1.0, time: 0 };
        let history = [1, 2, 3, 2].map(event);
        assert_eq!(by_recency(&history, 0.5), [(2, 1.0), (3, 0.5), (1, 0.25)]);
        assert_eq!(by_recency(&[], 0.5), []);
    }

    #[test]
    fn tensors_bring_the_rows_back_and_damage_is_found() -> Result<()> {
        let rows = rows();
        let tensors = rows.to_tensors("x")?;
        assert_eq!(SparseRows::from_tensors(&tensors, "x")?, rows);
        for (name, values) in [("x.offsets", [0u32, 2, 1, 3]), ("x.columns", [1, 2, 9, 9])] {
            let mut damaged = tensors.clone();
            damaged.insert(name.into(), Tensor::new(&values[..], &Device::Cpu)?);
            assert!(SparseRows::from_tensors(&damaged, "x").is_err(), "{name}");
        }
        Ok(())
    }
}
