//! How two series go together.

/// Pearson's correlation of two series of one length; 0 where one of them does not vary.
pub fn pearson(xs: &[f64], ys: &[f64]) -> f64 {
    let count = xs.len().max(1) as f64;
    let mean = |series: &[f64]| series.iter().sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(xs), mean(ys));
    let (mut both, mut of_x, mut of_y) = (0.0, 0.0, 0.0);
    for (x, y) in xs.iter().zip(ys) {
        let (x, y) = (x - mean_x, y - mean_y);
        both += x * y;
        of_x += x * x;
        of_y += y * y;
    }
    let scale = (of_x * of_y).sqrt();
    if scale > 0.0 { both / scale } else { 0.0 }
}

/// Spearman's correlation: that of ranks, of which equal values have the mean.
pub fn spearman(xs: &[f64], ys: &[f64]) -> f64 {
    pearson(&ranks(xs), &ranks(ys))
}

fn ranks(xs: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..xs.len()).collect();
    order.sort_by(|&a, &b| xs[a].total_cmp(&xs[b]));
    let mut ranks = vec![0.0; xs.len()];
    let mut start = 0;
    for equal in order.chunk_by(|&a, &b| xs[a] == xs[b]) {
        let rank = start as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&i| ranks[i] = rank);
        start += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cases_by_hand() {
        let xs = [1.0, 2.0, 3.0, 4.0];
        assert!((pearson(&xs, &[2.0, 4.0, 6.0, 8.0]) - 1.0).abs() < 1e-12);
        assert!((spearman(&xs, &[1.0, 10.0, 100.0, 1000.0]) - 1.0).abs() < 1e-12);
        assert!((spearman(&xs, &[9.0, 7.0, 7.0, 1.0]) + 0.948_683).abs() < 1e-6);
        assert_eq!(pearson(&xs, &[5.0; 4]), 0.0);
    }
}
