//! What the recommendation service gathered, as a log to train on.

use std::{
    collections::{BTreeSet, HashMap},
    io::{BufRead, BufReader, Read},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use dragoman_core::recommend::{self, Event, labels};
use dragoman_data::interactions::{Interactions, User};
use dragoman_store::{Feedback, Item, Store, Timestamp};
use serde::Deserialize;
use serde_json::Value;

/// Time a server has for its answer to begin.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Rows of a snapshot, as they come.
#[derive(Debug, Default)]
struct Rows {
    users: Vec<User>,
    items: Vec<recommend::Item>,
    events: Vec<Row>,
}

/// An event by names.
#[derive(Debug)]
struct Row {
    user: String,
    item: String,
    kind: String,
    value: f64,
    time: Timestamp,
}

/// A feedback row of a snapshot.
#[derive(Debug, Deserialize)]
struct Full {
    #[serde(flatten)]
    row: Feedback,
    #[serde(rename = "Events")]
    events: Vec<(Timestamp, f64)>,
}

/// The log of `tenant` in `place`: the folder of a store, the address of a database, or that of a running
/// server.
pub(crate) fn interactions(
    place: &str,
    tenant: &str,
    admin_key: Option<&str>,
) -> anyhow::Result<Interactions> {
    let rows = match place.starts_with("http://") || place.starts_with("https://") {
        true => read(BufReader::new(snapshot(place, Some(tenant), admin_key)?)),
        false => of_folder(Path::new(place), tenant),
    };
    let shown = Store::shown(Path::new(place));
    let shown = shown.display();
    let log = rows.with_context(|| format!("reading what `{shown}` gathered"))?.log();
    ensure!(!log.is_empty(), "nothing happened yet in the tenant `{tenant}` of `{shown}`");
    Ok(log)
}

fn of_folder(folder: &Path, tenant: &str) -> anyhow::Result<Rows> {
    let is_there = folder.is_dir() || Store::is_address(folder);
    ensure!(is_there, "there is no such folder; a server's address starts with http://");
    let store = Store::open(folder)
        .context("while a server has it open, give the server's address instead")?
        .tenant(tenant)?;
    let mut rows = Rows::default();
    for user in store.users("") {
        let user = user?;
        rows.users.push(User { labels: labels::flatten(&user.labels), id: user.user_id });
    }
    for item in store.items("") {
        rows.items.push(described(item?));
    }
    for event in store.events() {
        let event = event?;
        rows.events.push(Row {
            user: event.user_id,
            item: event.item_id,
            kind: event.feedback_type,
            value: event.value,
            time: event.time,
        });
    }
    Ok(rows)
}

/// The snapshot that a running server gives to whoever has its admin key, of one tenant or of all.
pub(crate) fn snapshot(
    url: &str,
    tenant: Option<&str>,
    admin_key: Option<&str>,
) -> anyhow::Result<impl Read + use<>> {
    let Some(key) = admin_key else {
        bail!("a server's store wants its admin key: `--admin-key KEY` or DRAGOMAN_ADMIN_KEY");
    };
    let agent = ureq::Agent::config_builder()
        .timeout_recv_response(Some(TIMEOUT))
        .http_status_as_error(false)
        .build()
        .new_agent();
    let address = format!("{}/admin/store", url.trim_end_matches('/'));
    let mut request = agent.get(&address);
    if let Some(tenant) = tenant {
        request = request.query("tenant", tenant);
    }
    let reply = request
        .header("Authorization", format!("Bearer {key}"))
        .call()
        .with_context(|| format!("asking {address}"))?;
    let status = reply.status();
    if status == 400 {
        bail!("{address} knows no tenant `{}`", tenant.unwrap_or("default"));
    }
    ensure!(
        status == 200,
        "{address} answers {status}; is the admin key right, and set on the server?"
    );
    Ok(reply.into_body().into_with_config().limit(u64::MAX).reader())
}

fn read(reader: impl BufRead) -> anyhow::Result<Rows> {
    let mut rows = Rows::default();
    for line in reader.lines() {
        let row: Value = serde_json::from_str(&line?)?;
        match row["kind"].as_str().unwrap_or_default() {
            "user" => {
                let user: dragoman_store::User = serde_json::from_value(row)?;
                rows.users.push(User { labels: labels::flatten(&user.labels), id: user.user_id });
            }
            "item" => {
                let item: Item = serde_json::from_value(row)?;
                rows.items.push(described(item));
            }
            "feedback" => {
                let Full { row, events } = serde_json::from_value(row)?;
                rows.events.extend(events.into_iter().map(|(time, value)| Row {
                    user: row.user_id.clone(),
                    item: row.item_id.clone(),
                    kind: row.feedback_type.clone(),
                    value,
                    time,
                }));
            }
            _ => {}
        }
    }
    Ok(rows)
}

/// `item` as models know items: as the server describes it to them.
fn described(item: Item) -> recommend::Item {
    recommend::Item {
        categories: item.categories,
        time: if item.timestamp.is_zero() { 0 } else { item.timestamp.seconds },
        ..recommend::Item::described(item.item_id, &item.labels, &item.comment)
    }
}

impl Rows {
    /// The log, in the order that logs have: users and items by identifier, events by time. What
    /// has not happened yet is left out.
    fn log(mut self) -> Interactions {
        let now = Timestamp::now();
        self.events.retain(|event| event.time <= now);
        self.events.sort_by(|a, b| (a.time, &a.user, &a.item).cmp(&(b.time, &b.user, &b.item)));
        self.users.sort_by(|a, b| a.id.cmp(&b.id));
        let is_number = |id: &str| id.parse::<u64>().is_ok();
        match self.items.iter().all(|item| is_number(&item.id)) {
            true => self.items.sort_by_key(|item| item.id.parse::<u64>().unwrap_or_default()),
            false => self.items.sort_by(|a, b| a.id.cmp(&b.id)),
        }
        let kinds: BTreeSet<String> = self.events.iter().map(|event| event.kind.clone()).collect();
        let kinds: Vec<String> = kinds.into_iter().collect();

        let numbers = |ids: Vec<&str>| -> HashMap<String, u32> {
            let numbered = ids.into_iter().zip(0u32..);
            numbered.map(|(id, number)| (id.to_owned(), number)).collect()
        };
        let users = numbers(self.users.iter().map(|user| user.id.as_str()).collect());
        let items = numbers(self.items.iter().map(|item| item.id.as_str()).collect());
        let event = |row: Row| {
            let kind = kinds.iter().position(|kind| *kind == row.kind)?;
            let event = Event {
                item: *items.get(&row.item)?,
                kind: u16::try_from(kind).ok()?,
                value: if row.value == 0.0 { 1.0 } else { row.value as f32 },
                time: row.time.seconds,
            };
            Some((*users.get(&row.user)?, event))
        };
        let events: Vec<(u32, Event)> = self.events.into_iter().filter_map(event).collect();
        Interactions::new(self.users, self.items, kinds, events)
    }
}

#[cfg(test)]
mod tests {
    use dragoman_store::{Insert, Mode};

    use super::*;

    #[test]
    fn a_folder_and_its_snapshot_are_the_same_log() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let row = |user: &str, item: &str, kind: &str, seconds| Feedback {
            feedback_type: kind.into(),
            user_id: user.into(),
            item_id: item.into(),
            timestamp: Timestamp::from_seconds(seconds),
            ..Feedback::default()
        };
        let far = Timestamp::now().seconds + 1_000_000;
        let rows = [row("u", "b", "view", 2), row("v", "b", "buy", 1), row("v", "a", "view", far)];
        let tenant = store.tenant("default")?;
        tenant.put_feedback(&rows, Mode::Add, Insert::BOTH)?;
        tenant.put_feedback(&[row("u", "b", "view", 9)], Mode::Add, Insert::BOTH)?;
        let mut snapshot = Vec::new();
        store.export_one("default", &mut snapshot)?;
        let from_snapshot = read(snapshot.as_slice())?.log();
        drop((store, tenant));

        let place = dir.path().to_string_lossy().into_owned();
        let log = interactions(&place, "default", None)?;
        assert_eq!(log, from_snapshot);
        assert_eq!(
            (log.kinds.as_slice(), log.len()),
            (["buy", "view"].map(String::from).as_slice(), 3)
        );
        let times: Vec<i64> = log.histories[0].iter().map(|event| event.time).collect();
        assert_eq!((log.users[0].id.as_str(), times), ("u", vec![2, 9]), "repeats are there");
        Ok(())
    }
}
