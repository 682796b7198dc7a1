//! Traces: which experts the tokens of a text visited.

use super::{LegTask, Translator, search::Answer};
use crate::{
    decoding::search::TokenVisits,
    moe::LayerRouting,
    ragged::Ragged,
    translate::{LayerTrace, Leg, TokenTrace, Visit},
    vocabulary::Side,
};

impl Translator {
    /// The tokens of a text with the experts that each of them visited.
    pub(super) fn leg(&self, task: &LegTask<'_>, answers: &[Answer<'_>]) -> Leg {
        let (mut source, mut target) = (Vec::new(), Vec::new());
        for Answer { piece, hypotheses, visits } in answers {
            let visits = visits.get(task.frame.before.len()..).unwrap_or_default();
            let tokens = piece.ids.iter().zip(visits);
            source.extend(tokens.map(|(&id, visits)| self.token(Side::Source, id, visits)));
            if let Some(best) = hypotheses.first() {
                let tokens = best.tokens.iter().zip(&best.visits);
                target.extend(tokens.map(|(&id, visits)| self.token(Side::Target, id, visits)));
            }
        }
        Leg { route: task.name.clone(), source, target }
    }

    fn token(&self, side: Side, id: u32, visits: &TokenVisits) -> TokenTrace {
        let visit = |(name, weight): &(String, f32)| Visit { name: name.clone(), weight: *weight };
        let layer = |(layer, visits): &(String, Vec<(String, f32)>)| LayerTrace {
            layer: layer.clone(),
            experts: visits.iter().map(visit).collect(),
        };
        let text = self.vocabulary.token(side, id).unwrap_or_default();
        TokenTrace { text, layers: visits.iter().map(layer).collect() }
    }
}

/// The visits of every token of every sentence.
pub(super) fn source_visits(
    routing: &[LayerRouting],
    layout: &Ragged,
    trace: bool,
) -> Vec<Vec<TokenVisits>> {
    if !trace {
        return vec![Vec::new(); layout.len()];
    }
    let of_row = |row: usize| -> TokenVisits {
        let named = |layer: &LayerRouting| {
            let visits = layer.visits[row].iter();
            visits.map(|&(e, weight)| (layer.experts[e].clone(), weight)).collect()
        };
        routing.iter().map(|layer| (layer.layer.clone(), named(layer))).collect()
    };
    let of_sentence = |pair: &[usize]| (pair[0]..pair[1]).map(of_row).collect();
    layout.offsets().windows(2).map(of_sentence).collect()
}
