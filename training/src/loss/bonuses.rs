//! What is added to the logits of single rows before the softmax.

/// Outputs of each row that get a bonus, in nats.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bonuses {
    /// Where the outputs of each row end.
    ends: Vec<usize>,
    outputs: Vec<(u32, f32)>,
}

impl Bonuses {
    /// Adds the next row.
    pub fn push(&mut self, outputs: &[(u32, f32)]) {
        self.outputs.extend_from_slice(outputs);
        self.ends.push(self.outputs.len());
    }

    /// Adds rows without a bonus up to row `row`.
    pub fn skip_to(&mut self, row: usize) {
        self.ends.resize(row.max(self.ends.len()), self.outputs.len());
    }

    /// Whether no row has any.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    /// The outputs that get one in any row.
    pub(super) fn outputs(&self) -> impl Iterator<Item = u32> + '_ {
        self.outputs.iter().map(|(output, _)| *output)
    }

    /// The same with the number that each output has in `places`.
    pub(super) fn renumbered(&self, places: &[u32]) -> Self {
        let outputs = self.outputs.iter().map(|&(id, bonus)| (places[id as usize], bonus));
        Self { ends: self.ends.clone(), outputs: outputs.collect() }
    }

    /// Adds them to `logits` `(n, width)`, whose first row is row `first` of all.
    pub(super) fn add(&self, first: usize, logits: &mut [f32], width: usize) {
        for (row, logits) in (first..).zip(logits.chunks_exact_mut(width)) {
            let Some(&end) = self.ends.get(row) else { return };
            let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
            for &(output, bonus) in &self.outputs[start..end] {
                logits[output as usize] += bonus;
            }
        }
    }
}
