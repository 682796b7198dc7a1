//! A log as a finished model reads it.

use std::collections::HashMap;

use dragoman_core::recommend::{Catalogue, Event};
use dragoman_data::interactions::Interactions;

/// A log with the items and kinds of a model, by their index there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mapped {
    /// The log.
    pub(super) log: Interactions,
    /// Events that are left out, because the model does not know their item.
    pub(super) unknown: usize,
}

impl Mapped {
    /// Finds the items of `log` in `catalogue` by their identifiers; kinds that the model does not
    /// know count as its first, as they do in a server.
    pub(super) fn new(log: &Interactions, catalogue: &Catalogue) -> Self {
        let known: HashMap<&str, u32> = catalogue
            .items
            .iter()
            .zip(0..)
            .map(|(item, place)| (item.id.as_str(), place))
            .collect();
        let items: Vec<Option<u32>> =
            log.items.iter().map(|item| known.get(item.id.as_str()).copied()).collect();
        let kind_of = |name: &String| catalogue.kinds.iter().position(|kind| kind == name);
        let kinds: Vec<u16> =
            log.kinds.iter().map(|name| kind_of(name).unwrap_or(0) as u16).collect();
        let event = |event: &Event| {
            let kind = kinds.get(usize::from(event.kind)).copied().unwrap_or(0);
            Some(Event { item: items[event.item as usize]?, kind, ..*event })
        };
        let histories: Vec<Vec<Event>> = log
            .histories
            .iter()
            .map(|history| history.iter().filter_map(event).collect())
            .collect();
        let unknown = log.len() - histories.iter().map(Vec::len).sum::<usize>();
        let log = Interactions {
            users: log.users.clone(),
            items: catalogue.items.clone(),
            kinds: catalogue.kinds.clone(),
            histories,
            reads: Vec::new(),
            has_times: log.has_times,
        };
        Self { log, unknown }
    }
}

#[cfg(test)]
mod tests {
    use dragoman_core::recommend::Item;
    use dragoman_data::interactions::User;

    use super::*;

    #[test]
    fn items_are_found_by_their_identifiers_and_others_are_counted() {
        let items = |ids: &[&str]| -> Vec<Item> {
            ids.iter().map(|&id| Item { id: id.into(), ..Item::default() }).collect()
        };
        let event = |item, kind| (0, Event { item, kind, value: 1.0, time: i64::from(item) });
        let log = Interactions::new(
            vec![User::default()],
            items(&["a", "b", "new"]),
            vec!["buy".into(), "view".into()],
            [event(0, 0), event(1, 1), event(2, 1)],
        );
        let kinds = vec!["view".into(), "buy".into()];
        let catalogue = Catalogue { items: items(&["b", "a"]), kinds, ..Catalogue::default() };
        let Mapped { log, unknown } = Mapped::new(&log, &catalogue);
        let found: Vec<_> = log.events().map(|event| (event.item, event.kind)).collect();
        assert_eq!((found, unknown), (vec![(1, 1), (0, 0)], 1));
        assert_eq!(log.items.len(), 2);
    }
}
