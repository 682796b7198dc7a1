//! Zip packages, written by hand.

use std::io::{Read, Write};

use flate2::{Compression, Crc, read::DeflateDecoder, write::DeflateEncoder};

/// A package of `members`; the first is stored, as OpenDocument and EPUB want it.
pub(crate) fn zipped(members: &[(&str, &str)]) -> Vec<u8> {
    let members: Vec<(&str, Vec<u8>)> =
        members.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())).collect();
    zipped_bytes(&members)
}

/// A package of `members` with any content.
pub(crate) fn zipped_bytes(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (number, (name, content)) in members.iter().enumerate() {
        let method: u16 = if number == 0 { 0 } else { 8 };
        let packed = match method {
            0 => content.clone(),
            _ => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(content).expect("to memory");
                encoder.finish().expect("to memory")
            }
        };
        let mut crc = Crc::new();
        crc.update(content);
        let mut fields = Vec::new();
        fields.extend(20u16.to_le_bytes());
        fields.extend(0x0800u16.to_le_bytes());
        fields.extend(method.to_le_bytes());
        fields.extend([0x21, 0x52, 0x76, 0x59]); // a time and a date
        fields.extend(crc.sum().to_le_bytes());
        fields.extend((packed.len() as u32).to_le_bytes());
        fields.extend((content.len() as u32).to_le_bytes());
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend(0u16.to_le_bytes());
        let offset = out.len() as u32;
        out.extend(b"PK\x03\x04");
        out.extend(&fields);
        out.extend(name.as_bytes());
        out.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = out.len() as u32;
    let count = members.len() as u16;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend(0u16.to_le_bytes());
    out
}

/// The text of a member of a package, read from its local header alone.
pub(crate) fn member(package: &[u8], name: &str) -> String {
    let u16_at = |at: usize| usize::from(u16::from_le_bytes([package[at], package[at + 1]]));
    let u32_at = |at: usize| u16_at(at) | u16_at(at + 2) << 16;
    let mut at = 0;
    while package[at..].starts_with(b"PK\x03\x04") {
        let (packed, length, extra) = (u32_at(at + 18), u16_at(at + 26), u16_at(at + 28));
        let data = at + 30 + length + extra;
        if &package[at + 30..at + 30 + length] == name.as_bytes() {
            let content = &package[data..data + packed];
            let mut text = String::new();
            match u16_at(at + 8) {
                0 => text = String::from_utf8(content.to_vec()).expect("it is text"),
                _ => {
                    let mut decoder = DeflateDecoder::new(content);
                    decoder.read_to_string(&mut text).expect("it is text");
                }
            }
            return text;
        }
        at = data + packed;
    }
    panic!("no member `{name}`")
}
