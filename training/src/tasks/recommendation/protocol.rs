//! What a run keeps from the model, to choose the best weights by.

use std::{collections::HashMap, io::Read, path::Path};

use dragoman_core::recommend::Event;
use dragoman_data::interactions::{Interactions, User, split::Split};

use crate::{Error, Result};

/// What a run keeps from the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Protocol {
    /// The newest events: `1 - quantile` of all for the test, a tenth of the rest to choose by.
    Time {
        /// Share of the events before the test.
        quantile: f64,
    },
    /// Everybody's last event for the test, and the one before to choose by.
    LeaveOneOut,
    /// The newest tenth to choose by, and nothing for a test.
    All,
}

/// Next items of some users, by which the best weights are chosen.
#[derive(Debug, Clone, Default)]
pub struct NextItems {
    /// Histories whose next items are known.
    pub histories: Interactions,
    /// Next items of each user of `histories`; those without any are passed over.
    pub targets: Vec<Vec<u32>>,
    /// The moment they are asked for; none if it is that of the last event.
    pub now: Option<i64>,
}

/// A log without what is kept from the model, what it is chosen by, and a second log to learn from
/// in the end, if that is another one.
pub(super) type Stages = (Interactions, NextItems, Option<Interactions>);

impl Protocol {
    /// What is learned from while settings are chosen, what they are chosen by, and what is learned
    /// from in the end.
    pub(super) fn stages(self, log: &Interactions) -> Result<Stages> {
        let (split, now, last) = match self {
            Self::Time { quantile } => {
                let cuts = log.cuts(quantile)?;
                let split = log.split_at(cuts.valid, Some(cuts.test));
                (split, Some(cuts.valid), Some(log.before(cuts.test)))
            }
            Self::All if log.has_times => {
                let cuts = log.cuts(0.9)?;
                (log.split_at(cuts.test, None), Some(cuts.test), Some(log.clone()))
            }
            Self::All => (log.leave_one_out(0), None, Some(log.clone())),
            // The papers never give the event to choose by back to the model.
            Self::LeaveOneOut => (log.leave_one_out(0).train.leave_one_out(0), None, None),
        };
        let Split { train, targets } = split;
        let items = |events: &Vec<Event>| events.iter().map(|event| event.item).collect();
        let targets = targets.iter().map(items).collect();
        let dev = NextItems { histories: train.clone(), targets, now };
        Ok((train, dev, last))
    }
}

impl NextItems {
    /// Reads histories and their next items, a line of items for each user, by the items of `log`.
    /// Targets that it does not know are passed over.
    pub fn from_files(histories: &Path, targets: &Path, log: &Interactions) -> Result<Self> {
        let index: HashMap<&str, u32> =
            log.items.iter().map(|item| item.id.as_str()).zip(0..).collect();
        let read = |path: &Path| -> Result<Vec<Vec<u32>>> {
            let ids = |line: &str| {
                line.split_whitespace().filter_map(|id| index.get(id).copied()).collect()
            };
            Ok(text(path)?.lines().map(ids).collect())
        };
        let (before, after) = (read(histories)?, read(targets)?);
        if before.len() != after.len() {
            let reason = format!("{} lines beside {} histories", after.len(), before.len());
            return Err(Error::Config { path: targets.into(), reason });
        }
        let users = (0..before.len()).map(|i| User { id: i.to_string(), labels: Vec::new() });
        let event = |&item: &u32| Event { item, kind: 0, value: 1.0, time: 0 };
        let events = (0..)
            .zip(&before)
            .flat_map(|(user, items)| items.iter().map(move |item| (user, event(item))));
        let (items, kinds) = (log.items.clone(), log.kinds.clone());
        let histories = Interactions::new(users.collect(), items, kinds, events);
        Ok(Self { histories, targets: after, now: None })
    }
}

/// The text of a file, which may be packed as `.gz`.
fn text(path: &Path) -> Result<String> {
    let mut text = String::new();
    let mut file = fs_err::File::open(path)?;
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text)?,
        false => file.read_to_string(&mut text)?,
    };
    Ok(text)
}
