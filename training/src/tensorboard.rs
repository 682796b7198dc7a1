//! Writes scalars where TensorBoard finds them: event files, which are TFRecords of protocol buffers.
//!
//! The crates for this carry a protobuf compiler or have no maintainer, and three messages are
//! needed: <https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/event.proto>.

use std::{
    io::Write,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use fs_err::{File, OpenOptions};

use crate::Result;

/// An event file.
#[derive(Debug)]
pub struct EventWriter {
    file: File,
}

impl EventWriter {
    /// Begins a new file in `folder`, for a session that starts after step `resumed_at`.
    ///
    /// TensorBoard then drops what an earlier session wrote beyond that step.
    pub fn create(folder: &Path, resumed_at: u64) -> Result<Self> {
        fs_err::create_dir_all(folder)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, process) = (now.as_secs(), std::process::id());
        let nanoseconds = now.subsec_nanos();
        let name = format!("events.out.tfevents.{seconds:010}.{nanoseconds:09}.{process}.dragoman");
        let file = OpenOptions::new().append(true).create(true).open(folder.join(name))?;
        let mut writer = Self { file };
        writer.event(0, |event| event.bytes(3, b"brain.Event:2"))?;
        if resumed_at > 0 {
            // `session_log { status: START }`
            writer.event(resumed_at + 1, |event| event.message(7, |log| log.varint(1, 1)))?;
        }
        Ok(writer)
    }

    /// Writes one value, such as that of `train/loss`, and hands it to the operating system.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<()> {
        self.event(step, |event| {
            event.message(5, |summary| {
                summary.message(1, |item| {
                    item.bytes(1, tag.as_bytes());
                    item.float(2, value as f32); // `simple_value`, which is 32 bits wide
                });
            });
        })
    }

    fn event(&mut self, step: u64, what: impl FnOnce(&mut Message)) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut event = Message::default();
        event.double(1, now.as_secs_f64());
        event.varint(2, step);
        what(&mut event);
        self.file.write_all(&record(&event.0))?;
        Ok(self.file.flush()?)
    }
}

/// Frames `data` as a TFRecord: its length and its bytes, each with a checksum.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked_crc32c(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_crc32c(data).to_le_bytes());
    record
}

/// The checksum of TFRecords: turned by 15 bits and moved, as data may hold checksums themselves.
fn masked_crc32c(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), reflected, bit by bit: the records are a hundred bytes long.
fn crc32c(data: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !data.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg())
        })
    })
}

/// A protocol buffer message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, field: u32, value: u64) {
        self.key(field, 0);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u32, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u32, value: &[u8]) {
        self.key(field, 2);
        self.raw_varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u32, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }

    fn message(&mut self, field: u32, build: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        build(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        self.raw_varint(u64::from(field << 3 | wire_type));
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn numbers_and_fields_are_encoded_as_in_the_protobuf_manual() {
        let mut message = Message::default();
        message.varint(1, 150);
        message.bytes(2, b"testing");
        assert_eq!(message.0, b"\x08\x96\x01\x12\x07testing");
    }

    #[test]
    fn a_file_is_whole_records_with_right_checksums() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut writer = EventWriter::create(folder.path(), 7)?;
        writer.scalar("train/loss", 300, 2.5)?;

        let path = fs_err::read_dir(folder.path())?.next().expect("there is one file")?.path();
        let (bytes, mut records) = (fs_err::read(path)?, Vec::new());
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (length, after) = rest.split_at(8);
            let data = &after[4..][..u64::from_le_bytes(length.try_into()?) as usize];
            assert_eq!(after[..4], masked_crc32c(length).to_le_bytes());
            let (checksum, after) = after[4 + data.len()..].split_at(4);
            assert_eq!(checksum, masked_crc32c(data).to_le_bytes());
            records.push(data);
            rest = after;
        }
        // Wall time takes nine bytes, and the value stands last.
        assert_eq!(records[0][9..], *b"\x10\x00\x1a\x0dbrain.Event:2");
        assert_eq!(records[1][9..], *b"\x10\x08\x3a\x02\x08\x01");
        let value = b"\x10\xac\x02\x2a\x13\x0a\x11\x0a\x0atrain/loss\x15\x00\x00\x20\x40";
        assert_eq!(records[2][9..], *value);
        Ok(())
    }
}
