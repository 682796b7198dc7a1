//! Rows of a table by their ids, and the gradient back into the table.

use rayon::prelude::*;

use super::math::fma;
use super::simd::simd;

/// Rows per unit of work.
const BLOCK: usize = 64;

/// A table of `V` rows of `D` floats, with something added for the place in the sentence.
#[derive(Debug, Clone, Copy)]
pub struct Embedding<'a> {
    /// The table, `(V, D)`.
    pub table: &'a [f32],
    /// Width of a row, `D`.
    pub d_model: usize,
    /// Factor of the table's rows, often `√D`.
    pub scale: f32,
    /// What each place adds.
    pub positions: Option<Positions<'a>>,
}

/// Rows added by place.
#[derive(Debug, Clone, Copy)]
pub struct Positions<'a> {
    /// One row for each place, `(P, D)`.
    pub table: &'a [f32],
    /// The place of each output row in its sentence, `(N,)`.
    pub places: &'a [u32],
}

impl Embedding<'_> {
    /// `yᵢ = scale · table[idsᵢ] + positions[placesᵢ]`, `(N, D)`.
    ///
    /// # Panics
    /// If the shapes do not fit, or an id or a place is outside its table.
    pub fn forward(&self, ids: &[u32], ys: &mut [f32]) {
        let d_model = self.d_model;
        assert_eq!(ys.len(), ids.len() * d_model, "a row for each id");
        check(ids, self.table.len(), d_model, "id");
        if let Some(Positions { table, places }) = self.positions {
            assert_eq!(places.len(), ids.len(), "a place for each id");
            check(places, table.len(), d_model, "place");
        }
        if d_model == 0 {
            return;
        }
        let body = |(i, ys): (usize, &mut [f32])| gather(*self, ids, i * BLOCK, ys);
        match ids.len() <= BLOCK {
            true => body((0, ys)),
            false => ys.par_chunks_mut(BLOCK * d_model).enumerate().for_each(body),
        }
    }

    /// Adds `scale · dysᵢ` to row `idsᵢ` of `dtable`, `(V, D)`.
    ///
    /// What several rows add to one id is added in the order of the rows.
    ///
    /// # Panics
    /// If the shapes do not fit, or an id is outside the table.
    pub fn backward(&self, ids: &[u32], dys: &[f32], dtable: &mut [f32]) {
        let d_model = self.d_model;
        assert_eq!(dys.len(), ids.len() * d_model, "a row for each id");
        assert_eq!(dtable.len(), self.table.len(), "the gradient has the shape of the table");
        check(ids, dtable.len(), d_model, "id");
        let mut order: Vec<(u32, u32)> = ids.iter().copied().zip(0..).collect(); // (id, row)
        order.sort_unstable();
        Scatter { dys, d_model, scale: self.scale }.add(&order, 0, dtable);
    }
}

/// Asserts that all `ids` name rows of a table of `len` floats.
fn check(ids: &[u32], len: usize, d_model: usize, name: &str) {
    let rows = len.checked_div(d_model).unwrap_or(usize::MAX);
    for &id in ids {
        assert!((id as usize) < rows, "{name} {id} is outside the table of {rows} rows");
    }
}

simd! {
    /// Fills `ys` with the rows of the ids from `first` on.
    fn gather<ISA>(embedding: Embedding<'_>, ids: &[u32], first: usize, ys: &mut [f32]) {
        let (d_model, scale) = (embedding.d_model, embedding.scale);
        for (i, ys) in (first..).zip(ys.chunks_exact_mut(d_model)) {
            let xs = &embedding.table[ids[i] as usize * d_model..][..d_model];
            match embedding.positions {
                Some(Positions { table, places }) => {
                    let added = &table[places[i] as usize * d_model..][..d_model];
                    for ((y, x), p) in ys.iter_mut().zip(xs).zip(added) {
                        *y = fma::<ISA>(*x, scale, *p);
                    }
                }
                None => for (y, x) in ys.iter_mut().zip(xs) {
                    *y = x * scale;
                },
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Scatter<'a> {
    dys: &'a [f32],
    d_model: usize,
    scale: f32,
}

impl Scatter<'_> {
    /// Adds the rows of `order`, sorted by id, to `dtable`, whose first row is that of id `first`.
    ///
    /// Halves are cut between two ids, so that each part has its own rows of the table.
    fn add(self, order: &[(u32, u32)], first: u32, dtable: &mut [f32]) {
        let middle = order.len() / 2;
        let cut = order.get(middle).map_or(0, |&(id, _)| order.partition_point(|x| x.0 < id));
        if order.len() <= BLOCK || cut == 0 {
            return add_rows(self, order, first, dtable);
        }
        let id = order[cut].0;
        let (left, right) = dtable.split_at_mut((id - first) as usize * self.d_model);
        let (low, high) = order.split_at(cut);
        rayon::join(|| self.add(low, first, left), || self.add(high, id, right));
    }
}

simd! {
    fn add_rows<ISA>(scatter: Scatter<'_>, order: &[(u32, u32)], first: u32, dtable: &mut [f32]) {
        let d_model = scatter.d_model;
        for &(id, row) in order {
            let to = &mut dtable[(id - first) as usize * d_model..][..d_model];
            let from = &scatter.dys[row as usize * d_model..][..d_model];
            for (y, x) in to.iter_mut().zip(from) {
                *y = fma::<ISA>(*x, scatter.scale, *y);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::{assert_close, everywhere_equal, numbers};
    use super::*;

    #[test]
    fn matches_the_formula() {
        for (vocab_size, d_model, count) in
            [(1, 1, 0), (1, 1, 300), (50, 7, 10), (300, 32, 500), (9, 5, 1000)]
        {
            let (table, places) = (numbers(vocab_size * d_model, 1), numbers(11 * d_model, 2));
            let ids: Vec<u32> = (0..count).map(|i| (i * i % vocab_size) as u32).collect();
            let at: Vec<u32> = (0..count).map(|i| (i % 11) as u32).collect();
            let dys = numbers(count * d_model, 3);
            let plain = Embedding { table: &table, d_model, scale: 1.5, positions: None };
            let placed =
                Embedding { positions: Some(Positions { table: &places, places: &at }), ..plain };
            let result = everywhere_equal(|| {
                let [mut ys, mut zs] = [(); 2].map(|()| vec![0.0; count * d_model]);
                let mut dtable = vec![1.0; table.len()];
                plain.forward(&ids, &mut ys);
                placed.forward(&ids, &mut zs);
                placed.backward(&ids, &dys, &mut dtable);
                [ys, zs, dtable].concat()
            });
            let mut exact = [vec![], vec![], vec![1.0; table.len()]];
            for (i, &dy) in dys.iter().enumerate() {
                let (row, column) = (i / d_model, i % d_model);
                let cell = ids[row] as usize * d_model + column;
                let place = places[at[row] as usize * d_model + column];
                exact[0].push(1.5 * f64::from(table[cell]));
                exact[1].push(1.5 * f64::from(table[cell]) + f64::from(place));
                exact[2][cell] += 1.5 * f64::from(dy);
            }
            assert_close("y, y with places, dtable", &result, &exact.concat(), 2e-5);
        }
    }

    #[test]
    #[should_panic(expected = "id 4 is outside the table of 4 rows")]
    fn an_unknown_id_is_named() {
        let embedding = Embedding { table: &[0.0; 8], d_model: 2, scale: 1.0, positions: None };
        embedding.forward(&[1, 4], &mut [0.0; 4]);
    }
}
