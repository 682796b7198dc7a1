//! Keys of rows: a byte for the kind, then identifiers and times whose order is that of bytes.
//!
//! An identifier that something follows ends in `00 01`, and a zero byte within it is `00 FF`: so
//! `a` comes before `a\0` and before `ab`, whatever follows.

use super::Event;
use crate::{Error, Result, Timestamp};

pub(super) const USER: u8 = b'u';
pub(super) const ITEM: u8 = b'i';
pub(super) const FEEDBACK: u8 = b'f';
pub(super) const HISTORY: u8 = b'h';
pub(super) const BY_ITEM: u8 = b'e';
pub(super) const BY_TIME: u8 = b't';

/// Bytes that most keys fit in.
const USUAL_LENGTH: usize = 64;

/// The key of a user or an item: its identifier as it is.
pub(super) fn plain(kind: u8, id: &str) -> Vec<u8> {
    [&[kind], id.as_bytes()].concat()
}

/// The key of the feedback row of `kind`, `user` and `item`.
pub(super) fn feedback_key(kind: &str, user: &str, item: &str) -> Vec<u8> {
    Key::new(FEEDBACK).id(kind).id(user).id(item).build()
}

/// The key of `event` among those of its user.
pub(super) fn event_key(event: &Event) -> Vec<u8> {
    let Event { user_id, item_id, feedback_type, time, .. } = event;
    Key::new(HISTORY).id(user_id).time(*time).id(item_id).id(feedback_type).build()
}

/// The identifier in a key of [`plain`].
pub(super) fn plain_id(key: &[u8]) -> Result<String> {
    let id = key.get(1..).unwrap_or_default().to_vec();
    String::from_utf8(id).map_err(|_| Error::corrupt("a key is not text"))
}

/// A key of several parts.
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn new(kind: u8) -> Self {
        let mut key = Vec::with_capacity(USUAL_LENGTH);
        key.push(kind);
        Self(key)
    }

    pub(super) fn id(mut self, id: &str) -> Self {
        for (place, part) in id.as_bytes().split(|&byte| byte == 0).enumerate() {
            if place > 0 {
                self.0.extend([0, 0xFF]);
            }
            self.0.extend_from_slice(part);
        }
        self.0.extend([0, 1]);
        self
    }

    pub(super) fn time(mut self, time: Timestamp) -> Self {
        self.0.extend(time.to_bytes());
        self
    }

    pub(super) fn build(self) -> Vec<u8> {
        self.0
    }

    /// The first key that does not start with this one.
    pub(super) fn end(mut self) -> Vec<u8> {
        // A key ends in its kind, in `00 01` or in a time; only a time may end in FF.
        while let Some(last) = self.0.pop() {
            if last < 0xFF {
                self.0.push(last + 1);
                break;
            }
        }
        self.0
    }
}

/// Reads the parts of a key, one after another.
pub(super) struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    pub(super) fn of(key: &'a [u8]) -> Self {
        Self(key.get(1..).unwrap_or_default())
    }

    pub(super) fn id(&mut self) -> Result<String> {
        let broken = || Error::corrupt("a key ends too early");
        let mut id = Vec::new();
        loop {
            let at = self.0.iter().position(|&byte| byte == 0).ok_or_else(broken)?;
            id.extend_from_slice(&self.0[..at]);
            let mark = *self.0.get(at + 1).ok_or_else(broken)?;
            self.0 = &self.0[at + 2..];
            match mark {
                0xFF => id.push(0),
                _ => break,
            }
        }
        String::from_utf8(id).map_err(|_| Error::corrupt("a key is not text"))
    }

    pub(super) fn time(&mut self) -> Result<Timestamp> {
        let broken = || Error::corrupt("a key ends within its time");
        let (time, rest) = self.0.split_at_checked(Timestamp::BYTES).ok_or_else(broken)?;
        self.0 = rest;
        Timestamp::from_bytes(time).ok_or_else(broken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(a: &str, time: Timestamp, b: &str) -> Vec<u8> {
        Key::new(HISTORY).id(a).time(time).id(b).build()
    }

    proptest! {
        #[test]
        fn keys_are_ordered_like_their_parts_and_lead_back(
            a in "[\0a-c\u{ff}]{0,4}", b in "[\0a-c\u{ff}]{0,4}", c in ".{0,4}",
            (s, t) in (any::<i64>(), any::<i64>()),
        ) {
            let (s, t) = (Timestamp::from_seconds(s), Timestamp::from_seconds(t));
            let (x, y) = (key(&a, s, &c), key(&b, t, &c));
            prop_assert_eq!((&a, s).cmp(&(&b, t)), x.cmp(&y));
            let mut parts = Parts::of(&x);
            prop_assert_eq!(parts.id().expect("a whole key"), a.clone());
            prop_assert_eq!(parts.time().expect("a whole key"), s);
            prop_assert_eq!(parts.id().expect("a whole key"), c);
            prop_assert!(parts.id().is_err());

            let (prefix, end) = (Key::new(HISTORY).id(&a).time(s), Key::new(HISTORY).id(&a).time(s));
            prop_assert!(x.starts_with(&prefix.build()) && x < end.end());
        }
    }
}
