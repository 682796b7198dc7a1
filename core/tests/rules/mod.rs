//! Small translation models of every published rule, and sentences for them.

use anyhow::Result;
use candle::Device;
use dragoman_core::{
    config::{MoeConfig, TranslationConfig},
    models::translation::{Example, TranslationBatch, TranslationModel},
    moe::Routing,
    params::ParamStore,
    register::Register,
    tokenizer::Tokenizer,
};

/// Experts of a rule.
const EXPERTS: usize = 4;
/// Rules for encoder and decoder.
pub(crate) const ANYWHERE: [&str; 8] = [
    r#"{ "kind": "switch" }"#,
    r#"{ "kind": "gshard", "second_expert": "all", "eval_capacity": { "fraction": 0.25 } }"#,
    r#"{ "kind": "mixtral" }"#,
    r#"{ "kind": "deepseek_v2", "top_k": 2, "n_group": 2, "topk_group": 1 }"#,
    r#"{ "kind": "deepseek_v3", "top_k": 2, "n_group": 2, "topk_group": 1 }"#,
    r#"{ "kind": "hash" }"#,
    r#"{ "kind": "hierarchical", "num_groups": 2, "top_groups": 2, "top_k": 1 }"#,
    r#"{ "kind": "adaptive" }"#,
];
/// Rules that look at all tokens of a sentence.
pub(crate) const ENCODER_ONLY: [&str; 2] =
    [r#"{ "kind": "expert_choice" }"#, r#"{ "kind": "soft" }"#];

fn pairs() -> [(String, String); 2] {
    [("en", "de"), ("de", "en")].map(|(source, target)| (source.into(), target.into()))
}

/// Letters, and tags of two languages.
pub(crate) fn tokenizer() -> Result<Tokenizer> {
    let letters: Vec<String> = ('a'..='z').map(String::from).collect();
    Ok(Tokenizer::from_pieces(&["en", "de"], &letters, Vec::new())?)
}

/// A small model of the rule, with experts in the decoder if `decoder_freq` is not 0.
pub(crate) fn config(routing: &str, decoder_freq: usize) -> Result<TranslationConfig> {
    let routing: Routing = serde_json::from_str(routing)?;
    let moe = MoeConfig {
        encoder_freq: 1,
        decoder_freq,
        shared_d_ff: 8,
        routing: Some(routing),
        ..MoeConfig::default()
    };
    Ok(TranslationConfig {
        vocab_size: tokenizer()?.vocab_size(),
        d_model: 16,
        num_heads: 2,
        encoder_layers: 1,
        decoder_layers: 1,
        d_ff: 24,
        max_positions: 40,
        moe: Some(moe),
        ..TranslationConfig::default()
    })
}

/// The model, with weights from chance.
pub(crate) fn model(
    config: &TranslationConfig,
) -> Result<(TranslationModel, ParamStore, Register)> {
    let register = Register::for_all(&pairs(), EXPERTS, 12, &config.moe_layers());
    let params = ParamStore::new(&Device::Cpu, 1);
    let model = TranslationModel::new(config, &register, &params)?;
    Ok((model, params, register))
}

/// Every rule with the models it may stand in.
pub(crate) fn configs() -> Result<Vec<TranslationConfig>> {
    let anywhere = ANYWHERE.iter().map(|routing| config(routing, 1));
    anywhere.chain(ENCODER_ONLY.iter().map(|routing| config(routing, 0))).collect()
}

/// Pairs whose tokens differ, so that every expert has visitors.
pub(crate) fn batch(vocab_size: usize) -> TranslationBatch {
    let token = |i: usize| (330 + i * 7 % (vocab_size - 330)) as u32;
    let example = |i: usize| {
        let words: Vec<u32> = (0..12).map(|t| token(i * 31 + t)).collect();
        let route = ((i % 2) as u32).into();
        Example { route, source: words.clone(), target: words.clone(), labels: words }
    };
    TranslationBatch::new(&(0..16).map(example).collect::<Vec<_>>(), None)
}
