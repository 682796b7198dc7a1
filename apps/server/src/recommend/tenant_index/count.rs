//! Which events count for popularity, and how the count follows what is written.
//!
//! An event counts if its feedback row says, as it stands now, that the user likes the item, and if
//! its time has come.

use dragoman_store::{Change, Event, Item, Result, Tenant, Timestamp, Written};

use super::{Ahead, CHUNK, Lists, TenantIndex};
use crate::recommend::{item_index::ItemIndex, neighbours::Gathered, settings::Settings};

impl Lists {
    /// Reads what `tenant` holds into `items`, which is empty, and what its users liked last.
    pub(super) fn read(
        tenant: &Tenant,
        settings: &Settings,
        items: ItemIndex,
    ) -> Result<(Self, Gathered)> {
        let mut lists = Self { items, ahead: Ahead::new(), now: Timestamp::now() };
        for item in tenant.items("") {
            lists.items.put(&item?);
        }
        let mut gathered = Gathered::default();
        let mut events = tenant.events();
        loop {
            let chunk: Vec<Event> = events.by_ref().take(CHUNK).collect::<Result<_>>()?;
            if chunk.is_empty() {
                break;
            }
            let liked = settings.likes_each(tenant, &chunk)?;
            for (event, is_liked) in chunk.iter().zip(liked) {
                if is_liked {
                    lists.count(settings, event, 1.0);
                }
                if event.time <= lists.now {
                    let liked = is_liked.then(|| lists.items.number(&event.item_id)).flatten();
                    gathered.add(event, liked);
                }
            }
        }
        Ok((lists, gathered))
    }

    /// Whether an event waits to be counted whose time has come by `now`.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.ahead.first_key_value().is_some_and(|((time, ..), ())| *time <= now)
    }

    /// Counts the events whose time has come by `now`; returns their users and items.
    pub(super) fn count_due(
        &mut self,
        settings: &Settings,
        now: Timestamp,
    ) -> Vec<(String, String)> {
        self.now = self.now.max(now);
        let mut counted = Vec::new();
        while self.is_due(self.now)
            && let Some(((time, user_id, item_id, feedback_type), ())) = self.ahead.pop_first()
        {
            counted.push((user_id.clone(), item_id.clone()));
            let event = Event { user_id, item_id, feedback_type, value: 0.0, time };
            self.count(settings, &event, 1.0);
        }
        counted
    }

    /// Counts a liked event, or with `sign` −1 takes it back.
    pub(super) fn count(&mut self, settings: &Settings, event: &Event, sign: f64) {
        if sign < 0.0 && self.ahead.remove(&key(event)).is_some() {
            return; // it did not count yet
        }
        if event.time > self.now {
            self.ahead.insert(key(event), ());
        } else if let Some(number) = self.items.number(&event.item_id) {
            let weight = sign * settings.weight(&event.feedback_type);
            self.items.touch(number, weight, event.time.seconds);
        }
    }

    /// Forgets an event of the future.
    pub(super) fn forget_ahead(&mut self, event: &Event) {
        self.ahead.remove(&key(event));
    }
}

fn key(event: &Event) -> (Timestamp, String, String, String) {
    let Event { user_id, item_id, feedback_type, time, .. } = event;
    (*time, user_id.clone(), item_id.clone(), feedback_type.clone())
}

impl TenantIndex {
    /// Those of `events` that count.
    pub(super) fn liked_events(
        &self,
        events: impl Iterator<Item = Result<Event>>,
    ) -> Result<Vec<Event>> {
        let mut liked = Vec::new();
        for event in events {
            let event = event?;
            if self.settings.likes(&self.tenant, &event)? {
                liked.push(event);
            }
        }
        Ok(liked)
    }

    /// Takes those of `gone` back that were counted: they are among `liked`.
    pub(super) fn uncount(&self, liked: &[Event], gone: &[Event]) {
        let gone_keys: std::collections::HashSet<_> = gone.iter().map(key).collect();
        self.change(|lists| {
            for event in liked.iter().filter(|event| gone_keys.contains(&key(event))) {
                lists.count(&self.settings, event, -1.0);
            }
        });
        self.forget_neighbours(gone);
    }

    /// Brings the lists up to what was written, where each row was written once.
    pub(super) fn count(&self, written: &Written) -> Result<()> {
        let mut counts = Vec::new();
        for change in &written.changes {
            self.counts(change, &mut counts)?;
        }
        let mut unknown = Vec::new();
        {
            let lists = self.lists.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            for change in &written.changes {
                // Made by this write, or by an import past the lists.
                if lists.items.number(&change.event.item_id).is_none() {
                    unknown.push(change.event.item_id.as_str());
                }
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        let items: Vec<Item> = self.tenant.items_of(&unknown)?.into_iter().flatten().collect();
        self.change(|lists| {
            lists.now = lists.now.max(Timestamp::now());
            for item in &items {
                lists.items.put(item);
            }
            for (event, sign) in &counts {
                lists.count(&self.settings, event, *sign);
            }
        });
        self.forget_neighbours(written.changes.iter().map(|change| &change.event));
        Ok(())
    }

    /// The events that a change of a row adds to the count, and those that it takes back.
    fn counts(&self, change: &Change, counts: &mut Vec<(Event, f64)>) -> Result<()> {
        let Change { event, is_new, removed, before, after } = change;
        let kind = event.feedback_type.as_str();
        let was_liked = before.is_some_and(|before| self.settings.is_positive(kind, before));
        let is_liked = self.settings.is_positive(kind, *after);
        let others = || self.others(event);
        match (was_liked, is_liked) {
            (true, true) => {
                counts.extend(removed.iter().map(|event| (event.clone(), -1.0)));
                counts.extend(is_new.then(|| (event.clone(), 1.0)));
            }
            (true, false) => {
                counts.extend(removed.iter().map(|event| (event.clone(), -1.0)));
                counts.extend((!is_new).then(|| (event.clone(), -1.0)));
                counts.extend(others()?.into_iter().map(|event| (event, -1.0)));
            }
            (false, true) if before.is_none() => counts.push((event.clone(), 1.0)), // the first one
            (false, true) => {
                counts.push((event.clone(), 1.0));
                counts.extend(others()?.into_iter().map(|event| (event, 1.0)));
            }
            (false, false) => {}
        }
        Ok(())
    }

    /// The other events of the row of `event`.
    fn others(&self, event: &Event) -> Result<Vec<Event>> {
        let Event { user_id, item_id, feedback_type, time, .. } = event;
        let mut events = self.tenant.events_of(user_id, item_id, feedback_type)?;
        events.retain(|other| other.time != *time);
        Ok(events)
    }
}
