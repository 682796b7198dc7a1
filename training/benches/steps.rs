//! Steps of training: the whole model beside one expert of it. Throughput in target tokens.
//!
//! ```sh
//! CANDLE_BARRIER_POOL_SPIN_LIMIT=10 MIMALLOC_PURGE_DELAY=-1 cargo bench --workspace --bench steps
//! ```

use std::hint::black_box;

use candle::Device;
use divan::{Bencher, counter::ItemsCount};
use dragoman_core::{
    config::{MoeConfig, TranslationConfig},
    context::{Context, Training},
    kernels::matmul::Precision,
    models::translation::{Example, TranslationBatch, TranslationModel},
    params::{Param, ParamStore},
    register::{ExpertEntry, ExpertKind, Register, RowRoute},
    tokenizer::END,
};
use dragoman_training::{
    Result,
    config::OptimizerConfig,
    loss::OutputLoss,
    optimizer::{AdamW, Optimizer},
};

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// What learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Learning {
    Everything,
    /// A domain's expert of this inner width, in all layers.
    Domain(usize),
    /// A language pair's expert, twice as wide as its parent, which is the default.
    Pair,
    /// A domain's low-rank expert.
    LowRank,
}

/// The expert that is new.
const NEW: &str = "new";
const SENTENCES: u32 = 80;
const LENGTH: u32 = 24;

/// A model of the bundled shape with a domain expert, and what learns of it.
fn model(learning: Learning) -> Result<(TranslationModel, ParamStore)> {
    let config = TranslationConfig {
        encoder_layers: 4,
        max_positions: 256,
        moe: Some(MoeConfig {
            encoder_freq: 2,
            decoder_freq: 2,
            top_k: 2,
            shared_d_ff: 512,
            routing: None,
        }),
        ..TranslationConfig::default()
    };
    let pairs = ["de", "fr", "es", "nl"].map(|code| ("en".to_string(), code.to_string()));
    let mut register = Register::for_pairs(&pairs, 4, 256, &config.moe_layers());
    let layers = ["encoder.0", "encoder.1", "encoder.2", "encoder.3", "decoder.0", "decoder.1"];
    let layers = layers.map(String::from);
    match learning {
        Learning::Everything => {}
        Learning::Domain(_) | Learning::LowRank => {
            let width = if let Learning::Domain(width) = learning { width } else { 512 };
            let mut entry = ExpertEntry::new(NEW.into(), ExpertKind::Domain, &layers, width);
            entry.routes = register.routes.iter().map(|route| route.name.clone()).collect();
            entry.lora = (learning == Learning::LowRank).then_some(16);
            register.experts.push(entry);
        }
        Learning::Pair => {
            let mut route = register.routes[0].clone();
            (route.name, route.target) = ("en-it".into(), "it".into());
            route.group.retain(|name| !name.starts_with("pair."));
            route.group.push(NEW.into());
            register.experts.push(ExpertEntry::new(NEW.into(), ExpertKind::Pair, &layers, 512));
            register.routes.push(route);
        }
    }
    let params = ParamStore::new(&Device::Cpu, 1);
    let model = TranslationModel::new(&config, &register, &params)?;
    if learning != Learning::Everything {
        let own = |param: &Param| param.name().starts_with(&format!("experts.{NEW}."));
        params.iter().for_each(|param| param.set_trainable(own(&param)));
    }
    Ok((model, params))
}

fn batch(learning: Learning) -> TranslationBatch {
    let example = |i: u32| {
        let word = |t: u32| 400 + (i * 7919 + t * 104_729) % 7000;
        let source = (0..LENGTH).map(word).chain([END]).collect();
        let labels: Vec<u32> = (0..LENGTH).map(word).chain([END]).collect();
        let target = [&[3], &labels[..labels.len() - 1]].concat();
        let route = match learning {
            Learning::Everything => RowRoute::from(i % 4),
            Learning::Domain(_) | Learning::LowRank => RowRoute { route: i % 4, domains: 1 },
            Learning::Pair => RowRoute::from(4),
        };
        Example { route, source, target, labels }
    };
    TranslationBatch::new(&(0..SENTENCES).map(example).collect::<Vec<_>>(), None)
}

const ALL: [Learning; 5] = [
    Learning::Everything,
    Learning::Domain(512),
    Learning::Domain(256),
    Learning::Pair,
    Learning::LowRank,
];

#[divan::bench(args = ALL, sample_count = 12, sample_size = 1)]
fn step(bencher: Bencher<'_, '_>, learning: Learning) {
    let (model, params) = model(learning).expect("the shape is valid");
    let learns = params.subset(Param::is_trainable);
    let mut optimizer = AdamW::new(OptimizerConfig::default(), &learns).expect("on the CPU");
    let (batch, mut number) = (batch(learning), 0);
    let mut step = || -> Result<()> {
        number += 1;
        let training = Training { seed: 1, step: number, dropout: 0.1, expert_dropout: 0.0 };
        let mut context = Context::training(Precision::Bf16, training);
        context.only_experts = learning != Learning::Everything;
        let output = model.forward(&batch, &context)?;
        let loss = OutputLoss {
            weight: model.output_weight().clone(),
            bias: model.output_bias().cloned(),
            first_output: END,
            label_smoothing: 0.1,
            scale: 1.0 / batch.labels.len() as f32,
            precision: Precision::Bf16,
            shortlist: None,
            bonuses: Default::default(),
        };
        let (loss, _) = loss.forward(&output.hidden, &batch.labels)?;
        optimizer.collect(&learns, &loss.backward()?)?;
        optimizer.step(&learns, 1e-4)?;
        Ok(())
    };
    let tokens = ItemsCount::new(batch.labels.len());
    bencher.counter(tokens).bench_local(|| black_box(step()).expect("a step is made"));
}
