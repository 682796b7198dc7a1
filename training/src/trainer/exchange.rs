//! What ranks tell each other in a step, besides gradients and weights.

use std::fmt::Write;

use dragoman_core::collective::{Purpose, Ranks};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error, Result,
    optimizer::Squares,
    task::{ExpertLoad, Figures, Size, add_load},
};

/// What the first rank decides, on all ranks.
pub(super) fn agree<D: Serialize + DeserializeOwned>(
    ranks: &Ranks,
    decide: impl FnOnce() -> D,
) -> Result<D> {
    if ranks.is_alone() {
        return Ok(decide());
    }
    let decision = match ranks.is_first() {
        true => serde_json::to_vec(&decide())?,
        false => Vec::new(),
    };
    Ok(serde_json::from_slice(&ranks.broadcast(&decision)?)?)
}

/// The size of a step, whose micro-batches here are of the sizes `own`; and whether any rank was asked
/// to stop.
pub(super) fn sizes(ranks: &Ranks, own: &[Size], stopped: bool) -> Result<(Size, bool)> {
    let sum = |sizes: &mut dyn Iterator<Item = Size>| {
        sizes.fold(Size::default(), |sum, size| Size {
            inputs: sum.inputs + size.inputs,
            labels: sum.labels + size.labels,
        })
    };
    let own = sum(&mut own.iter().copied());
    if ranks.is_alone() {
        return Ok((own, stopped));
    }
    let said: Vec<(usize, usize, bool)> = said_by_all(ranks, &(own.inputs, own.labels, stopped))?;
    let sizes = &mut said.iter().map(|&(inputs, labels, _)| Size { inputs, labels });
    Ok((sum(sizes), said.iter().any(|&(_, _, stopped)| stopped)))
}

/// What came of a step.
#[derive(Debug, Default)]
pub(super) struct OfStep {
    /// Of each micro-batch, in their order.
    pub(super) figures: Vec<Figures>,
    pub(super) load: ExpertLoad,
    /// In the order of the norm.
    pub(super) squares: Vec<Squares>,
}

/// The same as it travels: numbers by their bits, which JSON would not keep.
#[derive(Serialize, Deserialize)]
struct Sent {
    figures: Vec<[u64; 7]>,
    load: ExpertLoad,
    squares: Vec<(u8, String, u64)>,
}

impl OfStep {
    /// Of all ranks together.
    pub(super) fn of_all(self, ranks: &Ranks) -> Result<Self> {
        if ranks.is_alone() {
            return Ok(self);
        }
        let squares = self.squares.into_iter();
        let sent = Sent {
            figures: self
                .figures
                .iter()
                .map(|figures| numbers(figures).map(f64::to_bits))
                .collect(),
            load: self.load, // whole numbers
            squares: squares.map(|part| (part.group, part.name, part.sum.to_bits())).collect(),
        };
        let mut all = Self::default();
        for sent in said_by_all::<_, Sent>(ranks, &sent)? {
            all.figures.extend(sent.figures.iter().map(|bits| figures(bits.map(f64::from_bits))));
            add_load(&mut all.load, sent.load);
            let squares = sent.squares.into_iter();
            all.squares.extend(squares.map(|(group, name, bits)| Squares {
                group,
                name,
                sum: f64::from_bits(bits),
            }));
        }
        all.squares.sort_by(|a, b| (a.group, &a.name).cmp(&(b.group, &b.name)));
        Ok(all)
    }
}

/// What each rank says, in their order.
pub(super) fn said_by_all<S: Serialize, D: DeserializeOwned>(
    ranks: &Ranks,
    own: &S,
) -> Result<Vec<D>> {
    let said = ranks.all_gather_bytes(Purpose::Statistics, &serde_json::to_vec(own)?)?;
    said.iter().map(|said| serde_json::from_slice(said).map_err(Error::from)).collect()
}

fn numbers(figures: &Figures) -> [f64; 7] {
    let Figures { labels, total, loss, nll, correct, balance, router_z } = *figures;
    [labels, total, loss, nll, correct, balance, router_z]
}

fn figures([labels, total, loss, nll, correct, balance, router_z]: [f64; 7]) -> Figures {
    Figures { labels, total, loss, nll, correct, balance, router_z }
}

/// What this rank sent in a step of the session, on average over `steps`, as a sentence.
pub(super) fn traffic(ranks: &Ranks, steps: u64) -> String {
    let per_step = 1.0 / steps.max(1) as f64;
    let mut line = format!("rank {} of {} sent in a step", ranks.rank(), ranks.size());
    for (i, (purpose, traffic)) in ranks.traffic().into_iter().enumerate() {
        let (bytes, seconds) = (traffic.bytes as f64, traffic.time.as_secs_f64());
        let (kilobytes, milliseconds) = (bytes * per_step / 1e3, seconds * per_step * 1e3);
        let comma = if i == 0 { ' ' } else { ',' };
        let space = if i == 0 { "" } else { " " };
        // Writing to a string does not fail.
        write!(line, "{comma}{space}{purpose} {kilobytes:.1} kB in {milliseconds:.2} ms").ok();
    }
    line
}

#[cfg(test)]
mod tests {
    use std::thread;

    use dragoman_core::collective::{Threads, threads};

    use super::*;

    #[test]
    fn a_step_of_two_ranks_is_that_of_one() -> Result<()> {
        let figures = |loss: f64| Figures { labels: 2.0, loss, ..Figures::default() };
        let run = |rank: Threads| {
            let ranks = Ranks::new(rank);
            let (first, name) = match ranks.rank() {
                0 => (0.1, "b"),
                _ => (0.3, "a"),
            };
            let load = [("expert".to_string(), 2.0)];
            let squares = Squares { group: 0, name: name.into(), sum: first };
            let own = OfStep {
                figures: vec![figures(first), figures(1.0 / 3.0)],
                load: ExpertLoad::from([("layer".to_string(), load.into())]),
                squares: vec![squares],
            };
            own.of_all(&ranks)
        };
        let all: Result<Vec<OfStep>> = thread::scope(|scope| {
            let handles: Vec<_> =
                threads(2).into_iter().map(|rank| scope.spawn(move || run(rank))).collect();
            handles.into_iter().map(|handle| handle.join().expect("no rank panics")).collect()
        });
        for of_step in all? {
            let losses: Vec<f64> = of_step.figures.iter().map(|figures| figures.loss).collect();
            assert_eq!(losses, [0.1, 1.0 / 3.0, 0.3, 1.0 / 3.0]);
            assert_eq!(of_step.load["layer"]["expert"], 4.0);
            let names: Vec<&str> = of_step.squares.iter().map(|part| part.name.as_str()).collect();
            assert_eq!(names, ["a", "b"]);
        }
        Ok(())
    }
}
