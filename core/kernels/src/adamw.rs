//! AdamW (Loshchilov & Hutter 2019) in one pass over flat buffers, and the norm for clipping.

use rayon::prelude::*;

use super::math::fma;
use super::simd::simd;

/// Floats per unit of work; sums are taken within blocks, then over blocks in order.
const BLOCK: usize = 16 * 1024;

/// The constants of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub learning_rate: f32,
    /// Decay of the first moment, `β₁`.
    pub beta1: f32,
    /// Decay of the second moment, `β₂`.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay, `λ`.
    pub weight_decay: f32,
    /// `1 - β₁ᵗ`, where `t` counts steps from 1.
    pub bias_correction1: f32,
    /// `1 - β₂ᵗ`.
    pub bias_correction2: f32,
    /// Multiplies every gradient first: 1, or what clipping asks for.
    pub grad_scale: f32,
}

/// The buffers of one group of parameters, all of one length.
#[derive(Debug)]
pub struct AdamWBuffers<'a> {
    /// The parameters.
    pub values: &'a mut [f32],
    /// Their gradient.
    pub grads: &'a [f32],
    /// First moment.
    pub m: &'a mut [f32],
    /// Second moment.
    pub v: &'a mut [f32],
}

impl AdamW {
    /// Fills in the bias corrections `1 - βᵗ` of step `t`, counted from 1.
    #[must_use]
    pub fn at_step(self, t: u64) -> Self {
        let correction = |beta: f32| (1.0 - f64::from(beta).powf(t as f64)) as f32;
        Self {
            bias_correction1: correction(self.beta1),
            bias_correction2: correction(self.beta2),
            ..self
        }
    }

    /// Makes one step:
    /// `m ← β₁m + (1-β₁)g`, `v ← β₂v + (1-β₂)g²`,
    /// `x ← (1 - ηλ)·x - η/c₁ · m / (√(v/c₂) + ε)`.
    ///
    /// # Panics
    /// If the buffers differ in length.
    pub fn step(&self, buffers: AdamWBuffers<'_>) {
        let AdamWBuffers { values, grads, m, v } = buffers;
        let lengths = [grads.len(), m.len(), v.len()];
        assert_eq!(lengths, [values.len(); 3], "values, gradients and moments are of one length");
        if values.len() <= BLOCK {
            return step_block(*self, values, grads, m, v);
        }
        values
            .par_chunks_mut(BLOCK)
            .zip(grads.par_chunks(BLOCK))
            .zip(m.par_chunks_mut(BLOCK).zip(v.par_chunks_mut(BLOCK)))
            .for_each(|((values, grads), (m, v))| step_block(*self, values, grads, m, v));
    }
}

simd! {
    fn step_block<ISA>(
        rule: AdamW, values: &mut [f32], grads: &[f32], m: &mut [f32], v: &mut [f32],
    ) {
        let rate = rule.learning_rate / rule.bias_correction1;
        let keep = 1.0 - rule.learning_rate * rule.weight_decay;
        let root = 1.0 / rule.bias_correction2.sqrt();
        for (((x, g), m), v) in values.iter_mut().zip(grads).zip(m).zip(v) {
            let g = g * rule.grad_scale;
            *m = fma::<ISA>(rule.beta1, *m, (1.0 - rule.beta1) * g);
            *v = fma::<ISA>(rule.beta2, *v, (1.0 - rule.beta2) * g * g);
            let size = fma::<ISA>(v.sqrt(), root, rule.eps);
            *x = fma::<ISA>(*x, keep, -rate * (*m / size));
        }
    }
}

/// `Σ xᵢ²` in `f64`: the same bits at any number of threads.
pub fn sum_of_squares(xs: &[f32]) -> f64 {
    if xs.len() <= BLOCK {
        return squares(xs);
    }
    let blocks: Vec<f64> = xs.par_chunks(BLOCK).map(squares).collect();
    blocks.iter().sum()
}

simd! {
    fn squares<ISA>(xs: &[f32]) -> f64 {
        let mut lanes = [0.0f64; 16];
        let (chunks, rest) = xs.as_chunks::<16>();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane += f64::from(x) * f64::from(x);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane += f64::from(x) * f64::from(x);
        }
        lanes.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::{assert_close, everywhere_equal, numbers, with_threads};
    use super::*;

    const RULE: AdamW = AdamW {
        learning_rate: 0.01,
        beta1: 0.9,
        beta2: 0.98,
        eps: 1e-8,
        weight_decay: 0.1,
        bias_correction1: 1.0,
        bias_correction2: 1.0,
        grad_scale: 0.5,
    };

    /// Three steps on `len` parameters: values, first and second moments.
    fn train(len: usize) -> Vec<f32> {
        let (mut values, mut m, mut v) = (numbers(len, 1), vec![0.0; len], vec![0.0; len]);
        for t in 1..=3 {
            let grads = numbers(len, 10 + t);
            RULE.at_step(t).step(AdamWBuffers {
                values: &mut values,
                grads: &grads,
                m: &mut m,
                v: &mut v,
            });
        }
        [values, m, v].concat()
    }

    #[test]
    fn three_steps_match_the_paper() {
        for len in [0, 1, 17, 1000, 2 * BLOCK + 3] {
            let trained = everywhere_equal(|| train(len));
            let wide = |xs: Vec<f32>| xs.into_iter().map(f64::from).collect::<Vec<_>>();
            let (mut xs, mut ms, mut vs) = (wide(numbers(len, 1)), vec![0.0; len], vec![0.0; len]);
            let [rate, b1, b2, eps, decay] =
                [RULE.learning_rate, RULE.beta1, RULE.beta2, RULE.eps, RULE.weight_decay]
                    .map(f64::from);
            for t in 1..=3 {
                let grads = wide(numbers(len, 10 + t));
                for i in 0..len {
                    let g = 0.5 * grads[i];
                    ms[i] = b1 * ms[i] + (1.0 - b1) * g;
                    vs[i] = b2 * vs[i] + (1.0 - b2) * g * g;
                    let m = ms[i] / (1.0 - b1.powi(t as i32));
                    let v: f64 = vs[i] / (1.0 - b2.powi(t as i32));
                    xs[i] -= rate * decay * xs[i];
                    xs[i] -= rate * m / (v.sqrt() + eps);
                }
            }
            assert_close("x, m, v", &trained, &[xs, ms, vs].concat(), 1e-6);
        }
    }

    #[test]
    fn no_gradient_and_no_decay_moves_nothing() {
        let mut values = numbers(50, 1);
        let rule = AdamW { weight_decay: 0.0, ..RULE };
        let (mut m, mut v) = (vec![0.0; 50], vec![0.0; 50]);
        rule.at_step(1).step(AdamWBuffers {
            values: &mut values,
            grads: &[0.0; 50],
            m: &mut m,
            v: &mut v,
        });
        assert_eq!(values, numbers(50, 1));
    }

    #[test]
    fn squares_do_not_depend_on_threads() {
        for len in [0, 1, 15, 4097, 5 * BLOCK + 11] {
            let xs = numbers(len, 7);
            let exact: f64 = xs.iter().map(|&x| f64::from(x).powi(2)).sum();
            let sum = sum_of_squares(&xs);
            assert!((sum - exact).abs() <= 1e-12 * exact);
            for threads in [1, 2, 4] {
                let again = with_threads(threads, || sum_of_squares(&xs));
                assert_eq!(again.to_bits(), sum.to_bits());
            }
        }
    }
}
