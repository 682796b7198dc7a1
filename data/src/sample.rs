//! Shares the attention between large and small sets.

/// Shares `p ∝ weight · n^(1/T)` of sets of the given sizes; they sum to one.
///
/// `T = 1` follows the sizes, a large `T` treats all sets alike (Arivazhagan et al. 2019,
/// section 4.1). An empty set gets nothing.
pub fn temperature_shares(sizes: &[f64], temperature: f64) -> Vec<f64> {
    let largest = sizes.iter().copied().fold(0.0, f64::max);
    let scaled: Vec<f64> = (sizes.iter())
        .map(|&size| if size > 0.0 { (size / largest).powf(1.0 / temperature) } else { 0.0 })
        .collect();
    let total: f64 = scaled.iter().sum();
    scaled.iter().map(|share| if total > 0.0 { share / total } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperature_evens_out_the_sizes() {
        let percent = |sizes: &[f64], temperature| -> Vec<i32> {
            let shares = temperature_shares(sizes, temperature);
            shares.iter().map(|share| (100.0 * share).round() as i32).collect()
        };
        assert_eq!(percent(&[900.0, 100.0], 1.0), [90, 10]);
        assert_eq!(percent(&[900.0, 100.0, 0.0], 2.0), [75, 25, 0]);
        assert_eq!(percent(&[0.0], 2.0), [0]);
    }
}
