//! The vectors of one cell, as int8.

use super::Entry;

/// The greatest code, and the greatest of a query: a sum of 4,096 products fits in 32 bits.
const CODE: f32 = 127.0;
const QUERY: f32 = 2047.0;

/// What lies around one centre: of each vector its difference from the centre, in 255 steps as large as its
/// greatest number asks for.
pub(super) struct Cell {
    vectors: Vec<Coded>,
    /// The codes of one vector after those of another.
    codes: Vec<i8>,
}

struct Coded {
    /// The number of the item.
    number: u32,
    /// What a step is worth.
    step: f32,
    /// The square of the difference's length.
    square: f32,
}

impl Cell {
    pub(super) fn new(entries: &[&Entry], centre: &[f32]) -> Self {
        let mut codes = Vec::with_capacity(entries.len() * centre.len());
        let coded = |entry: &&Entry| {
            let numbers = entry.vector.iter().zip(centre);
            let difference: Vec<f32> = numbers.map(|(a, b)| a * entry.scale - b).collect();
            let step = greatest(&difference) / CODE;
            codes.extend(difference.iter().map(|number| (number / step).round() as i8)); // NaN becomes 0
            let square = difference.iter().map(|number| number * number).sum();
            Coded { number: entry.number, step, square }
        };
        let vectors = entries.iter().map(coded).collect();
        Self { vectors, codes }
    }

    /// Adds to `found` each vector's square of the distance to `query`, about, and the number of its item.
    pub(super) fn compare(&self, query: &[f32], centre: &[f32], found: &mut Vec<(f32, u32)>) {
        let difference: Vec<f32> = query.iter().zip(centre).map(|(a, b)| a - b).collect();
        let square: f32 = difference.iter().map(|number| number * number).sum();
        let step = greatest(&difference) / QUERY;
        let query: Vec<i16> =
            difference.iter().map(|number| (number / step).round() as i16).collect();
        let codes = self.codes.chunks_exact(query.len().max(1));
        found.extend(self.vectors.iter().zip(codes).map(|(coded, codes)| {
            let product = dot(codes, &query) as f32 * step * coded.step;
            (square + coded.square - 2.0 * product, coded.number)
        }));
    }
}

fn greatest(numbers: &[f32]) -> f32 {
    numbers.iter().fold(0.0, |greatest, number| number.abs().max(greatest))
}

fn dot(codes: &[i8], query: &[i16]) -> i32 {
    codes.iter().zip(query).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{super::Distance, Entry},
        *,
    };

    #[test]
    fn coded_distances_are_nearly_those_of_the_vectors() {
        let vectors = [[1.0, 2.0, 3.0], [1.0, 2.0, 3.5], [-4.0, 0.0, 9.0], [0.5, 0.5, 0.5]];
        let entry = |(at, vector): (usize, &[f32; 3])| {
            Entry::of(Distance::Euclidean, at as u32, &(*vector).into())
        };
        let entries: Vec<Entry> = vectors.iter().enumerate().filter_map(entry).collect();
        let centre = [0.5, 0.5, 0.5];
        let cell = Cell::new(&entries.iter().collect::<Vec<_>>(), &centre);
        for query in vectors.iter().chain([&[7.0, -1.0, 0.0]]) {
            let mut found = Vec::new();
            cell.compare(query, &centre, &mut found);
            assert_eq!(found.len(), 4);
            for (square, number) in found {
                let entry = &entries[number as usize];
                let (exact, around) = (entry.squared(query), entry.squared(&centre));
                let most = 0.005 * (exact + around);
                assert!((square - exact).abs() <= most + 1e-6, "{square}, not {exact}");
            }
        }
    }
}
