//! Experts that come to a finished model: they start without a difference, change nothing for
//! those who do not ask for them, and are all that learns.

use anyhow::Result;
use candle::{Device, Tensor};
use dragoman_core::{
    config::{MoeConfig, TranslationConfig},
    context::{Context, Training},
    decoding::search::{Hypothesis, SearchConfig, Sentences, search},
    directory::{Files, Fresh, Loaded, TranslationParts, WeightFormat, save_translation},
    kernels::matmul::Precision,
    models::translation::{Example, TranslationBatch, TranslationModel},
    params::ParamStore,
    ragged::Ragged,
    register::{ExpertEntry, ExpertKind, LanguageTag, Register, Route, RowRoute},
    tokenizer::{END, Tokenizer},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FRESH: Fresh<'_> = Fresh { device: &Device::Cpu, seed: 1 };
const LAYERS: [&str; 4] = ["encoder.0", "encoder.1", "decoder.0", "decoder.1"];

/// A model with random weights, from English to German and French, on disk.
fn base(folder: &std::path::Path) -> Result<Files> {
    let tokenizer = Tokenizer::from_pieces(&["en", "de", "fr"], &[" ".into()], Vec::new())?;
    let config = TranslationConfig {
        vocab_size: tokenizer.vocab_size(),
        d_model: 16,
        num_heads: 2,
        encoder_layers: 2,
        decoder_layers: 2,
        d_ff: 24,
        max_positions: 60,
        moe: Some(MoeConfig {
            encoder_freq: 2,
            decoder_freq: 2,
            top_k: 2,
            shared_d_ff: 12,
            routing: None,
        }),
        ..TranslationConfig::default()
    };
    let pairs = [("en", "de"), ("en", "fr")].map(|(a, b)| (a.into(), b.into()));
    let register = Register::for_pairs(&pairs, 4, 12, &config.moe_layers());
    let params = ParamStore::new(&Device::Cpu, 5);
    TranslationModel::new(&config, &register, &params)?;
    let parts = TranslationParts { config: &config, register: &register, vocabulary: &tokenizer };
    save_translation(folder, parts, &params, WeightFormat::F32)?;
    Ok(Files::Folder(folder.into()))
}

fn domain(name: &str, lora: Option<usize>) -> ExpertEntry {
    let layers = LAYERS.map(String::from);
    let entry = ExpertEntry::new(name.into(), ExpertKind::Domain, &layers, 10);
    ExpertEntry { routes: vec!["en-de".into(), "en-fr".into()], lora, ..entry }
}

/// The expert and the route from English to Italian, which take after those to German.
fn italian() -> (ExpertEntry, Route) {
    let layers = LAYERS.map(String::from);
    let mut entry = ExpertEntry::new("pair.en-it".into(), ExpertKind::Pair, &layers, 20);
    entry.parent = Some("pair.en-de".into());
    entry.tag = Some(LanguageTag { language: "it".into(), id: 40 });
    let group = ["pair.en-it", "free.0", "free.1", "free.2", "free.3"].map(String::from);
    let (source, target) = ("en".into(), "it".into());
    (
        entry,
        Route { name: "en-it".into(), source, target, group: group.to_vec(), ..Route::default() },
    )
}

/// What the model makes of three sentences that take these `routes`, with what is in front of targets.
fn outputs(loaded: &Loaded, routes: &[RowRoute], tag: u32) -> Result<Vec<Hypothesis>> {
    let sentences =
        [vec![tag, 100, 101, 102, END], vec![tag, 90, END], vec![tag, 110, 120, 90, END]];
    let sentences: Vec<&Vec<u32>> = sentences.iter().cycle().take(routes.len()).collect();
    let lengths: Vec<usize> = sentences.iter().map(|ids| ids.len()).collect();
    let ids: Vec<u32> = sentences.into_iter().flatten().copied().collect();
    let context = Context::inference(Precision::Bf16);
    let encoded = loaded.model.encode(&ids, &Ragged::contiguous(&lengths), routes, &context)?;
    let starts = vec![vec![tag]; routes.len()];
    let outputs = loaded.vocabulary.outputs();
    let sentences = Sentences { routes, starts: &starts, outputs };
    let found = search(&loaded.model, &encoded, &sentences, &SearchConfig::greedy(), &context)?;
    Ok(found.into_iter().map(|mut found| found.swap_remove(0)).collect())
}

/// Gives every weight of the expert something to say.
fn stir(loaded: &Loaded, expert: &str) -> Result<()> {
    // Seeded: with other numbers a token might visit other experts, and this one none.
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for param in loaded.params.iter().filter(|param| param.name().contains(expert)) {
        let values: Vec<f32> =
            (0..param.elem_count()).map(|_| rng.random_range(-0.7..0.7)).collect();
        param.set(&Tensor::from_vec(values, param.shape(), &Device::Cpu)?)?;
    }
    Ok(())
}

#[test]
fn a_new_expert_starts_without_a_difference() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let files = base(folder.path())?;
    let german = files.load_translation(&Device::Cpu)?.vocabulary.frame("en", "de")?.start[0];
    for lora in [None, Some(3)] {
        let loaded = files.load_with(&domain("domain.it", lora), &[], FRESH)?;
        let route = loaded.register.row_route(0, &["domain.it".into()]);
        assert_eq!(route, RowRoute { route: 0, domains: 1 });
        let (with, without) =
            (outputs(&loaded, &[route; 3], german)?, outputs(&loaded, &[0.into(); 3], german)?);
        assert_eq!(with, without, "{lora:?}");
        stir(&loaded, "domain.it")?;
        let with = outputs(&loaded, &[route; 3], german)?;
        assert!(
            with.iter().zip(&without).all(|(a, b)| a != b),
            "{lora:?}: it has something to say"
        );
        assert_eq!(
            outputs(&loaded, &[0.into(); 3], german)?,
            without,
            "{lora:?}: but not to others"
        );
    }
    let (entry, route) = italian();
    let loaded = files.load_with(&entry, &[route], FRESH)?;
    assert_eq!(loaded.vocabulary.frame("en", "it")?.start, [40]);
    let before = outputs(&loaded, &[0.into(); 3], german)?;
    assert_eq!(outputs(&loaded, &[2.into(); 3], 40)?, before, "Italian starts as German");
    stir(&loaded, "pair.en-it")?;
    assert_ne!(outputs(&loaded, &[2.into(); 3], 40)?, before);
    assert_eq!(outputs(&loaded, &[0.into(); 3], german)?, before);
    Ok(())
}

#[test]
fn rows_of_one_batch_ask_for_different_domains() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let files = base(folder.path())?;
    for (first, second) in [(None, None), (None, Some(3)), (Some(3), Some(2))] {
        let one = files.load_with(&domain("domain.it", first), &[], FRESH)?;
        let mut register = one.register.clone();
        let law = ExpertEntry { routes: vec!["en-de".into()], ..domain("domain.law", second) };
        register.experts.push(law);
        let params = ParamStore::from_tensors(&Device::Cpu, one.params.tensors()?);
        let params = params.growing("experts.domain.law", 2);
        let model = TranslationModel::new(one.model.config(), &register, &params)?;
        let loaded = Loaded { model, params, register, ..one };
        stir(&loaded, "domain.")?;
        let both = ["domain.it".to_string(), "domain.law".to_string()];
        let route = |domains: &[String]| loaded.register.row_route(0, domains);
        let routes = [&both[..1], &[], &both, &both[1..], &[]].map(route);
        let of_french = |domains: &[String]| loaded.register.row_route(1, domains);
        assert_eq!(of_french(&both), of_french(&both[..1]));
        let together = outputs(&loaded, &routes, 5)?;
        for (i, (&route, together)) in routes.iter().zip(&together).enumerate() {
            let alone = outputs(&loaded, &vec![route; i + 1], 5)?;
            assert_eq!(&alone[i], together, "sentence {i}");
        }
    }
    Ok(())
}

/// A batch of two sentences that take these `routes`.
fn batch(routes: [RowRoute; 2], tag: u32) -> TranslationBatch {
    let example = |(route, length): (RowRoute, u32)| {
        let labels: Vec<u32> = (0..length).map(|i| 90 + 7 * i % 40).chain([END]).collect();
        let target = [&[tag], &labels[..labels.len() - 1]].concat();
        Example {
            route,
            source: (0..length + 2).map(|i| 80 + i).chain([END, tag]).collect(),
            target,
            labels,
        }
    };
    TranslationBatch::new(&[(routes[0], 40), (routes[1], 25)].map(example), None)
}

/// The gradients of all weights that learn, by name.
fn gradients(
    loaded: &Loaded,
    batch: &TranslationBatch,
    composite: bool,
) -> Result<Vec<(String, Vec<f32>)>> {
    loaded.params.zero_grads();
    let training = Training { seed: 5, step: 1, dropout: 0.0, expert_dropout: 0.0 };
    let mut context = Context::training(Precision::F32, training);
    (context.composite, context.only_experts) = (composite, true);
    let hidden = loaded.model.forward(batch, &context)?.hidden;
    let (rows, width) = hidden.dims2()?;
    let factors: Vec<f32> = (0..rows * width).map(|i| (i as f32 * 0.7).sin()).collect();
    let loss = (hidden * Tensor::from_vec(factors, (rows, width), &Device::Cpu)?)?.sum_all()?;
    loaded.params.collect(&loss.backward()?)?;
    let own = loaded.params.iter().filter(|param| param.has_grad());
    Ok(own.map(|param| (param.name().into(), param.with_grad(|grad| grad.to_vec()))).collect())
}

#[test]
fn only_the_new_expert_learns_and_both_forms_agree() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let files = base(folder.path())?;
    let (pair, route) = italian();
    let it = |route| RowRoute { route, domains: 1 };
    for (entry, new_routes, routes, tag) in [
        (domain("domain.it", None), vec![], [it(0), 0.into()], 4),
        (domain("domain.it", Some(3)), vec![], [it(0), it(1)], 4),
        (pair, vec![route], [2.into(); 2], 40),
    ] {
        let loaded = files.load_with(&entry, &new_routes, FRESH)?;
        stir(&loaded, &entry.name)?;
        let prefix = format!("experts.{}.", entry.name);
        loaded.params.iter().for_each(|p| p.set_trainable(p.name().starts_with(&prefix)));
        let batch = batch(routes, tag);
        let (ours, theirs) =
            (gradients(&loaded, &batch, false)?, gradients(&loaded, &batch, true)?);
        let all = loaded.params.iter().filter(|p| p.name().starts_with(&prefix)).count();
        assert_eq!(ours.len(), all, "a gradient for each weight of {} and no other", entry.name);
        for ((name, ours), (other, theirs)) in ours.iter().zip(&theirs) {
            assert_eq!(name, other);
            let scale = theirs.iter().fold(1e-4f32, |max, x| max.max(x.abs()));
            let size = ours.iter().map(|x| x.abs()).sum::<f32>() / ours.len() as f32;
            assert!(size > 1e-7, "the gradient of `{name}` is {size:e}");
            for (a, b) in ours.iter().zip(theirs) {
                assert!((a - b).abs() <= 2e-3 * scale, "{name}: {a} is not {b}");
            }
        }
    }
    Ok(())
}
