//! How many weights a token is multiplied with.

use dragoman_core::config::TranslationConfig;

use super::ExpertsConfig;
use crate::report::log::ModelSize;

/// Counts the matrices that take part for one token; norms and biases are left out, as is attention
/// to other tokens.
///
/// The projections of the source into the decoder's keys and values count for the source token.
pub(crate) fn model_size(
    config: &TranslationConfig,
    experts: &ExpertsConfig,
    parameters: usize,
) -> ModelSize {
    let TranslationConfig { d_model, d_ff, encoder_layers, decoder_layers, vocab_size, .. } =
        *config;
    let square = d_model * d_model;
    let matrices = if config.architecture.gated { 3 } else { 2 };
    let moe_layers = config.moe_layers();
    let feed_forward = |side: &str, i: usize| match &config.moe {
        Some(moe) if moe_layers.contains(&format!("{side}.{i}")) => {
            let visits = moe.routing.as_ref().map_or(moe.top_k, |rule| rule.slots(experts.free));
            matrices * d_model * (moe.shared_d_ff + visits * experts.d_ff)
        }
        _ => matrices * d_model * d_ff,
    };
    let encoder: usize = (0..encoder_layers).map(|i| 4 * square + feed_forward("encoder", i)).sum();
    let memory = decoder_layers * 2 * square;
    let decoder: usize = (0..decoder_layers).map(|i| 6 * square + feed_forward("decoder", i)).sum();
    ModelSize {
        parameters: parameters as u64,
        active_encoder_parameters: (encoder + memory) as u64,
        active_decoder_parameters: (decoder + vocab_size * d_model) as u64,
    }
}

#[cfg(test)]
mod tests {
    use dragoman_core::config::MoeConfig;

    use super::*;

    #[test]
    fn the_weights_of_a_small_model_can_be_counted_by_hand() {
        let config = TranslationConfig {
            vocab_size: 100,
            d_model: 10,
            d_ff: 40,
            encoder_layers: 2,
            decoder_layers: 1,
            moe: Some(MoeConfig {
                encoder_freq: 2,
                decoder_freq: 0,
                top_k: 2,
                shared_d_ff: 20,
                routing: None,
            }),
            ..TranslationConfig::default()
        };
        let size = model_size(&config, &ExpertsConfig { free: 4, d_ff: 5 }, 12_345);
        // A dense layer, a layer of experts, and the keys and values of the decoder.
        assert_eq!(size.active_encoder_parameters, (400 + 800) + (400 + 20 * 30) + 200);
        assert_eq!(size.active_decoder_parameters, 600 + 800 + 1000);
        assert_eq!(size.parameters, 12_345);
    }
}
