//! Cross-entropy with label smoothing, and its gradient written over the logits.
//!
//! The caller computes the logits of a few hundred rows at a time, calls this, multiplies the gradient
//! back through the output layer, and never holds `(N, V)` at once.

use rayon::prelude::*;

use super::softmax::{LogitRows, row_sums, scaled_exp};

/// The loss of a row: `(1 - ε)·(-log p[label]) + ε·mean over the V' output columns of (-log p)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossEntropy {
    /// The rows, and which columns are outside the softmax: they have no probability and no gradient.
    pub rows: LogitRows,
    /// The share `ε` of the label that is spread over all output columns, as in PyTorch.
    pub label_smoothing: f32,
}

/// How well one row predicted its label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowLoss {
    /// The smoothed loss, which the gradient belongs to.
    pub loss: f32,
    /// Negative log-likelihood of the label, in nats.
    pub nll: f32,
    /// Whether the label had the greatest logit (of equal ones, the lowest column).
    pub correct: bool,
}

impl CrossEntropy {
    /// The losses of `logits`, `(n, V)`, for `labels`, `(n,)`.
    ///
    /// # Panics
    /// If the shapes do not fit, or a label is not an output column.
    pub fn forward(&self, logits: &[f32], labels: &[u32]) -> Vec<RowLoss> {
        self.check(logits.len(), labels);
        let row = |(row, &label): (&[f32], &u32)| self.row(row, label).0;
        logits.par_chunks_exact(self.rows.width).zip(labels).map(row).collect()
    }

    /// The losses of `logits`, `(n, V)`, whose place their gradient takes, times `scales`, `(n,)`.
    ///
    /// `dz = scale · (p - (1 - ε)·onehot(label) - ε/V')`, and 0 in excluded columns. With
    /// `scale = 1 / number of labels in the batch` it is the gradient of the batch's mean loss.
    ///
    /// # Panics
    /// If the shapes do not fit, or a label is not an output column.
    pub fn forward_backward(
        &self,
        logits: &mut [f32],
        labels: &[u32],
        scales: &[f32],
    ) -> Vec<RowLoss> {
        self.check(logits.len(), labels);
        assert_eq!(scales.len(), labels.len(), "a scale for each label");
        let first = self.rows.first_output;
        let smoothing = self.label_smoothing / (self.rows.width - first) as f32;
        let body = |((row, &label), &scale): ((&mut [f32], &u32), &f32)| {
            let (loss, max, total) = self.row(row, label);
            row[..first].fill(0.0);
            scaled_exp(&mut row[first..], max, scale / total, -scale * smoothing);
            row[label as usize] -= scale * (1.0 - self.label_smoothing);
            loss
        };
        logits.par_chunks_exact_mut(self.rows.width).zip(labels).zip(scales).map(body).collect()
    }

    /// The loss of one row, its greatest logit, and `Σ exp(z - max)`.
    fn row(&self, row: &[f32], label: u32) -> (RowLoss, f32, f32) {
        let (first, label) = (self.rows.first_output, label as usize);
        let sums = row_sums(&row[first..]);
        let nll = sums.log_exp - (row[label] - sums.max);
        let mean = sums.log_exp - sums.shifted / (row.len() - first) as f32;
        let loss = (1.0 - self.label_smoothing) * nll + self.label_smoothing * mean;
        let correct = row[label] == sums.max && !row[first..label].contains(&sums.max);
        (RowLoss { loss, nll, correct }, sums.max, sums.exp)
    }

    fn check(&self, len: usize, labels: &[u32]) {
        self.rows.check(len);
        let LogitRows { width, first_output } = self.rows;
        assert_eq!(len, labels.len() * width, "a label for each row of logits");
        for &label in labels {
            let output = (first_output..width).contains(&(label as usize));
            assert!(output, "label {label} is outside the output columns {first_output}..{width}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::{assert_close, everywhere_equal, numbers};
    use super::*;

    /// Loss and gradient of a row by the formula, in `f64`.
    fn reference(rule: &CrossEntropy, row: &[f32], label: u32) -> (f64, f64, Vec<f64>) {
        let first = rule.rows.first_output;
        let (epsilon, count) = (f64::from(rule.label_smoothing), (row.len() - first) as f64);
        let total: f64 = row[first..].iter().map(|&z| f64::from(z).exp()).sum();
        let log_p = |j: usize| f64::from(row[j]) - total.ln();
        let nll = -log_p(label as usize);
        let mean = -(first..row.len()).map(log_p).sum::<f64>() / count;
        let gradient = (0..row.len()).map(|j| match j {
            j if j < first => 0.0,
            j if j == label as usize => log_p(j).exp() - (1.0 - epsilon) - epsilon / count,
            j => log_p(j).exp() - epsilon / count,
        });
        ((1.0 - epsilon) * nll + epsilon * mean, nll, gradient.collect())
    }

    #[test]
    fn matches_the_formula() {
        for (n, width, first_output, label_smoothing) in
            [(0, 3, 0, 0.1), (1, 1, 0, 0.0), (5, 9, 3, 0.1), (7, 501, 0, 0.0), (6, 1003, 68, 0.2)]
        {
            let rule = CrossEntropy { rows: LogitRows { width, first_output }, label_smoothing };
            let logits: Vec<f32> = numbers(n * width, 1).iter().map(|x| 8.0 * x).collect();
            let outputs = width - first_output;
            let labels: Vec<u32> =
                (0..n).map(|i| (first_output + i * 7919 % outputs) as u32).collect();
            let scales: Vec<f32> = (0..n).map(|i| 0.5 + i as f32).collect();
            let gradient = everywhere_equal(|| {
                let mut gradient = logits.clone();
                rule.forward_backward(&mut gradient, &labels, &scales);
                gradient
            });
            let losses = rule.forward(&logits, &labels);
            assert_eq!(losses, rule.forward_backward(&mut logits.clone(), &labels, &scales));
            for i in 0..n {
                let row = &logits[i * width..][..width];
                let (loss, nll, exact) = reference(&rule, row, labels[i]);
                assert_close("loss", &[losses[i].loss, losses[i].nll], &[loss, nll], 2e-6);
                let exact: Vec<f64> = exact.iter().map(|g| g * f64::from(scales[i])).collect();
                assert_close("dz", &gradient[i * width..][..width], &exact, 2e-6);
            }
        }
    }

    #[test]
    fn the_lowest_of_equal_logits_is_the_prediction() {
        let rule =
            CrossEntropy { rows: LogitRows { width: 4, first_output: 1 }, label_smoothing: 0.0 };
        let logits = [[9.0, 1.0, 2.0, 2.0]; 3].concat();
        let correct: Vec<bool> =
            rule.forward(&logits, &[1, 2, 3]).iter().map(|loss| loss.correct).collect();
        assert_eq!(correct, [false, true, false]);
    }

    #[test]
    #[should_panic(expected = "label 1 is outside the output columns 2..4")]
    fn an_excluded_label_is_named() {
        let rows = LogitRows { width: 4, first_output: 2 };
        CrossEntropy { rows, label_smoothing: 0.0 }.forward(&[0.0; 4], &[1]);
    }
}
