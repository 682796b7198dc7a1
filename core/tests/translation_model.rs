//! The translation model: kernels beside composites, batches beside single sentences, steps
//! beside whole targets, and a gradient for every weight.

use anyhow::Result;
use candle::{Device, Tensor};
use dragoman_core::{
    cache::StepRows,
    config::{MoeConfig, TranslationConfig},
    context::{Context, Training},
    decoding::search::{SearchConfig, Sentences, search},
    kernels::matmul::Precision,
    models::translation::{Example, TranslationBatch, TranslationModel},
    params::ParamStore,
    ragged::Ragged,
    register::Register,
    vocabulary::Outputs,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const END: u32 = 7;

fn config() -> TranslationConfig {
    TranslationConfig {
        vocab_size: 40,
        d_model: 16,
        num_heads: 2,
        encoder_layers: 2,
        decoder_layers: 2,
        d_ff: 24,
        max_positions: 40,
        moe: Some(MoeConfig {
            encoder_freq: 2,
            decoder_freq: 2,
            top_k: 2,
            shared_d_ff: 12,
            routing: None,
        }),
        ..TranslationConfig::default()
    }
}

fn register(config: &TranslationConfig) -> Register {
    let pairs = [("en", "de"), ("de", "en"), ("en", "fr")].map(|(a, b)| (a.into(), b.into()));
    Register::for_pairs(&pairs, 4, 12, &config.moe_layers())
}

fn model(config: &TranslationConfig) -> Result<(TranslationModel, ParamStore)> {
    let params = ParamStore::new(&Device::Cpu, 1);
    let model = TranslationModel::new(config, &register(config), &params)?;
    Ok((model, params))
}

/// Sentence pairs of random length and content; their routes take turns.
fn examples(count: usize, seed: u64) -> Vec<Example> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sentence = |length: usize| -> Vec<u32> {
        (0..length).map(|_| rng.random_range(END + 1..40)).collect()
    };
    let example = |i: usize| {
        let labels: Vec<u32> = sentence(1 + (i * 7) % 9).into_iter().chain([END]).collect();
        let target = [&[2], &labels[..labels.len() - 1]].concat();
        let source = sentence(2 + (i * 5) % 11);
        Example { route: ((i % 3) as u32).into(), source, target, labels }
    };
    (0..count).map(example).collect()
}

fn training(precision: Precision, dropout: f32) -> Context {
    let training = Training { seed: 5, step: 1, dropout, expert_dropout: dropout };
    Context::training(precision, training)
}

/// The gradients of all weights by name.
type Gradients = Vec<(String, Vec<f32>)>;

/// A loss that depends on every output, and the gradients of all weights by name.
fn gradients(
    batch: &TranslationBatch,
    context: &Context,
    params: &ParamStore,
    model: &TranslationModel,
) -> Result<(f32, Gradients)> {
    params.zero_grads();
    let output = model.forward(batch, context)?;
    let logits = model.logits(&output.hidden, context)?;
    let mut loss = logits.sqr()?.mean_all()?;
    for layer in &output.routing {
        loss = (loss + layer.losses.as_ref().expect("training has losses").sum_all()?)?;
    }
    params.collect(&loss.backward()?)?;
    let of = |p: dragoman_core::params::Param| (p.name().into(), p.with_grad(|g| g.to_vec()));
    Ok((loss.to_scalar()?, params.iter().map(of).collect()))
}

fn assert_close(name: &str, ours: &[f32], theirs: &[f32], tolerance: f32) {
    let scale = theirs.iter().fold(1e-4f32, |max, x| max.max(x.abs()));
    for (a, b) in ours.iter().zip(theirs) {
        assert!((a - b).abs() <= tolerance * scale, "{name}: {a} is not {b} (scale {scale})");
    }
}

#[test]
fn kernels_and_composites_agree_forward_and_backward() -> Result<()> {
    let config = config();
    let (model, params) = model(&config)?;
    let batch = TranslationBatch::new(&examples(9, 3), None);
    for dropout in [0.0, 0.2] {
        let (loss, ours) = gradients(&batch, &training(Precision::F32, dropout), &params, &model)?;
        let mut composite = training(Precision::F32, dropout);
        composite.composite = true;
        let (reference, theirs) = gradients(&batch, &composite, &params, &model)?;
        assert!((loss - reference).abs() < 1e-4 * reference.abs(), "{loss} {reference}");
        for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
            assert_close(name, ours, theirs, 2e-3);
        }
    }
    Ok(())
}

#[test]
fn padding_between_sentences_changes_nothing() -> Result<()> {
    let config = config();
    let (model, _) = model(&config)?;
    let examples = examples(5, 4);
    let mut context = Context::inference(Precision::F32);
    context.composite = true;
    let rows = |batch: &TranslationBatch| -> Result<Vec<Vec<f32>>> {
        let hidden = model.forward(batch, &context)?.hidden.to_vec2::<f32>()?;
        let layout = &batch.target_layout;
        let of = |i: usize| hidden[layout.offsets()[i]..][..layout.lengths()[i]].concat();
        Ok((0..layout.len()).map(of).collect())
    };
    let contiguous = rows(&TranslationBatch::new(&examples, None))?;
    let padded = rows(&TranslationBatch::new(&examples, Some(0)))?;
    for (ours, theirs) in contiguous.iter().zip(&padded) {
        assert_close("hidden", ours, theirs, 1e-4);
    }
    Ok(())
}

#[test]
fn every_weight_has_a_gradient() -> Result<()> {
    let config = config();
    for precision in [Precision::F32, Precision::Bf16] {
        let (model, params) = model(&config)?;
        let batch = TranslationBatch::new(&examples(24, 5), None);
        let (_, grads) = gradients(&batch, &training(precision, 0.0), &params, &model)?;
        for (name, grad) in grads {
            assert!(grad.iter().all(|g| g.is_finite()), "{name}");
            // Softmax ignores what is added to all keys alike.
            let size = grad.iter().map(|g| g.abs()).sum::<f32>() / grad.len() as f32;
            assert!(size > 1e-9, "the gradient of `{name}` is {size:e}");
        }
    }
    Ok(())
}

#[test]
fn frozen_weights_get_no_gradient() -> Result<()> {
    let config = config();
    let (model, params) = model(&config)?;
    let free = |p: &dragoman_core::params::Param| p.name().starts_with("experts.pair.en-de");
    params.iter().for_each(|param| param.set_trainable(free(&param)));
    // So many that tokens visit the expert in every layer.
    let batch = TranslationBatch::new(&examples(24, 5), None);
    let context = training(Precision::F32, 0.0);
    let output = model.forward(&batch, &context)?;
    output.hidden.sqr()?.mean_all()?.backward()?;
    for param in params.iter() {
        assert_eq!(param.has_grad(), free(&param), "{}", param.name());
    }
    Ok(())
}

#[test]
fn a_sentence_does_not_depend_on_its_neighbours() -> Result<()> {
    let config = config();
    for precision in [Precision::F32, Precision::Bf16] {
        let (model, _) = model(&config)?;
        let examples = examples(7, 7);
        let context = Context::inference(precision);
        let batch = TranslationBatch::new(&examples, None);
        let together = model.forward(&batch, &context)?.hidden.to_vec2::<f32>()?;
        for (i, example) in examples.iter().enumerate() {
            let alone = TranslationBatch::new(std::slice::from_ref(example), None);
            let alone = model.forward(&alone, &context)?.hidden.to_vec2::<f32>()?;
            let start = batch.target_layout.offsets()[i];
            assert_eq!(alone, together[start..start + alone.len()], "sentence {i}, {precision:?}");
        }
    }
    Ok(())
}

#[test]
fn the_number_of_threads_changes_no_bit() -> Result<()> {
    let config = config();
    let batch = TranslationBatch::new(&examples(40, 8), None);
    let run = |threads: usize| -> Result<Gradients> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| {
            let (model, params) = model(&config)?;
            Ok(gradients(&batch, &training(Precision::Bf16, 0.1), &params, &model)?.1)
        })
    };
    let one = run(1)?;
    assert_eq!(one, run(2)?);
    assert_eq!(one, run(4)?);
    Ok(())
}

#[test]
fn steps_with_a_cache_equal_the_whole_target() -> Result<()> {
    let config = config();
    let (model, _) = model(&config)?;
    let context = Context::inference(Precision::F32);
    let mut examples = examples(4, 9);
    let length = examples.iter().map(|e| e.target.len()).min().unwrap_or(0);
    examples.iter_mut().for_each(|e| e.target.truncate(length));
    examples.iter_mut().for_each(|e| e.labels.truncate(length));
    let batch = TranslationBatch::new(&examples, None);
    let whole = model.forward(&batch, &context)?.hidden.to_vec2::<f32>()?;

    let encoded = model.encode(&batch.source, &batch.source_layout, &batch.routes, &context)?;
    let mut cache = model.start(&encoded, &context)?;
    let rows: Vec<usize> = (0..examples.len()).collect();
    for t in 0..length {
        let ids: Vec<u32> = examples.iter().map(|e| e.target[t]).collect();
        let rows = StepRows { sentences: &rows, routes: &batch.routes };
        let step = model.step(&ids, &rows, &mut cache, &context)?.hidden.to_vec2::<f32>()?;
        for (i, row) in step.iter().enumerate() {
            assert_close("hidden", row, &whole[i * length + t], 1e-5);
        }
    }
    Ok(())
}

#[test]
fn beams_are_sorted_and_the_first_is_at_least_as_good_as_greedy() -> Result<()> {
    let config = config();
    let (model, _) = model(&config)?;
    let context = Context::inference(Precision::F32);
    let examples = examples(5, 10);
    let batch = TranslationBatch::new(&examples, None);
    let encoded = model.encode(&batch.source, &batch.source_layout, &batch.routes, &context)?;
    let starts = vec![vec![2]; examples.len()];
    let outputs = &Outputs::from_end(END);
    let sentences = Sentences { routes: &batch.routes, starts: &starts, outputs };
    let run = |beam_size| {
        let config = SearchConfig { beam_size, length_penalty: 0.0, ..SearchConfig::greedy() };
        search(&model, &encoded, &sentences, &config, &context)
    };
    let (greedy, beam) = (run(1)?, run(4)?);
    for (greedy, beam) in greedy.iter().zip(&beam) {
        assert_eq!(greedy.len(), 1);
        assert!(beam.is_sorted_by(|a, b| a.score >= b.score));
        assert!(beam[0].score >= greedy[0].score - 1e-4, "{} {}", beam[0].score, greedy[0].score);
        let total: f32 = beam[0].log_probs.iter().sum();
        assert!((beam[0].score - total).abs() < 1e-4);
    }
    Ok(())
}

#[test]
fn a_sentence_that_is_too_long_is_refused() -> Result<()> {
    let config = config();
    let (model, _) = model(&config)?;
    let ids = vec![9; 41];
    let layout = Ragged::contiguous(&[41]);
    let error = model.encode(&ids, &layout, &[0.into()], &Context::inference(Precision::F32));
    let message = error.expect_err("41 tokens").to_string();
    assert_eq!(message, "a sentence has more than 40 tokens");
    Ok(())
}

#[test]
fn logits_are_products_with_the_embedding() -> Result<()> {
    let (model, _) = model(&config())?;
    let hidden = Tensor::ones((1, 16), candle::DType::F32, &Device::Cpu)?;
    let logits = model.logits(&hidden, &Context::inference(Precision::F32))?;
    let sums = model.output_weight().tensor()?.sum(1)?.to_vec1::<f32>()?;
    assert_close("logits", &logits.flatten_all()?.to_vec1::<f32>()?, &sums, 1e-5);
    Ok(())
}
