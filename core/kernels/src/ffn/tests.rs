//! The grouped network against the formula in double precision, and its bits against themselves.

mod reference;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use self::reference::*;
use super::*;
use crate::{gemm::Packing, packed::PackedMatrix};

#[test]
fn both_passes_match_the_formula_in_double_precision() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let widths = [5, 33, 1, 200, 130];
    for activation in [
        Activation::Relu,
        Activation::Gelu,
        Activation::Silu,
        Activation::GeluTanh,
        Activation::GeluSigmoid,
    ] {
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
