//! The grouped network against the formula in double precision, and its bits against themselves.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::{gemm::Packing, packed::PackedMatrix};

/// A layer that owns what the kernels borrow.
struct Layer {
    d_model: usize,
    activation: Activation,
    experts: Vec<Owned>,
}

#[derive(Clone, Default)]
struct Owned {
    up: Vec<f32>,
    up_bias: Option<Vec<f32>>,
    gate: Option<Vec<f32>>,
    down: Vec<f32>,
    down_bias: Option<Vec<f32>>,
}

struct Batch {
    xs: Vec<f32>,
    weights: Vec<f32>,
    dys: Vec<f32>,
    visits: Visits,
}

fn numbers(rng: &mut ChaCha8Rng, len: usize, scale: f32) -> Vec<f32> {
    (0..len).map(|_| rng.random_range(-scale..scale)).collect()
}

impl Layer {
    fn new(
        rng: &mut ChaCha8Rng,
        d_model: usize,
        widths: &[usize],
        activation: Activation,
        gated: bool,
        biased: bool,
    ) -> Self {
        let scale = 1.7 / (d_model as f32).sqrt();
        let experts = widths.iter().map(|&d_ff| Owned {
            up: numbers(rng, d_ff * d_model, scale),
            up_bias: biased.then(|| numbers(rng, d_ff, 0.5)),
            gate: gated.then(|| numbers(rng, d_ff * d_model, scale)),
            down: numbers(rng, d_ff * d_model, 1.7 / (d_ff as f32).sqrt()),
            down_bias: biased.then(|| numbers(rng, d_model, 0.5)),
        });
        Self { d_model, activation, experts: experts.collect() }
    }

    fn with<T>(&self, precision: Precision, run: impl FnOnce(&GroupedFfn<'_>) -> T) -> T {
        let experts: Vec<_> = self.experts.iter().map(Owned::weights).collect();
        let (d_model, activation) = (self.d_model, self.activation);
        run(&GroupedFfn { precision, activation, d_model, experts: &experts })
    }

    /// The results of both passes, with gradients for the experts that `trained` names.
    fn run(&self, precision: Precision, batch: &Batch, trained: impl Fn(usize) -> bool) -> Results {
        self.with(precision, |ffn| {
            let mut results = Results {
                ys: vec![f32::NAN; batch.xs.len()],
                dxs: vec![f32::NAN; batch.xs.len()],
                dweights: vec![f32::NAN; batch.weights.len()],
                experts: self.experts.iter().map(Owned::zeros).collect(),
            };
            let saved = ffn.forward(&batch.input(), &mut results.ys);
            let grads = results.experts.iter_mut().enumerate();
            let mut grads: Vec<_> =
                grads.map(|(i, grads)| trained(i).then(|| grads.grads())).collect();
            let gradients = Gradients {
                xs: &mut results.dxs,
                weights: &mut results.dweights,
                experts: &mut grads,
            };
            ffn.backward(&batch.input(), &saved, &batch.dys, gradients);
            drop(grads);
            results
        })
    }

    /// The same from the formula, one token at a time in double precision.
    fn naive(&self, batch: &Batch, num_slots: usize, slots: &[u32]) -> Naive {
        let d = self.d_model;
        let wide = |xs: &[f32]| -> Vec<f64> { xs.iter().map(|&x| f64::from(x)).collect() };
        let act = |x: f64| f64::from(self.activation.value(x as f32));
        let slope = |x: f64| f64::from(self.activation.slope(x as f32));
        let mut naive = Naive {
            ys: vec![0.0; batch.xs.len()],
            dxs: vec![0.0; batch.xs.len()],
            dweights: vec![0.0; batch.weights.len()],
            experts: self.experts.iter().map(|e| e.zeros().map(wide)).collect(),
        };
        for (position, &expert) in slots.iter().enumerate() {
            if expert == Visits::NONE {
                continue;
            }
            let token = position / num_slots;
            let (e, grads) = (&self.experts[expert as usize], &mut naive.experts[expert as usize]);
            let x = wide(&batch.xs[token * d..][..d]);
            let dy = wide(&batch.dys[token * d..][..d]);
            let weight = f64::from(batch.weights[position]);
            let d_ff = e.up.len() / d;
            let mut out: Vec<f64> = (0..d).map(|i| at(&e.down_bias, i)).collect();
            for f in 0..d_ff {
                let project =
                    |w: &[f32]| -> f64 { (0..d).map(|i| f64::from(w[f * d + i]) * x[i]).sum() };
                let up = project(&e.up) + at(&e.up_bias, f);
                let gate = e.gate.as_ref().map(|gate| project(gate));
                let hidden = gate.map_or_else(|| act(up), |gate| act(gate) * up);
                let dhidden: f64 =
                    (0..d).map(|i| weight * dy[i] * f64::from(e.down[i * d_ff + f])).sum();
                let dup = dhidden * gate.map_or_else(|| slope(up), act);
                let dgate = gate.map(|gate| dhidden * up * slope(gate));
                for i in 0..d {
                    out[i] += f64::from(e.down[i * d_ff + f]) * hidden;
                    naive.dxs[token * d + i] += dup * f64::from(e.up[f * d + i]);
                    grads.up[f * d + i] += dup * x[i];
                    grads.down[i * d_ff + f] += weight * dy[i] * hidden;
                    if let (Some(dgate), Some(gate), Some(grad)) = (dgate, &e.gate, &mut grads.gate)
                    {
                        naive.dxs[token * d + i] += dgate * f64::from(gate[f * d + i]);
                        grad[f * d + i] += dgate * x[i];
                    }
                }
                if let Some(grad) = &mut grads.up_bias {
                    grad[f] += dup;
                }
            }
            for i in 0..d {
                naive.ys[token * d + i] += weight * out[i];
                naive.dweights[position] += dy[i] * out[i];
                if let Some(grad) = &mut grads.down_bias {
                    grad[i] += weight * dy[i];
                }
            }
        }
        naive
    }
}

fn at(bias: &Option<Vec<f32>>, i: usize) -> f64 {
    bias.as_ref().map_or(0.0, |bias| f64::from(bias[i]))
}

struct Results {
    ys: Vec<f32>,
    dxs: Vec<f32>,
    dweights: Vec<f32>,
    experts: Vec<Owned>,
}

struct Naive {
    ys: Vec<f64>,
    dxs: Vec<f64>,
    dweights: Vec<f64>,
    experts: Vec<OwnedOf<Vec<f64>>>,
}

struct OwnedOf<T> {
    up: T,
    up_bias: Option<T>,
    gate: Option<T>,
    down: T,
    down_bias: Option<T>,
}

impl Owned {
    fn weights(&self) -> ExpertWeights<'_> {
        ExpertWeights {
            up: &self.up,
            up_bias: self.up_bias.as_deref(),
            gate: self.gate.as_deref(),
            down: &self.down,
            down_bias: self.down_bias.as_deref(),
        }
    }

    fn grads(&mut self) -> ExpertGrads<'_> {
        ExpertGrads {
            overwrite: false,
            up: &mut self.up,
            up_bias: self.up_bias.as_deref_mut(),
            gate: self.gate.as_deref_mut(),
            down: &mut self.down,
            down_bias: self.down_bias.as_deref_mut(),
        }
    }

    fn zeros(&self) -> Self {
        let zeros = |xs: &Vec<f32>| vec![0.0; xs.len()];
        Self {
            up: zeros(&self.up),
            up_bias: self.up_bias.as_ref().map(zeros),
            gate: self.gate.as_ref().map(zeros),
            down: zeros(&self.down),
            down_bias: self.down_bias.as_ref().map(zeros),
        }
    }

    fn map<T>(self, f: impl Fn(&[f32]) -> T) -> OwnedOf<T> {
        OwnedOf {
            up: f(&self.up),
            up_bias: self.up_bias.as_deref().map(&f),
            gate: self.gate.as_deref().map(&f),
            down: f(&self.down),
            down_bias: self.down_bias.as_deref().map(&f),
        }
    }

    fn all(&self) -> Vec<f32> {
        let parts = [
            Some(&self.up),
            self.up_bias.as_ref(),
            self.gate.as_ref(),
            Some(&self.down),
            self.down_bias.as_ref(),
        ];
        parts.into_iter().flatten().flatten().copied().collect()
    }
}

impl OwnedOf<Vec<f64>> {
    fn all(&self) -> Vec<f64> {
        let parts = [
            Some(&self.up),
            self.up_bias.as_ref(),
            self.gate.as_ref(),
            Some(&self.down),
            self.down_bias.as_ref(),
        ];
        parts.into_iter().flatten().flatten().copied().collect()
    }
}

impl Batch {
    fn new(
        rng: &mut ChaCha8Rng,
        d_model: usize,
        num_slots: usize,
        num_experts: usize,
        slots: &[u32],
    ) -> Self {
        let num_tokens = slots.len() / num_slots;
        Self {
            xs: numbers(rng, num_tokens * d_model, 1.0),
            weights: (0..slots.len()).map(|_| rng.random_range(0.1..1.0)).collect(),
            dys: numbers(rng, num_tokens * d_model, 1.0),
            visits: Visits::new(slots, num_tokens, num_slots, num_experts),
        }
    }

    fn input(&self) -> FfnInput<'_> {
        FfnInput { xs: &self.xs, visits: &self.visits, weights: &self.weights }
    }

    /// The first tokens alone.
    fn first(&self, tokens: usize, slots: &[u32], num_experts: usize) -> Self {
        let (d_model, num_slots) =
            (self.xs.len() / self.visits.num_tokens(), self.visits.num_slots());
        Self {
            xs: self.xs[..tokens * d_model].to_vec(),
            weights: self.weights[..tokens * num_slots].to_vec(),
            dys: self.dys[..tokens * d_model].to_vec(),
            visits: Visits::new(&slots[..tokens * num_slots], tokens, num_slots, num_experts),
        }
    }
}

/// Experts at random, with an empty slot now and then.
fn random_slots(rng: &mut ChaCha8Rng, count: usize, num_experts: u32) -> Vec<u32> {
    let slot = |rng: &mut ChaCha8Rng| {
        if rng.random_bool(0.1) { Visits::NONE } else { rng.random_range(0..num_experts) }
    };
    (0..count).map(|_| slot(rng)).collect()
}

fn assert_close(name: &str, got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(*got) - want).abs();
        assert!(error <= tolerance * scale, "{name}[{i}] is {got}, should be {want}");
    }
}

#[test]
fn both_passes_match_the_formula_in_double_precision() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let widths = [5, 33, 1, 200, 130];
    for activation in [Activation::Relu, Activation::Gelu, Activation::Silu] {
        for (gated, biased) in [(false, false), (true, false), (false, true), (true, true)] {
            for (d_model, num_slots, num_tokens) in [(1, 1, 1), (37, 3, 19), (64, 2, 60)] {
                let layer = Layer::new(&mut rng, d_model, &widths, activation, gated, biased);
                let slots = random_slots(&mut rng, num_tokens * num_slots, 5);
                let batch = Batch::new(&mut rng, d_model, num_slots, 5, &slots);
                let naive = layer.naive(&batch, num_slots, &slots);
                for (precision, tolerance) in [(Precision::F32, 2e-6), (Precision::Bf16, 2e-2)] {
                    let results = layer.run(precision, &batch, |_| true);
                    assert_close("ys", &results.ys, &naive.ys, tolerance);
                    if (precision, activation) == (Precision::Bf16, Activation::Relu) {
                        continue; // rounding moves sums across the kink, where the slope jumps
                    }
                    assert_close("dxs", &results.dxs, &naive.dxs, tolerance);
                    assert_close("dweights", &results.dweights, &naive.dweights, tolerance);
                    for (got, want) in results.experts.iter().zip(&naive.experts) {
                        assert_close("expert", &got.all(), &want.all(), tolerance);
                    }
                }
            }
        }
    }
}

#[test]
fn one_expert_may_take_all_tokens_and_more_than_a_tile() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let layer = Layer::new(&mut rng, 16, &[8, 600, 8], Activation::Relu, false, true);
    let slots = vec![1; 700];
    let batch = Batch::new(&mut rng, 16, 1, 3, &slots);
    let naive = layer.naive(&batch, 1, &slots);
    let results = layer.run(Precision::F32, &batch, |_| true);
    assert_close("ys", &results.ys, &naive.ys, 1e-5);
    assert_close("dxs", &results.dxs, &naive.dxs, 1e-5);
    for (got, want) in results.experts.iter().zip(&naive.experts) {
        assert_close("expert", &got.all(), &want.all(), 1e-5);
    }
    assert!(results.experts[0].all().iter().all(|&x| x == 0.0));
}

#[test]
fn tokens_without_visits_get_zeros() {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    let layer = Layer::new(&mut rng, 8, &[4, 4], Activation::Silu, true, true);
    for slots in [vec![], vec![Visits::NONE; 6]] {
        let batch = Batch::new(&mut rng, 8, 2, 2, &slots);
        let results = layer.run(Precision::F32, &batch, |_| true);
        let all = [results.ys, results.dxs, results.dweights].concat();
        assert!(all.iter().all(|&x| x == 0.0), "{slots:?}");
    }
}

#[test]
fn a_frozen_expert_gets_no_gradient_and_changes_no_other() {
    let mut rng = ChaCha8Rng::seed_from_u64(14);
    let layer = Layer::new(&mut rng, 24, &[40, 40, 40], Activation::Gelu, true, true);
    let slots = random_slots(&mut rng, 100, 3);
    let batch = Batch::new(&mut rng, 24, 2, 3, &slots);
    let all = layer.run(Precision::Bf16, &batch, |_| true);
    let some = layer.run(Precision::Bf16, &batch, |expert| expert == 1);
    assert_eq!((&all.ys, &all.dxs, &all.dweights), (&some.ys, &some.dxs, &some.dweights));
    assert_eq!(all.experts[1].all(), some.experts[1].all());
    assert!(some.experts[0].all().iter().chain(&some.experts[2].all()).all(|&x| x == 0.0));
}

#[test]
fn bits_depend_on_neither_threads_nor_other_tokens() -> anyhow::Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(15);
    let widths = [300, 64, 520, 100];
    for gated in [false, true] {
        let layer = Layer::new(&mut rng, 96, &widths, Activation::Silu, gated, true);
        let slots = random_slots(&mut rng, 2 * 300, 4);
        let batch = Batch::new(&mut rng, 96, 2, 4, &slots);
        for precision in [Precision::F32, Precision::Bf16] {
            let run = |batch: &Batch| {
                let Results { ys, dxs, dweights, experts } = layer.run(precision, batch, |_| true);
                let experts: Vec<_> = experts.iter().flat_map(Owned::all).collect();
                (ys, dxs, dweights, experts)
            };
            let whole = run(&batch);
            for threads in [1, 2, 4] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
                assert!(pool.install(|| run(&batch)) == whole, "{precision:?}, {threads} threads");
            }
            for tokens in [1, 2, 17, 250] {
                let (ys, dxs, dweights, _) = run(&batch.first(tokens, &slots, 4));
                assert!(ys[..] == whole.0[..tokens * 96], "{precision:?}, {tokens} tokens");
                assert!(dxs[..] == whole.1[..tokens * 96], "{precision:?}, {tokens} tokens");
                assert!(dweights[..] == whole.2[..tokens * 2], "{precision:?}, {tokens} tokens");
            }
        }
    }
    Ok(())
}

#[test]
fn packed_experts_give_the_bits_of_plain_ones_and_int8_comes_close() {
    let mut rng = ChaCha8Rng::seed_from_u64(16);
    let widths = [300, 64, 520, 100];
    for gated in [false, true] {
        let layer = Layer::new(&mut rng, 96, &widths, Activation::Gelu, gated, true);
        let slots: Vec<u32> = random_slots(&mut rng, 2 * 150, 3); // expert 3 is never visited
        let batch = Batch::new(&mut rng, 96, 2, 4, &slots);
        for packing in [Packing::F32, Packing::Bf16, Packing::Int8] {
            let pack = |weight: &Vec<f32>, n: usize| {
                PackedMatrix::new(weight, n, weight.len() / n, packing)
            };
            let matrices: Vec<_> = layer.experts.iter().zip(widths).take(3).collect();
            let matrices: Vec<_> = matrices
                .into_iter()
                .map(|(e, f)| {
                    (pack(&e.up, f), e.gate.as_ref().map(|g| pack(g, f)), pack(&e.down, 96))
                })
                .collect();
            let experts = matrices.iter().zip(&layer.experts).map(|((up, gate, down), e)| {
                let (up_bias, down_bias) = (e.up_bias.as_deref(), e.down_bias.as_deref());
                Some(PackedExpert { up, up_bias, gate: gate.as_ref(), down, down_bias })
            });
            let experts: Vec<_> = experts.chain([None]).collect();
            let ffn = PackedFfn { activation: layer.activation, d_model: 96, experts: &experts };
            let mut ys = vec![f32::NAN; batch.xs.len()];
            ffn.forward(&batch.input(), &mut ys);

            let precision = match packing {
                Packing::Bf16 => Precision::Bf16,
                _ => Precision::F32,
            };
            let plain = layer.run(precision, &batch, |_| false).ys;
            if packing == Packing::Int8 {
                let plain: Vec<_> = plain.iter().map(|&y| f64::from(y)).collect();
                assert_close("ys", &ys, &plain, 0.03);
            } else {
                assert_eq!(ys, plain, "{packing:?}, gated: {gated}");
            }

            // Fewer tokens, the same bits.
            let few = batch.first(3, &slots, 4);
            let mut first = vec![f32::NAN; 3 * 96];
            ffn.forward(&few.input(), &mut first);
            assert_eq!(first, ys[..3 * 96], "{packing:?}, gated: {gated}");
        }
    }
}

#[test]
#[should_panic(expected = "expert 0 is visited")]
fn a_visited_expert_must_be_loaded() {
    let ffn = PackedFfn { activation: Activation::Relu, d_model: 1, experts: &[None] };
    let visits = Visits::new(&[0], 1, 1, 1);
    ffn.forward(&FfnInput { xs: &[1.0], visits: &visits, weights: &[1.0] }, &mut [0.0]);
}

#[test]
#[should_panic(expected = "length of `down` of expert 1")]
fn a_wrong_shape_is_named() {
    let (up, down) = ([0.0; 6], [0.0; 4]);
    let none = ExpertWeights { up: &up, up_bias: None, gate: None, down: &up, down_bias: None };
    let experts = [none, ExpertWeights { down: &down, ..none }];
    let ffn = GroupedFfn {
        precision: Precision::F32,
        activation: Activation::Relu,
        d_model: 2,
        experts: &experts,
    };
    let visits = Visits::new(&[0], 1, 1, 2);
    let input = FfnInput { xs: &[1.0, 2.0], visits: &visits, weights: &[1.0] };
    ffn.forward(&input, &mut [0.0; 2]);
}

#[test]
fn what_was_there_is_overwritten_or_added_to() {
    let mut rng = ChaCha8Rng::seed_from_u64(19);
    let layer = Layer::new(&mut rng, 24, &[40, 40], Activation::Silu, true, false);
    let slots = random_slots(&mut rng, 2 * 50, 2);
    let batch = Batch::new(&mut rng, 24, 2, 2, &slots);
    for precision in [Precision::F32, Precision::Bf16] {
        let expected = layer.run(precision, &batch, |_| true).experts;
        let mut gathered: Vec<Owned> = layer.experts.iter().map(Owned::zeros).collect();
        gathered.iter_mut().for_each(|expert| expert.up.fill(7.0));
        layer.with(precision, |ffn| {
            let saved = ffn.forward(&batch.input(), &mut vec![0.0; batch.xs.len()]);
            let mut grads: Vec<_> = gathered.iter_mut().map(|e| Some(e.grads())).collect();
            grads.iter_mut().flatten().for_each(|grads| grads.overwrite = true);
            let (mut dxs, mut dweights) = (batch.xs.clone(), batch.weights.clone());
            let gradients = Gradients { xs: &mut dxs, weights: &mut dweights, experts: &mut grads };
            ffn.backward(&batch.input(), &saved, &batch.dys, gradients);
        });
        for (got, want) in gathered.iter().zip(&expected) {
            assert_eq!((&got.up, &got.down), (&want.up, &want.down));
        }
    }
}

#[test]
fn large_gradients_of_few_rows_have_their_bits_wherever_they_lie() {
    let mut rng = ChaCha8Rng::seed_from_u64(23);
    let layer = Layer::new(&mut rng, 512, &[512, 544], Activation::Relu, false, false);
    let slots = random_slots(&mut rng, 20, 2);
    let batch = Batch::new(&mut rng, 512, 1, 2, &slots);
    for precision in [Precision::F32, Precision::Bf16] {
        let expected = layer.run(precision, &batch, |_| true).experts;
        // On cache lines, where results may go past the caches, and beside them.
        for offset in [0, 1] {
            let len = |i: usize| layer.experts[i].up.len();
            let mut buffers: Vec<_> =
                [0, 0, 1, 1].iter().map(|&i| vec![f32::NAN; len(i) + 17]).collect();
            let mut parts = buffers.iter_mut().enumerate().map(|(i, buffer)| {
                let start = buffer.as_ptr().align_offset(64) + offset;
                &mut buffer[start..][..len(i / 2)]
            });
            let mut grads: Vec<_> = std::iter::from_fn(|| {
                let (up, down) = (parts.next()?, parts.next()?);
                let (up_bias, gate, down_bias) = (None, None, None);
                Some(Some(ExpertGrads { overwrite: true, up, up_bias, gate, down, down_bias }))
            })
            .collect();
            let (mut dxs, mut dweights) = (batch.xs.clone(), batch.weights.clone());
            layer.with(precision, |ffn| {
                let saved = ffn.forward(&batch.input(), &mut vec![0.0; batch.xs.len()]);
                let gradients =
                    Gradients { xs: &mut dxs, weights: &mut dweights, experts: &mut grads };
                ffn.backward(&batch.input(), &saved, &batch.dys, gradients);
            });
            for (got, want) in grads.iter().flatten().zip(&expected) {
                assert!(got.up == want.up && got.down == want.down, "{precision:?} {offset}");
            }
        }
    }
}
