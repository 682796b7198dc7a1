//! In a model of which one expert learns, no matrix product is spent on any other weight's gradient.
//! (A process of its own, because all threads count together.)

use anyhow::Result;
use candle::Device;
use dragoman_core::{
    config::{MoeConfig, TranslationConfig},
    context::{Context, Training},
    kernels::{counters, matmul::Precision},
    models::translation::{Example, TranslationBatch, TranslationModel},
    params::ParamStore,
    register::{ExpertEntry, ExpertKind, Register, RowRoute},
};

#[test]
fn frozen_weights_cost_no_products() -> Result<()> {
    let config = TranslationConfig {
        vocab_size: 40,
        d_model: 16,
        num_heads: 2,
        encoder_layers: 3,
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
    };
    let pairs = [("en".to_string(), "de".to_string())];
    let example = Example {
        route: RowRoute { route: 0, domains: 1 }, // with the domain
        source: vec![9, 10, 7],
        target: vec![2, 11],
        labels: vec![11, 7],
    };
    let batch = TranslationBatch::new(&[example.clone(), example], None);
    let mut counts = Vec::new();
    for (layers, lora, all) in [
        (&["encoder.2", "decoder.1"][..], None, false),
        (&["encoder.2", "decoder.1"], Some(2), false),
        (&["decoder.1"], None, false),
        (&["encoder.2", "decoder.1"], None, true),
    ] {
        let mut register = Register::for_pairs(&pairs, 4, 8, &config.moe_layers());
        let layers: Vec<String> = layers.iter().map(ToString::to_string).collect();
        let mut entry = ExpertEntry::new("domain.it".into(), ExpertKind::Domain, &layers, 8);
        (entry.routes, entry.lora) = (vec!["en-de".into()], lora);
        register.experts.push(entry);
        let params = ParamStore::new(&Device::Cpu, 1);
        let model = TranslationModel::new(&config, &register, &params)?;
        let learns = |name: &str| all || name.starts_with("experts.domain.it.");
        params.iter().for_each(|param| param.set_trainable(learns(param.name())));
        let training = Training { seed: 5, step: 1, dropout: 0.0, expert_dropout: 0.0 };
        let mut context = Context::training(Precision::F32, training);
        context.only_experts = !all;
        let before = counters::weight_gradients();
        model.forward(&batch, &context)?.hidden.sqr()?.sum_all()?.backward()?;
        counts.push(counters::weight_gradients() - before);
        let with_grad: Vec<String> =
            params.iter().filter(|p| p.has_grad()).map(|p| p.name().into()).collect();
        assert!(with_grad.iter().all(|name| learns(name)), "{with_grad:?}");
    }
    // Two matrices in each layer, and four of a low-rank one.
    assert_eq!(counts[..3], [4, 8, 2]);
    assert!(counts[3] > 20, "the whole model: {counts:?}");
    Ok(())
}
