//! Puts a log together from what the readers find, line by line.

use std::{
    borrow::Cow,
    io::{BufRead, Read},
    path::{Path, PathBuf},
};

use ahash::AHashMap;
use dragoman_core::recommend::{Event, Item};

use super::{ColumnNames, Interactions, User, properties::Properties};
use crate::{Error, Result, corpus::Faults, corpus::input};

/// Bytes of the longest line.
const LONGEST_LINE: u64 = 4 << 20;

/// A log in the making; identifiers have numbers in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Builder {
    users: Numbers<User>,
    items: Numbers<Item>,
    kinds: Numbers<String>,
    histories: Vec<Vec<Event>>,
    /// The time of the latest event; 0 without times.
    latest: i64,
    /// What is said of items at some time.
    pub(super) properties: Properties,
    faults: Faults,
    /// Which column of events is what.
    pub(super) columns: ColumnNames,
    /// Why the file as a whole cannot be read.
    refused: Option<String>,
    /// The tenant of the lines that name one.
    tenant: Option<String>,
}

/// Things with identifiers, numbered.
#[derive(Debug)]
struct Numbers<T> {
    things: Vec<T>,
    by_id: AHashMap<String, u32>,
}

/// One event as a line has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) user: String,
    pub(super) item: String,
    /// Empty where the log has no kinds.
    pub(super) kind: String,
    pub(super) value: f32,
    pub(super) time: i64,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { things: Vec::new(), by_id: AHashMap::new() }
    }
}

impl<T> Numbers<T> {
    /// The number of `id`, which `new` describes if it is met for the first time.
    fn number(&mut self, id: &str, new: impl FnOnce() -> T) -> u32 {
        if let Some(&number) = self.by_id.get(id) {
            return number;
        }
        let number = self.things.len() as u32;
        self.things.push(new());
        self.by_id.insert(id.to_owned(), number);
        number
    }
}

impl Builder {
    /// A builder for events in columns of these names.
    pub(super) fn new(columns: ColumnNames) -> Self {
        Self { columns, ..Self::default() }
    }

    /// Says that the file that is read makes no sense as a whole.
    pub(super) fn refuse(&mut self, reason: &str) {
        self.refused.get_or_insert_with(|| reason.to_owned());
    }

    /// Notes the tenant of a line; identifiers of two tenants mean different things.
    pub(super) fn one_tenant(&mut self, tenant: Option<&str>) -> Result<(), String> {
        let Some(tenant) = tenant else { return Ok(()) };
        let known = self.tenant.get_or_insert_with(|| tenant.to_owned());
        match known == tenant {
            true => Ok(()),
            false => Err(format!(
                "it is of the tenant `{tenant}`, and those before of `{known}`; export one with `--tenant`"
            )),
        }
    }

    /// Reads a file line by line: what `read` refuses is counted as a fault. Lines that are not
    /// UTF-8 are read as ISO 8859-1 in files of older MovieLens sets.
    pub(super) fn each_line(
        &mut self,
        path: &Path,
        mut read: impl FnMut(&mut Self, usize, &str) -> Result<(), String>,
    ) -> Result<()> {
        let is_latin = matches!(input::extension(path).as_deref(), Some("dat" | "item" | "user"));
        let failed = |reason: String| Error::Interactions { path: path.to_owned(), reason };
        let mut reader = input::open(path)?.into_reader();
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            let mut limited = reader.by_ref().take(LONGEST_LINE);
            let length = limited.read_until(b'\n', &mut bytes);
            match length.map_err(|error| failed(error.to_string()))? as u64 {
                0 => break,
                LONGEST_LINE => {
                    return Err(failed(format!("line {number} is too long; this is no log")));
                }
                _ => {}
            }
            let line = match std::str::from_utf8(&bytes) {
                Ok(line) => Ok(Cow::Borrowed(line)),
                Err(_) if is_latin => Ok(bytes.iter().copied().map(char::from).collect()),
                Err(_) => Err("not UTF-8".to_owned()),
            };
            let read = line.and_then(|line: Cow<'_, str>| {
                let line = line.trim_end_matches(['\n', '\r']).trim_start_matches('\u{feff}');
                if line.trim().is_empty() { Ok(()) } else { read(self, number, line) }
            });
            if let Some(reason) = self.refused.take() {
                return Err(failed(reason));
            }
            if let Err(reason) = read {
                self.faults.add(path, number, &reason);
            }
        }
        Ok(())
    }

    /// Counts a row that cannot be read.
    pub(super) fn fault(&mut self, path: &Path, number: usize, reason: &str) {
        self.faults.add(path, number, reason);
    }

    /// Adds an event.
    pub(super) fn event(&mut self, row: Row) -> Result<(), String> {
        if row.user.is_empty() || row.item.is_empty() {
            return Err("the user or the item is empty".into());
        }
        if !row.value.is_finite() {
            return Err(format!("the value {} is not a number", row.value));
        }
        let kinds = self.kinds.things.len();
        let kind = self.kinds.number(&row.kind, || row.kind.clone());
        let kind = u16::try_from(kind).map_err(|_| format!("there are {kinds} kinds already"))?;
        let user = self.users.number(&row.user, || User { id: row.user.clone(), labels: vec![] });
        let item =
            self.items.number(&row.item, || Item { id: row.item.clone(), ..Item::default() });
        self.histories.resize_with(self.users.things.len(), Vec::new);
        self.latest = self.latest.max(row.time);
        let event = Event { item, kind, value: row.value, time: row.time };
        self.histories[user as usize].push(event);
        Ok(())
    }

    /// Describes an item, whether or not it has events.
    pub(super) fn item(&mut self, item: Item) -> Result<(), String> {
        if item.id.is_empty() {
            return Err("the item has no identifier".into());
        }
        let number = self.items.number(&item.id, Item::default);
        self.items.things[number as usize] = item;
        Ok(())
    }

    /// Notes what a property of an item is from `time` on; nothing where that is later than all events, which must
    /// have been read by then.
    pub(super) fn property(
        &mut self,
        item: &str,
        property: &str,
        value: &str,
        time: i64,
    ) -> Result<(), String> {
        if item.is_empty() || property.is_empty() {
            return Err("the item or the property is empty".into());
        }
        let number = self.items.number(item, || Item { id: item.to_owned(), ..Item::default() });
        if self.latest == 0 || time <= self.latest {
            self.properties.note(number, property, value, time);
        }
        Ok(())
    }

    /// Describes a user.
    pub(super) fn user(&mut self, user: User) -> Result<(), String> {
        if user.id.is_empty() {
            return Err("the user has no identifier".into());
        }
        let number = self.users.number(&user.id, User::default);
        self.users.things[number as usize] = user;
        Ok(())
    }

    /// Whether any event was read.
    pub(super) fn is_empty(&self) -> bool {
        self.histories.iter().all(Vec::is_empty)
    }

    /// The log, in its order; `path` is where it came from.
    pub(super) fn finish(mut self, path: &Path) -> Result<(Interactions, Faults)> {
        if self.is_empty() {
            let first = self.faults.first.first();
            let reason = match first {
                Some(fault) => format!("no line of it is an event; the first fault: {fault}"),
                None => "it holds no events".to_owned(),
            };
            return Err(Error::Interactions { path: PathBuf::from(path), reason });
        }
        self.properties.describe(&mut self.items.things);
        let mut histories = self.histories;
        histories.resize_with(self.users.things.len(), Vec::new);
        let items = order(&self.items.things, |item| &item.id);
        let users = order(&self.users.things, |user| &user.id);
        let mut place_of = vec![0; items.len()];
        items.iter().enumerate().for_each(|(place, &item)| place_of[item] = place as u32);
        let events = users.iter().enumerate().flat_map(|(place, &user)| {
            let of = |event: Event| Event { item: place_of[event.item as usize], ..event };
            std::mem::take(&mut histories[user])
                .into_iter()
                .map(move |event| (place as u32, of(event)))
                .collect::<Vec<_>>()
        });
        let log = Interactions::new(
            users.iter().map(|&user| self.users.things[user].clone()).collect(),
            items.iter().map(|&item| self.items.things[item].clone()).collect(),
            self.kinds.things,
            events.collect::<Vec<_>>(),
        );
        Ok((log, self.faults))
    }
}

/// The numbers of things in the order of their identifiers: as numbers if all are, else as text.
fn order<T>(things: &[T], id: impl Fn(&T) -> &str) -> Vec<usize> {
    let mut order: Vec<usize> = (0..things.len()).collect();
    let numbers: Option<Vec<u64>> = things.iter().map(|thing| id(thing).parse().ok()).collect();
    match numbers {
        Some(numbers) => order.sort_by_key(|&thing| numbers[thing]),
        None => order.sort_by_key(|&thing| id(&things[thing])),
    }
    order
}
