//! No matrix product is spent on the weight gradients of frozen experts. (A process of its own,
//! because all threads count together.)

use dragoman_core::kernels::{
    activation::Activation,
    counters,
    ffn::{ExpertGrads, ExpertWeights, FfnInput, Gradients, GroupedFfn},
    matmul::Precision,
    visits::Visits,
};

#[test]
fn frozen_experts_cost_no_weight_gradient_products() {
    const D: usize = 8;
    let (weight, xs) = ([0.1; 4 * D], [0.5; 6 * D]);
    let expert =
        ExpertWeights { up: &weight, up_bias: None, gate: None, down: &weight, down_bias: None };
    let experts = [expert, ExpertWeights { gate: Some(&weight), ..expert }, expert];
    let ffn = GroupedFfn {
        precision: Precision::F32,
        activation: Activation::Silu,
        d_model: D,
        experts: &experts,
    };
    let visits = Visits::new(&[0, 1, 0, 1, 1, 0], 6, 1, 3);
    let input = FfnInput { xs: &xs, visits: &visits, weights: &[1.0; 6] };

    // Expert 2 is never visited; two matrices in expert 0, three in the gated expert 1.
    for (trained, products) in [([false; 3], 0), ([true, false, true], 2), ([true; 3], 5)] {
        let mut buffers = vec![[[0.0; 4 * D]; 3]; 3];
        let mut grads: Vec<_> = buffers
            .iter_mut()
            .zip(trained)
            .map(|([up, gate, down], trained)| {
                let gate = Some(&mut gate[..]);
                trained.then_some(ExpertGrads {
                    overwrite: false,
                    up,
                    up_bias: None,
                    gate,
                    down,
                    down_bias: None,
                })
            })
            .collect();
        let (mut ys, mut dxs, mut dweights) = ([0.0; 6 * D], [0.0; 6 * D], [0.0; 6]);
        let saved = ffn.forward(&input, &mut ys);
        let before = counters::weight_gradients();
        let gradients = Gradients { xs: &mut dxs, weights: &mut dweights, experts: &mut grads };
        ffn.backward(&input, &saved, &[1.0; 6 * D], gradients);
        assert_eq!(counters::weight_gradients() - before, products, "{trained:?}");
        drop(grads);
        for (buffers, trained) in buffers.iter().zip(trained).take(2) {
            let moved = buffers[0].iter().any(|&x| x != 0.0);
            assert_eq!(moved, trained, "a gradient where it is wanted, and nowhere else");
        }
    }
}
