//! A whole block of experts (gate, choice, dispatch, experts, combine), forward and backward,
//! beside the bare products it contains: the shapes of `core/benches/beside-torch`.
//!
//! `cargo bench --workspace --bench moe_layer`; `RAYON_NUM_THREADS=1` for one core. Prints one line
//! of JSON for each shape and type: milliseconds and GFLOP/s, medians of seven. `-- flat` takes shapes
//! with as many rows for each expert.

use std::time::Instant;

use anyhow::Result;
use candle::{DType, Device, Tensor, Var};
use dragoman_core::{
    context::{Context, Training},
    kernels::{
        matmul::{Epilogue, Precision, matmul_nt},
        packed::PackedMatrix,
    },
    moe::{BlockConfig, MoeLayer, Routing, Tokens, routers::MixtralConfig},
    params::ParamStore,
    ragged::Ragged,
};
use serde_json::json;

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tokens, experts, experts a token, inner width; the width is 512.
const SHAPES: [(usize, usize, usize, usize); 6] = [
    (1024, 16, 2, 1024),
    (1024, 64, 8, 256),
    (1024, 8, 2, 1024),
    (1024, 256, 2, 1024),
    (64, 16, 2, 1024),
    (1, 16, 2, 1024),
];
/// As many rows for each expert (128), whatever their number: `-- flat`.
const FLAT: [(usize, usize, usize, usize); 4] =
    [(512, 8, 2, 1024), (1024, 16, 2, 1024), (4096, 64, 2, 1024), (16384, 256, 2, 1024)];
const D_MODEL: usize = 512;
const RUNS: usize = 7;

fn main() -> Result<()> {
    let is_flat = std::env::args().any(|argument| argument == "flat");
    let shapes = if is_flat { &FLAT[..] } else { &SHAPES };
    for precision in [Precision::F32, Precision::Bf16] {
        for &shape in shapes {
            measure(precision, shape)?;
        }
    }
    Ok(())
}

fn measure(
    precision: Precision,
    (tokens, num_experts, top_k, d_ff): (usize, usize, usize, usize),
) -> Result<()> {
    let config = BlockConfig {
        d_model: D_MODEL,
        d_ff,
        num_experts,
        bias: false,
        routing: Routing::Mixtral(MixtralConfig { top_k, jitter: 0.0 }),
        ..BlockConfig::default()
    };
    let params = ParamStore::new(&Device::Cpu, 1);
    let block = MoeLayer::new(&config, &params.root())?;
    let xs = Var::randn(0f32, 1.0, (tokens, D_MODEL), &Device::Cpu)?;
    let layout = Ragged::contiguous(&[tokens]);

    let plain = xs.as_detached_tensor();
    let inference = Context::inference(precision);
    let forward = median(|| {
        block.forward_planned(&Tokens::new(&plain, &layout), &inference)?;
        Ok(())
    })?;
    let training = Training { seed: 1, step: 1, dropout: 0.0, expert_dropout: 0.0 };
    let context = Context::training(precision, training);
    let both = median(|| {
        params.zero_grads();
        let (ys, _) = block.forward_planned(&Tokens::new(xs.as_tensor(), &layout), &context)?;
        ys.sum_all()?.backward()?;
        Ok(())
    })?;
    let rows = (tokens * top_k / num_experts).max(1);
    let experts = num_experts.min(tokens * top_k);
    let (ours, theirs) =
        (bare(precision, (rows, experts, d_ff))?, bare_candle((rows, experts, d_ff))?);
    let flop = (4 * tokens * top_k * D_MODEL * d_ff) as f64;
    let figures =
        |seconds: f64, flop: f64| json!({ "ms": seconds * 1e3, "gflops": flop / seconds / 1e9 });
    let line = json!({
        "type": format!("{precision:?}").to_lowercase(),
        "tokens": tokens, "experts": num_experts, "top_k": top_k, "d_ff": d_ff,
        "forward": figures(forward, flop),
        "forward_backward": figures(both, 3.0 * flop),
        "bare": figures(ours, flop),
        "bare_candle_f32": figures(theirs, flop),
    });
    println!("{line}");
    Ok(())
}

/// Seconds for the two products of every expert, without anything else.
fn bare(precision: Precision, (rows, experts, d_ff): (usize, usize, usize)) -> Result<f64> {
    let numbers =
        |len: usize| -> Vec<f32> { (0..len).map(|i| (i % 97) as f32 / 97.0 - 0.5).collect() };
    let (xs, weight) = (numbers(rows * D_MODEL), numbers(d_ff * D_MODEL));
    let (mut inner, mut ys) = (vec![0.0; rows * d_ff], vec![0.0; rows * D_MODEL]);
    let ups: Vec<_> = (0..experts).map(|_| weight.clone()).collect();
    if rows >= 16 {
        return median(|| {
            for up in &ups {
                matmul_nt(
                    precision,
                    &xs,
                    up,
                    &mut inner,
                    (rows, d_ff, D_MODEL),
                    &Epilogue::default(),
                );
                matmul_nt(
                    precision,
                    &inner,
                    up,
                    &mut ys,
                    (rows, D_MODEL, d_ff),
                    &Epilogue::default(),
                );
            }
            Ok(())
        });
    }
    // Few rows go over weights that were packed beforehand, as they do in decoding.
    let packed: Vec<_> = ups
        .iter()
        .map(|up| {
            let down = PackedMatrix::new(up, D_MODEL, d_ff, precision);
            (PackedMatrix::new(up, d_ff, D_MODEL, precision), down)
        })
        .collect();
    median(|| {
        for (up, down) in &packed {
            up.matmul_nt(&xs, &mut inner, &Epilogue::default());
            down.matmul_nt(&inner, &mut ys, &Epilogue::default());
        }
        Ok(())
    })
}

/// The same by candle (the `gemm` crate), in float32.
fn bare_candle((rows, experts, d_ff): (usize, usize, usize)) -> Result<f64> {
    let device = Device::Cpu;
    let xs = Tensor::ones((rows, D_MODEL), DType::F32, &device)?;
    let weights = (0..experts)
        .map(|_| {
            let up = Tensor::ones((D_MODEL, d_ff), DType::F32, &device)?;
            Ok((up, Tensor::ones((d_ff, D_MODEL), DType::F32, &device)?))
        })
        .collect::<Result<Vec<_>>>()?;
    median(|| {
        for (up, down) in &weights {
            xs.matmul(up)?.matmul(down)?;
        }
        Ok(())
    })
}

fn median(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    run()?;
    let mut seconds = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        run()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[RUNS / 2])
}
