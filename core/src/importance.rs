//! Which experts a model needs for some sentences (Koishekenov et al. 2023).

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    register::{ExpertKind, Register},
    translate::Translation,
};

/// How much of `keep` the encoder gets, and the decoder: the former suffers more from the loss of experts.
const SHARES: [(&str, f64); 2] = [("encoder.", 1.5), ("decoder.", 0.5)];
/// Experts of a layer that stay at least: as many as a token visits.
const LEAST: usize = 2;

/// How much weight the tokens of some sentences gave to each expert of each layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Importance {
    weights: BTreeMap<(String, String), f64>,
}

impl Importance {
    /// Adds what the tokens of traced translations visited, of the source and of what was said.
    pub fn add(&mut self, translations: &[Translation]) {
        let legs = translations.iter().flat_map(|translation| &translation.legs);
        let tokens = legs.flat_map(|leg| leg.source.iter().chain(&leg.target));
        for layer in tokens.flat_map(|token| &token.layers) {
            for visit in &layer.experts {
                let key = (layer.layer.clone(), visit.name.clone());
                *self.weights.entry(key).or_default() += f64::from(visit.weight);
            }
        }
    }

    /// The names of the experts to keep: of each layer the most important, one half more than the share
    /// `keep` of them in the encoder and half as many in the decoder; and all that were added.
    pub fn most_important(&self, register: &Register, keep: f64) -> BTreeSet<String> {
        let mut layers: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
        let (free, added): (Vec<_>, Vec<_>) =
            register.experts.iter().partition(|expert| expert.kind == ExpertKind::Free);
        for expert in free {
            for layer in &expert.layers {
                layers.entry(layer).or_default().push(&expert.name);
            }
        }
        let mut kept: BTreeSet<String> =
            added.into_iter().map(|expert| expert.name.clone()).collect();
        for (layer, mut experts) in layers {
            let side = SHARES.iter().find(|(side, _)| layer.starts_with(side));
            let share = keep * side.map_or(1.0, |(_, share)| *share);
            let count = (share * experts.len() as f64).round() as usize;
            let weight = |name: &String| {
                self.weights.get(&(layer.clone(), name.clone())).copied().unwrap_or_default()
            };
            experts.sort_by(|a, b| weight(b).total_cmp(&weight(a))); // equal ones in their order
            kept.extend(experts.into_iter().take(count.max(LEAST)).cloned());
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        register::ExpertEntry,
        translate::{LayerTrace, Leg, TokenTrace, Visit},
    };

    #[test]
    fn the_encoder_keeps_three_times_what_the_decoder_keeps() {
        let mut register = Register::default();
        for (layer, i) in
            ["encoder.1", "decoder.1"].into_iter().flat_map(|l| (0..8).map(move |i| (l, i)))
        {
            let name = format!("free.{layer}-{i}");
            register.experts.push(ExpertEntry::new(name, ExpertKind::Free, &[layer.into()], 4));
        }
        let visit = |layer: &str, i: usize, weight| LayerTrace {
            layer: layer.into(),
            experts: vec![Visit { name: format!("free.{layer}-{i}"), weight }],
        };
        let token = |layers| TokenTrace { text: String::new(), layers };
        let source = vec![
            token(vec![visit("encoder.1", 6, 0.9)]),
            token(vec![visit("encoder.1", 2, 0.5)]),
            token(vec![visit("encoder.1", 2, 0.6)]),
        ];
        let target = vec![token(vec![visit("decoder.1", 5, 1.0)])];
        let leg = Leg { route: String::new(), source, target };
        let mut importance = Importance::default();
        importance.add(&[Translation { hypotheses: Vec::new(), legs: vec![leg] }]);
        let kept = importance.most_important(&register, 0.25);
        let expected = ["decoder.1-0", "decoder.1-5", "encoder.1-0", "encoder.1-2", "encoder.1-6"];
        assert_eq!(
            kept.into_iter().collect::<Vec<_>>(),
            expected.map(|name| format!("free.{name}"))
        );
        assert_eq!(importance.most_important(&register, 1.0).len(), 8 + 4);
    }
}
