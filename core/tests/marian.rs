//! The encoder-decoder beside candle-transformers' Marian (Junczys-Dowmunt et al. 2018) with the same random weights: what
//! the encoder makes of a source, the logits of every step, and the tokens of greedy search.
//!
//! Marian stands as our model does with norms after the blocks, SiLU, a bias of the logits and no experts. Its queries, keys
//! and values are three maps, ours one; its special tokens are `</s>` first and the padding, from which the decoder starts,
//! last, whereas ours stand before the end of the sentence, and nothing before it is ever said.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use candle::{D, DType, Device, IndexOp, Tensor};
use candle_nn::{Activation as MarianActivation, VarBuilder};
use candle_transformers::models::marian::{Config as MarianConfig, MTModel};
use dragoman_core::{
    cache::StepRows,
    config::{Activation, NormPlacement, TranslationConfig},
    context::Context,
    decoding::search::{SearchConfig, Sentences, search},
    kernels::matmul::Precision,
    models::translation::TranslationModel,
    params::ParamStore,
    ragged::Ragged,
    register::{Register, RowRoute},
    vocabulary::Outputs,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const D_MODEL: usize = 16;
const D_FF: usize = 24;
const LAYERS: usize = 2;
const VOCAB: usize = 40;
/// The first and the last token of Marian's vocabulary.
const MARIAN_END: u32 = 0;
const MARIAN_PADDING: u32 = VOCAB as u32 - 1;
/// Most tokens of a target here.
const LONGEST: usize = 24;

/// Uniform values of about this size.
fn random(rng: &mut ChaCha8Rng, shape: &[usize], centre: f32, size: f32) -> Result<Tensor> {
    let count = shape.iter().product();
    let values = (0..count).map(|_| centre + size * rng.random_range(-1.0..1.0f32)).collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// A tiny checkpoint under the names of Marian's files; `said` is the bias of each logit.
fn checkpoint(seed: u64, said: impl Fn(u32) -> f32) -> Result<HashMap<String, Tensor>> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let mut tensors = HashMap::new();
    let mut linear = |tensors: &mut HashMap<_, _>, name: String, width_in: usize, width_out| {
        let weight = random(rng, &[width_out, width_in], 0.0, (3.0 / width_in as f32).sqrt())?;
        tensors.insert(format!("{name}.weight"), weight);
        tensors.insert(format!("{name}.bias"), random(rng, &[width_out], 0.0, 0.3)?);
        Result::<()>::Ok(())
    };
    let attentions =
        [("encoder", "self_attn"), ("decoder", "self_attn"), ("decoder", "encoder_attn")];
    for layer in 0..LAYERS {
        for (side, attention) in attentions {
            for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                let name = format!("model.{side}.layers.{layer}.{attention}.{part}");
                linear(&mut tensors, name, D_MODEL, D_MODEL)?;
            }
        }
        for side in ["encoder", "decoder"] {
            let name = format!("model.{side}.layers.{layer}");
            linear(&mut tensors, format!("{name}.fc1"), D_MODEL, D_FF)?;
            linear(&mut tensors, format!("{name}.fc2"), D_FF, D_MODEL)?;
        }
    }
    for layer in 0..LAYERS {
        for (side, block) in
            attentions.into_iter().chain([("encoder", "final"), ("decoder", "final")])
        {
            let name = format!("model.{side}.layers.{layer}.{block}_layer_norm");
            tensors.insert(format!("{name}.weight"), random(rng, &[D_MODEL], 1.0, 0.3)?);
            tensors.insert(format!("{name}.bias"), random(rng, &[D_MODEL], 0.0, 0.3)?);
        }
    }
    tensors.insert("model.shared.weight".into(), random(rng, &[VOCAB, D_MODEL], 0.0, 0.4)?);
    let bias: Vec<f32> = (0..VOCAB as u32).map(said).collect();
    let noise = random(rng, &[1, VOCAB], 0.0, 0.3)?;
    let bias = (noise + Tensor::from_vec(bias, (1, VOCAB), &Device::Cpu)?)?;
    tensors.insert("final_logits_bias".into(), bias);
    Ok(tensors)
}

fn marian(tensors: &HashMap<String, Tensor>) -> Result<MTModel> {
    let config = MarianConfig {
        vocab_size: VOCAB,
        decoder_vocab_size: None,
        max_position_embeddings: 64,
        encoder_layers: LAYERS,
        encoder_ffn_dim: D_FF,
        encoder_attention_heads: 2,
        decoder_layers: LAYERS,
        decoder_ffn_dim: D_FF,
        decoder_attention_heads: 2,
        use_cache: true,
        is_encoder_decoder: true,
        activation_function: MarianActivation::Swish,
        d_model: D_MODEL,
        decoder_start_token_id: MARIAN_PADDING,
        scale_embedding: true,
        pad_token_id: MARIAN_PADDING,
        eos_token_id: MARIAN_END,
        forced_eos_token_id: MARIAN_END,
        share_encoder_decoder_embeddings: true,
    };
    let vb = VarBuilder::from_tensors(tensors.clone(), DType::F32, &Device::Cpu);
    Ok(MTModel::new(&config, vb)?)
}

/// Our model with Marian's weights under our names.
fn ours(tensors: &HashMap<String, Tensor>) -> Result<TranslationModel> {
    let config = TranslationConfig {
        vocab_size: VOCAB,
        d_model: D_MODEL,
        num_heads: 2,
        encoder_layers: LAYERS,
        decoder_layers: LAYERS,
        d_ff: D_FF,
        activation: Activation::Silu,
        norm: NormPlacement::Post,
        max_positions: 64,
        output_bias: true,
        moe: None,
        ..TranslationConfig::default()
    };
    let mut renamed = BTreeMap::new();
    renamed.insert("embedding.weight".to_string(), tensors["model.shared.weight"].clone());
    renamed.insert("output_bias".into(), tensors["final_logits_bias"].flatten_all()?);
    for (side, layer) in
        ["encoder", "decoder"].into_iter().flat_map(|s| (0..LAYERS).map(move |l| (s, l)))
    {
        let mut take = |ours: &str, theirs: &[&str]| -> Result<()> {
            for kind in ["weight", "bias"] {
                let of =
                    |name: &&str| &tensors[&format!("model.{side}.layers.{layer}.{name}.{kind}")];
                let parts: Vec<&Tensor> = theirs.iter().map(of).collect();
                renamed.insert(format!("{side}.{layer}.{ours}.{kind}"), Tensor::cat(&parts, 0)?);
            }
            Ok(())
        };
        take("attention.qkv", &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"])?;
        take("attention.out", &["self_attn.out_proj"])?;
        take("attention_norm", &["self_attn_layer_norm"])?;
        take("feed_forward.up", &["fc1"])?;
        take("feed_forward.down", &["fc2"])?;
        take("feed_forward_norm", &["final_layer_norm"])?;
        if side == "decoder" {
            take("cross.query", &["encoder_attn.q_proj"])?;
            take("cross.kv", &["encoder_attn.k_proj", "encoder_attn.v_proj"])?;
            take("cross.out", &["encoder_attn.out_proj"])?;
            take("cross_norm", &["encoder_attn_layer_norm"])?;
        }
    }
    let params = ParamStore::from_tensors(&Device::Cpu, renamed);
    let register = Register::for_pairs(&[("fr".into(), "en".into())], 0, 0, &[]);
    Ok(TranslationModel::new(&config, &register, &params)?)
}

/// Sentences of different lengths, ending as Marian's do.
fn sources(seed: u64) -> Vec<Vec<u32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sentence = |length: usize| -> Vec<u32> {
        (0..length).map(|_| rng.random_range(1..MARIAN_PADDING)).chain([MARIAN_END]).collect()
    };
    [1, 9, 4, 14, 6, 2].map(&mut sentence).into()
}

fn contexts() -> [Context; 2] {
    let mut composite = Context::inference(Precision::F32);
    composite.composite = true;
    [Context::inference(Precision::F32), composite]
}

fn assert_close(what: &str, ours: &Tensor, theirs: &Tensor) -> Result<()> {
    assert_eq!(ours.dims(), theirs.dims(), "{what}");
    let difference = (ours - theirs)?.abs()?.max_all()?.to_scalar::<f32>()?;
    let scale = theirs.abs()?.max_all()?.to_scalar::<f32>()?;
    assert!(scale > 0.1, "{what}: all values are near zero, which shows nothing");
    assert!(difference < 2e-5 * scale, "{what}: off by {difference} of {scale}");
    Ok(())
}

fn column(ids: &[u32]) -> Result<Tensor> {
    Ok(Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?) // (1, T)
}

#[test]
fn the_encoder_and_the_logits_of_every_step_are_those_of_marian() -> Result<()> {
    let tensors = checkpoint(1, |_| 0.0)?;
    let (mut marian, ours, sources) = (marian(&tensors)?, ours(&tensors)?, sources(2));
    let layout = Ragged::contiguous(&sources.iter().map(Vec::len).collect::<Vec<_>>());
    let routes = vec![RowRoute::default(); sources.len()];
    let sentences: Vec<usize> = (0..sources.len()).collect();
    let rows = StepRows { sentences: &sentences, routes: &routes };
    for context in contexts() {
        let encoded = ours.encode(&sources.concat(), &layout, &routes, &context)?;
        let mut theirs = Vec::new();
        for (i, source) in sources.iter().enumerate() {
            marian.reset_kv_cache();
            let memory = marian.encoder().forward(&column(source)?, 0)?; // (1, S, D)
            let rows = encoded.memory.narrow(0, layout.offsets()[i], source.len())?;
            assert_close(&format!("encoder output of sentence {i}"), &rows, &memory.i(0)?)?;
            theirs.push(memory);
        }

        // The same tokens are said in all sentences: what is compared is the logits.
        let said = [MARIAN_PADDING, 7, 3, 19, 7, 30, 1, 22];
        let mut cache = ours.start(&encoded, &context)?;
        let mut steps = Vec::new();
        for &token in &said {
            let ids = vec![token; sources.len()];
            let hidden = ours.step(&ids, &rows, &mut cache, &context)?.hidden;
            steps.push(ours.logits(&hidden, &context)?); // (R, V)
        }
        for (i, memory) in theirs.iter().enumerate() {
            marian.reset_kv_cache();
            for (t, &token) in said.iter().enumerate() {
                let logits = marian.decode(&column(&[token])?, memory, t)?; // (1, 1, V)
                let what = format!("logits of sentence {i}, step {t}");
                assert_close(&what, &steps[t].i(i)?, &logits.i((0, 0))?)?;
            }
        }
    }
    Ok(())
}

/// Greedy search over Marian's decoder; says nothing below `end`.
fn greedy(marian: &mut MTModel, source: &[u32], start: u32, end: u32) -> Result<Vec<u32>> {
    marian.reset_kv_cache();
    let memory = marian.encoder().forward(&column(source)?, 0)?;
    marian.reset_kv_cache();
    let (mut said, mut next) = (Vec::new(), start);
    while said.len() < LONGEST {
        let logits = marian.decode(&column(&[next])?, &memory, said.len())?.i((0, 0))?; // (V,)
        let allowed = logits.narrow(0, end as usize, VOCAB - end as usize)?;
        next = end + allowed.argmax(D::Minus1)?.to_scalar::<u32>()?;
        if next == end {
            break;
        }
        said.push(next);
    }
    Ok(said)
}

/// Compares greedy searches, in a batch and one by one; returns the lengths of the targets.
fn compare_greedy(tensors: &HashMap<String, Tensor>, start: u32, end: u32) -> Result<Vec<usize>> {
    let (mut marian, ours, sources) = (marian(tensors)?, ours(tensors)?, sources(3));
    let theirs: Vec<Vec<u32>> = sources
        .iter()
        .map(|source| greedy(&mut marian, source, start, end))
        .collect::<Result<_>>()?;
    let config = SearchConfig { max_ratio: 0.0, max_extra: LONGEST, ..SearchConfig::greedy() };
    let (routes, starts) =
        (vec![RowRoute::default(); sources.len()], vec![vec![start]; sources.len()]);
    let sentences =
        Sentences { routes: &routes, starts: &starts, outputs: &Outputs::from_end(end) };
    let layout = Ragged::contiguous(&sources.iter().map(Vec::len).collect::<Vec<_>>());
    for context in contexts() {
        let encoded = ours.encode(&sources.concat(), &layout, &routes, &context)?;
        let found = search(&ours, &encoded, &sentences, &config, &context)?;
        let found: Vec<Vec<u32>> = found.into_iter().map(|best| best[0].tokens.clone()).collect();
        assert_eq!(found, theirs);
    }
    Ok(theirs.iter().map(Vec::len).collect())
}

#[test]
fn greedy_search_says_what_marian_says() -> Result<()> {
    // Marian's tokens: the padding is never said (`bad_words_ids` of its published configurations).
    let (mut ended, mut cut) = (0, 0);
    for seed in 0..8 {
        let bias = |token| match token {
            MARIAN_END => seed as f32 * 0.4, // from sentences that never end to such that hardly begin
            MARIAN_PADDING => -1e4,
            _ => 0.0,
        };
        let lengths = compare_greedy(&checkpoint(seed, bias)?, MARIAN_PADDING, MARIAN_END)?;
        ended += lengths.iter().filter(|&&length| length < LONGEST).count();
        cut += lengths.iter().filter(|&&length| length == LONGEST).count();
    }
    assert!(ended > 0 && cut > 0, "{ended} ended and {cut} were cut: both should occur");
    Ok(())
}

#[test]
fn greedy_search_leaves_reserved_tokens_out() -> Result<()> {
    // Our tokens: reserved ones below the end, which Marian without a mask would say.
    const END: u32 = 7;
    let tensors = checkpoint(5, |token| if token < END { 3.0 } else { 0.0 })?;
    let said = greedy(&mut marian(&tensors)?, &sources(3)[1], 2, 0)?;
    assert!(said.iter().any(|&token| token < END), "the mask has something to do: {said:?}");
    compare_greedy(&tensors, 2, END)?;
    Ok(())
}
