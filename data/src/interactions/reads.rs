//! Feedback that says only that a user saw an item, such as Gorse's `read_feedback_types`.

use dragoman_core::recommend::Event;

use super::Interactions;

impl Interactions {
    /// The log in which feedback of `kinds` is no event any more but what users saw, and so is neither
    /// learned from as a choice nor a target. Kinds that the log does not have are named in a warning.
    #[must_use]
    pub fn with_read_feedback(mut self, kinds: &[String]) -> Self {
        let unknown: Vec<&str> = (kinds.iter().map(String::as_str))
            .filter(|kind| !self.kinds.iter().any(|known| known == kind))
            .collect();
        if !unknown.is_empty() {
            tracing::warn!("the log has no feedback of the kind {}", unknown.join(", "));
        }
        let mut kept = Vec::new();
        let place = |kind: &String| {
            (!kinds.contains(kind)).then(|| {
                kept.push(kind.clone());
                kept.len() as u16 - 1
            })
        };
        let places: Vec<Option<u16>> = self.kinds.iter().map(place).collect();
        if places.iter().all(Option::is_some) {
            return self;
        }
        self.reads.resize_with(self.users.len(), Vec::new);
        for (history, reads) in self.histories.iter_mut().zip(&mut self.reads) {
            let (events, read): (Vec<Event>, Vec<Event>) =
                history.iter().partition(|event| places[usize::from(event.kind)].is_some());
            let kind_of = |event: Event| places[usize::from(event.kind)].unwrap_or_default();
            *history =
                events.into_iter().map(|event| Event { kind: kind_of(event), ..event }).collect();
            reads.extend(read.into_iter().map(|event| Event { kind: 0, ..event }));
            reads.sort_by_key(|event| event.time);
        }
        if kept.is_empty() {
            kept.push(String::new()); // there is a kind always
        }
        self.kinds = kept;
        self
    }

    /// What `user` saw, oldest first.
    pub fn reads_of(&self, user: usize) -> &[Event] {
        self.reads.get(user).map_or(&[], Vec::as_slice)
    }

    /// The items that `user` saw before `time`.
    pub fn read_before(&self, user: usize, time: i64) -> Vec<u32> {
        let reads = self.reads_of(user).iter().take_while(|event| event.time < time);
        let mut items: Vec<u32> = reads.map(|event| event.item).collect();
        items.sort_unstable();
        items.dedup();
        items
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::super::*;

    /// Anna reads two items and buys one; the same in each format that has kinds.
    const FILES: [(&str, &str); 3] = [
        (
            "events.csv",
            "user,item,event_type,time\nanna,a,read,10\nanna,b,read,11\nanna,b,buy,12\nbob,a,buy,20\n",
        ),
        (
            "gorse.jsonl",
            r#"{"FeedbackType":"read","UserId":"anna","ItemId":"a","Timestamp":"1970-01-01T00:00:10Z"}
{"FeedbackType":"read","UserId":"anna","ItemId":"b","Timestamp":"1970-01-01T00:00:11Z"}
{"FeedbackType":"buy","UserId":"anna","ItemId":"b","Timestamp":"1970-01-01T00:00:12Z"}
{"FeedbackType":"buy","UserId":"bob","ItemId":"a","Timestamp":"1970-01-01T00:00:20Z"}
"#,
        ),
        (
            "export.jsonl",
            r#"{"kind":"store","version":1}
{"kind":"feedback","tenant":"t","FeedbackType":"read","UserId":"anna","ItemId":"a","Events":[["1970-01-01T00:00:10Z",1]]}
{"kind":"feedback","tenant":"t","FeedbackType":"read","UserId":"anna","ItemId":"b","Events":[["1970-01-01T00:00:11Z",1]]}
{"kind":"feedback","tenant":"t","FeedbackType":"buy","UserId":"anna","ItemId":"b","Events":[["1970-01-01T00:00:12Z",1]]}
{"kind":"feedback","tenant":"t","FeedbackType":"buy","UserId":"bob","ItemId":"a","Events":[["1970-01-01T00:00:20Z",1]]}
"#,
        ),
    ];

    #[test]
    fn what_was_only_read_is_no_event_whatever_the_format() -> Result<()> {
        for (name, text) in FILES {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join(name);
            fs_err::write(&path, text)?;
            let (log, faults) = Interactions::load(&path)?;
            assert_eq!((faults.count, log.len()), (0, 4), "{name}: {faults:?}");
            assert_eq!(log.clone().with_read_feedback(&[]), log, "{name}");

            let log = log.with_read_feedback(&["read".into()]);
            assert_eq!(
                (log.kinds.as_slice(), log.len()),
                (["buy".to_owned()].as_slice(), 2),
                "{name}"
            );
            let items =
                |events: &[Event]| events.iter().map(|e| (e.item, e.time)).collect::<Vec<_>>();
            assert_eq!(items(&log.histories[0]), [(1, 12)], "{name}");
            assert_eq!(items(log.reads_of(0)), [(0, 10), (1, 11)], "{name}");
            assert_eq!(log.reads_of(1), [], "{name}");
            assert_eq!((log.read_before(0, 11), log.read_before(0, 99)), (vec![0], vec![0, 1]));

            // A log until a moment holds what was read until then.
            assert_eq!(items(log.before(11).reads_of(0)), [(0, 10)], "{name}");
            assert_eq!(
                items(log.split_at(12, None).train.reads_of(0)),
                [(0, 10), (1, 11)],
                "{name}"
            );
        }
        Ok(())
    }

    #[test]
    fn the_last_event_is_no_item_that_was_read_in_vain() {
        let event = |item, kind, time| (0, Event { item, kind, value: 1.0, time });
        let items = (0..6).map(|id| Item { id: id.to_string(), ..Item::default() }).collect();
        let log = Interactions::new(
            vec![User::default()],
            items,
            vec!["buy".into(), "read".into()],
            [
                event(0, 0, 1),
                event(1, 0, 2),
                event(2, 0, 9),
                event(2, 1, 8),
                event(3, 1, 7),
                event(4, 1, 10),
            ],
        );
        let split = log.with_read_feedback(&["read".into()]).leave_one_out(0);
        assert_eq!(split.targets[0][0].item, 2);
        let left: Vec<u32> = split.train.reads_of(0).iter().map(|event| event.item).collect();
        assert_eq!(left, [3], "neither the target nor what was read after it");
    }
}
