//! Sorted rows packed into blocks, each of them one row of sled.
//!
//! sled copies a leaf of sixteen rows for each row that it takes, which is what a large import would wait for.
//! A block holds about 4 KiB of neighbours and is never changed. Its key is that of its first row; in it each row
//! has the number of bytes that its key shares with the key before, the lengths of the rest and of the value, and
//! these.

use super::super::{Row, Rows};
use crate::{Error, Result};

/// Bytes from which on a block is full.
const FULL: usize = 4 << 10;

/// The blocks of one tree.
#[derive(Debug, Clone)]
pub(super) struct Blocks(sled::Tree);

impl Blocks {
    pub(super) fn new(tree: sled::Tree) -> Self {
        Self(tree)
    }

    /// Packs `rows`, whose keys must ascend.
    pub(super) fn fill(&self, rows: &mut dyn Iterator<Item = Result<Row>>) -> Result<()> {
        let mut block = Packer::default();
        for row in rows {
            let (key, value) = row?;
            if !block.is_empty() && key <= block.last {
                return Err(Error::Engine(
                    "rows to load are not in the order of their keys".into(),
                ));
            }
            block.push(key, &value);
            if block.bytes.len() >= FULL {
                self.write(&mut block)?;
            }
        }
        if block.is_empty() { Ok(()) } else { self.write(&mut block) }
    }

    fn write(&self, block: &mut Packer) -> Result<()> {
        self.0.insert(&block.first, block.bytes.as_slice())?;
        block.bytes.clear();
        Ok(())
    }

    /// The value of `key`.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(block) = self.0.range(..=key).next_back() else { return Ok(None) };
        let block = block?.1;
        let mut rows = Unpacker::of(&block);
        while let Some(value) = rows.advance()? {
            if rows.key.as_slice() >= key {
                return Ok((rows.key == key).then(|| value.to_vec()));
            }
        }
        Ok(None)
    }

    /// The rows from `from` on, up to and without `to`.
    pub(super) fn range(&self, from: Vec<u8>, to: Option<Vec<u8>>) -> Result<Rows> {
        // The block before `from` may reach beyond it.
        let first = self.0.range(..=from.as_slice()).next_back().transpose()?;
        let first = first.map_or_else(|| from.clone(), |(key, _)| key.to_vec());
        let blocks = match &to {
            Some(to) => self.0.range(first..to.clone()),
            None => self.0.range(first..),
        };
        let (front, back) = Default::default();
        Ok(Box::new(Unpacked { blocks, from, to, front, back }))
    }
}

/// A block that is being filled.
#[derive(Default)]
struct Packer {
    first: Vec<u8>,
    last: Vec<u8>,
    bytes: Vec<u8>,
}

impl Packer {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn push(&mut self, key: Vec<u8>, value: &[u8]) {
        if self.is_empty() {
            self.first.clone_from(&key);
            self.last.clear();
        }
        let shared = key.iter().zip(&self.last).take_while(|(a, b)| a == b).count();
        let rest = &key[shared..];
        [shared, rest.len(), value.len()].into_iter().for_each(|n| put(&mut self.bytes, n));
        self.bytes.extend_from_slice(rest);
        self.bytes.extend_from_slice(value);
        self.last = key;
    }
}

/// Writes a number in groups of seven bits, the lowest first.
fn put(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads a block from its first row on.
struct Unpacker<'a> {
    rest: &'a [u8],
    key: Vec<u8>,
}

impl<'a> Unpacker<'a> {
    fn of(rest: &'a [u8]) -> Self {
        Self { rest, key: Vec::new() }
    }

    /// Goes to the next row, whose key is `key` then, and returns its value.
    fn advance(&mut self) -> Result<Option<&'a [u8]>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (shared, rest, value) = (self.number()?, self.number()?, self.number()?);
        if shared > self.key.len() {
            return Err(broken());
        }
        self.key.truncate(shared);
        let rest = self.take(rest)?;
        self.key.extend_from_slice(rest);
        self.take(value).map(Some)
    }

    fn number(&mut self) -> Result<usize> {
        let mut number = 0;
        for shift in (0..usize::BITS).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or_else(broken)?;
            self.rest = rest;
            number |= usize::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(broken())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(broken)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn broken() -> Error {
    Error::corrupt("a block of rows ends too early")
}

/// Rows of blocks, read from both ends.
struct Unpacked {
    blocks: sled::Iter,
    from: Vec<u8>,
    to: Option<Vec<u8>>,
    /// Rows of the block that is read from the front, and from the back.
    front: std::vec::IntoIter<Row>,
    back: std::vec::IntoIter<Row>,
}

impl Unpacked {
    /// The rows of `block` that are asked for.
    fn unpack(&self, block: &[u8]) -> Result<std::vec::IntoIter<Row>> {
        let mut unpacker = Unpacker::of(block);
        let mut rows = Vec::new();
        while let Some(value) = unpacker.advance()? {
            if self.to.as_ref().is_some_and(|to| unpacker.key >= *to) {
                break;
            }
            if unpacker.key >= self.from {
                rows.push((unpacker.key.clone(), value.to_vec()));
            }
        }
        Ok(rows.into_iter())
    }
}

impl Iterator for Unpacked {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.front.next() {
                return Some(Ok(row));
            }
            let Some(block) = self.blocks.next() else { return self.back.next().map(Ok) };
            match block.map_err(Error::from).and_then(|(_, block)| self.unpack(&block)) {
                Ok(rows) => self.front = rows,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl DoubleEndedIterator for Unpacked {
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.back.next_back() {
                return Some(Ok(row));
            }
            let Some(block) = self.blocks.next_back() else {
                return self.front.next_back().map(Ok);
            };
            match block.map_err(Error::from).and_then(|(_, block)| self.unpack(&block)) {
                Ok(rows) => self.back = rows,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_from_blocks_and_those_out_of_order_are_refused() -> anyhow::Result<()> {
        let db = sled::Config::new().temporary(true).open()?;
        let blocks = Blocks::new(db.open_tree("b")?);
        let row = |i: usize| -> Row {
            (format!("key-{i:05}").into_bytes(), vec![i as u8; [0, 3, 200, 9000][i / 2 % 4]])
        };
        blocks.fill(&mut (0..500).map(|i| Ok(row(2 * i))))?;
        assert!(blocks.0.len() > 100, "{}", blocks.0.len());
        for i in 0..1000 {
            let expected = (i % 2 == 0).then(|| row(i).1);
            assert_eq!(blocks.get(&row(i).0)?, expected, "{i}");
            let found = blocks.range(row(i).0, Some(row(i + 9).0))?.collect::<Result<Vec<_>>>()?;
            let expected: Vec<Row> =
                (i..(i + 9).min(1000)).filter(|i| i % 2 == 0).map(row).collect();
            assert_eq!(found, expected, "{i}");
        }
        assert!(blocks.get(b"a")?.is_none() && blocks.get(b"z")?.is_none());
        let other = Blocks::new(db.open_tree("c")?);
        let error =
            other.fill(&mut [2, 1].into_iter().map(|i| Ok(row(i)))).expect_err("descending");
        assert!(error.to_string().contains("order"), "{error}");
        Ok(())
    }

    #[test]
    fn a_broken_block_is_an_error_and_never_a_panic() {
        let mut block = Packer::default();
        (0..40u8).for_each(|i| block.push(vec![7, i, i], &[i; 5]));
        for at in 0..block.bytes.len() {
            for byte in [0, 0x7F, 0xFF] {
                let mut bytes = block.bytes.clone();
                bytes[at] = byte;
                let mut rows = Unpacker::of(&bytes);
                while let Ok(Some(_)) = rows.advance() {}
                let mut rows = Unpacker::of(&bytes[..at]);
                while let Ok(Some(_)) = rows.advance() {}
            }
        }
    }
}
