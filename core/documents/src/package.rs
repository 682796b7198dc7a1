//! A zip package: members out, some of them back with other content, all else byte for byte.
//!
//! The headers and data of members that are not replaced are copied as they stand, in their order.

use std::{
    io::{Cursor, Read, Write},
    ops::Range,
};

use flate2::{Compression, Crc, CrcReader, read::DeflateDecoder, write::DeflateEncoder};
use zip::{CompressionMethod, ZipArchive};

use crate::{Error, Limits, Result};

/// The directory's signature at the end of a package, without a comment behind it.
const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";

/// How old Office files, and encrypted new ones, begin.
const COMPOUND_FILE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// A package that was looked at from end to end.
#[derive(Debug)]
pub(crate) struct Package {
    format: &'static str,
    bytes: Vec<u8>,
    members: Vec<Member>,
    /// Where the central directory begins, and the record that ends it.
    directory: usize,
    end: usize,
    limits: Limits,
}

/// A member of a package.
#[derive(Debug)]
struct Member {
    name: String,
    header: usize,
    data: Range<usize>,
    /// Its entry in the central directory.
    entry: Range<usize>,
    is_deflated: bool,
    crc: u32,
    size: usize,
}

impl Package {
    /// Reads the directory of `bytes`, a file of `format`.
    ///
    /// # Errors
    /// Fails when it is no zip, is encrypted, has too many members, one whose path leads out of the
    /// package, or more content than `limits` allow.
    pub(crate) fn open(bytes: Vec<u8>, format: &'static str, limits: &Limits) -> Result<Self> {
        if bytes.starts_with(COMPOUND_FILE) {
            return Err(match is_encrypted_office(&bytes) {
                true => Error::Encrypted { format },
                false => {
                    Error::broken(format, "it is in the old binary format; save it as a new one")
                }
            });
        }
        let broken = |error: &dyn std::fmt::Display| Error::broken(format, error);
        let mut zip = ZipArchive::new(Cursor::new(&bytes[..])).map_err(|error| broken(&error))?;
        if zip.len() > limits.members {
            return Err(Error::TooLarge { what: "files in its package", limit: limits.members });
        }
        let mut members = Vec::with_capacity(zip.len());
        let mut unpacked = 0usize;
        for index in 0..zip.len() {
            let file = zip.by_index_raw(index).map_err(|error| broken(&error))?;
            let name = file.name().map_err(|error| broken(&error))?.into_owned();
            if climbs(&name) {
                let reason = format!("the path `{name}` in it leads out of the package");
                return Err(Error::unsafe_file(format, reason));
            }
            if file.encrypted() {
                return Err(Error::Encrypted { format });
            }
            let (packed, size) = (file.compressed_size() as usize, file.size() as usize);
            unpacked = unpacked.saturating_add(size);
            if unpacked > limits.unpacked {
                return Err(Error::TooLarge { what: "bytes unpacked", limit: limits.unpacked });
            }
            if size > 1 << 20 && size / limits.ratio > packed {
                let reason = format!("`{name}` in it unpacks to more than {} times", limits.ratio);
                return Err(Error::unsafe_file(format, reason));
            }
            let is_deflated = match file.compression() {
                CompressionMethod::STORE => false,
                CompressionMethod::DEFLATE => true,
                other => {
                    return Err(broken(&format_args!("`{name}` is packed by {other}")));
                }
            };
            let (header, entry) = (file.header_start() as usize, file.central_header_start());
            let data = file.data_start().map_or(0, |start| start as usize);
            let entry = entry as usize
                ..entry_end(&bytes, entry as usize)
                    .ok_or_else(|| broken(&"its directory is damaged"))?;
            members.push(Member {
                name,
                header,
                data: data..data + packed,
                entry,
                is_deflated,
                crc: file.crc32(),
                size,
            });
        }
        drop(zip);
        let package = Self { format, bytes, members, directory: 0, end: 0, limits: limits.clone() };
        package.with_layout()
    }

    /// Finds where things are; a package whose members overlap is refused.
    fn with_layout(mut self) -> Result<Self> {
        let damaged = |reason: &str| Error::broken(self.format, reason);
        self.members.sort_by_key(|member| member.header);
        let mut at = 0;
        for member in &self.members {
            let is_local = self.bytes.get(member.header..member.header + 4) == Some(b"PK\x03\x04");
            if !is_local || member.header < at || member.data.start < member.header + 30 {
                return Err(damaged("the members of its package overlap"));
            }
            at = member.data.end;
        }
        let first = self.members.iter().map(|member| member.entry.start).min();
        self.directory = first.ok_or_else(|| damaged("its package is empty"))?;
        let after = self.members.iter().map(|member| member.entry.end).max().unwrap_or(0);
        let is_end = self.bytes.get(after..after + 4) == Some(&END_SIGNATURE);
        let count = self.bytes.get(after + 10..after + 12).map(|two| [two[0], two[1]]);
        let count = count.map(|two| usize::from(u16::from_le_bytes(two)));
        let is_whole = is_end && count == Some(self.members.len());
        if self.directory < at || !is_whole || self.bytes.len() < after + 22 {
            return Err(damaged(
                "its package has an unusual directory (ZIP64, or two files of one name)",
            ));
        }
        self.end = after;
        Ok(self)
    }

    /// Names of all members, in the order of the package.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// The content of a member, or `None` when there is none of this name.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(member) = self.members.iter().find(|member| member.name == name) else {
            return Ok(None);
        };
        let damaged = || Error::broken(self.format, format_args!("`{name}` in it is damaged"));
        let packed = self.bytes.get(member.data.clone()).ok_or_else(damaged)?;
        let mut content = Vec::with_capacity(member.size.min(1 << 20));
        // Never more than the directory says, whatever the data says.
        let most = member.size as u64 + 1;
        let read = match member.is_deflated {
            true => DeflateDecoder::new(packed).take(most).read_to_end(&mut content),
            false => packed.take(most).read_to_end(&mut content),
        };
        let mut crc = Crc::new();
        crc.update(&content);
        match read.is_ok() && content.len() == member.size && crc.sum() == member.crc {
            true => Ok(Some(content)),
            false => Err(damaged()),
        }
    }

    /// Refuses a package with a damaged member: whoever copies it would hand on a file that no program opens.
    pub(crate) fn check(&self) -> Result<()> {
        match self.members.iter().find(|member| !self.is_whole(member)) {
            Some(Member { name, .. }) => {
                Err(Error::broken(self.format, format_args!("`{name}` in it is damaged")))
            }
            None => Ok(()),
        }
    }

    fn is_whole(&self, member: &Member) -> bool {
        let packed = self.bytes.get(member.data.clone()).unwrap_or_default();
        let most = member.size as u64 + 1;
        let unpacked: Box<dyn Read + '_> = match member.is_deflated {
            true => Box::new(DeflateDecoder::new(packed)),
            false => Box::new(packed),
        };
        let mut unpacked = CrcReader::new(unpacked.take(most));
        let size = std::io::copy(&mut unpacked, &mut std::io::sink());
        size.is_ok_and(|size| size == member.size as u64) && unpacked.crc().sum() == member.crc
    }

    /// The content of a member that must be there, as text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>> {
        let Some(content) = self.read(name)? else { return Ok(None) };
        let decoded = crate::encoding::decode_xml(&content);
        decoded
            .map(Some)
            .ok_or_else(|| Error::broken(self.format, format_args!("`{name}` in it is not UTF-8")))
    }

    /// What limits its reader set.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The package with other content for some members.
    pub(crate) fn with(&self, replaced: &[(&str, String)]) -> Result<Vec<u8>> {
        let mut out: Vec<u8> = Vec::with_capacity(self.bytes.len() * 5 / 4);
        let mut offsets = Vec::with_capacity(self.members.len());
        let mut changed: Vec<Option<(u32, usize, usize)>> = Vec::new();
        let starts: Vec<usize> = self.members.iter().map(|member| member.header).collect();
        out.extend_from_slice(&self.bytes[..starts.first().copied().unwrap_or(0)]);
        for (number, member) in self.members.iter().enumerate() {
            offsets.push(out.len());
            let next = starts.get(number + 1).copied().unwrap_or(self.directory);
            match replaced.iter().find(|(name, _)| *name == member.name) {
                None => {
                    out.extend_from_slice(&self.bytes[member.header..next]);
                    changed.push(None);
                }
                Some((_, text)) => {
                    changed.push(Some(self.replace(member, text.as_bytes(), &mut out)?));
                }
            }
        }
        let directory = out.len();
        let mut entries: Vec<usize> = (0..self.members.len()).collect();
        entries.sort_by_key(|&number| self.members[number].entry.start);
        for number in entries {
            let start = out.len();
            out.extend_from_slice(&self.bytes[self.members[number].entry.clone()]);
            let entry = &mut out[start..];
            if let Some((crc, packed, size)) = changed[number] {
                let flags = u16::from_le_bytes([entry[8], entry[9]]) & !8;
                put_u16(entry, 8, flags);
                put_u32(entry, 16, crc as usize)?;
                put_u32(entry, 20, packed)?;
                put_u32(entry, 24, size)?;
            }
            put_u32(entry, 42, offsets[number])?;
        }
        let size = out.len() - directory;
        let start = out.len();
        out.extend_from_slice(&self.bytes[self.end..]);
        put_u32(&mut out[start..], 12, size)?;
        put_u32(&mut out[start..], 16, directory)?;
        Ok(out)
    }

    /// Writes a member with other content; returns its sum and its sizes, packed and not.
    fn replace(
        &self,
        member: &Member,
        content: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(u32, usize, usize)> {
        let mut crc = Crc::new();
        crc.update(content);
        let packed = match member.is_deflated {
            true => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                let written = encoder.write_all(content).and_then(|()| encoder.finish());
                written.map_err(|error| Error::broken(self.format, error))?
            }
            false => content.to_vec(),
        };
        let start = out.len();
        out.extend_from_slice(&self.bytes[member.header..member.data.start]);
        let header = &mut out[start..];
        let flags = u16::from_le_bytes([header[6], header[7]]) & !8; // sizes stand here, not behind
        put_u16(header, 6, flags);
        put_u32(header, 14, crc.sum() as usize)?;
        put_u32(header, 18, packed.len())?;
        put_u32(header, 22, content.len())?;
        out.extend_from_slice(&packed);
        Ok((crc.sum(), packed.len(), content.len()))
    }
}

/// Whether an old Office container holds an encrypted new file.
fn is_encrypted_office(bytes: &[u8]) -> bool {
    let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    bytes.windows(name.len()).any(|window| window == name)
}

/// Whether a path is absolute or leads out of its folder.
fn climbs(name: &str) -> bool {
    let mut parts = name.split(['/', '\\']);
    name.starts_with(['/', '\\'])
        || name.contains('\0')
        || parts.any(|part| part == "..")
        || name.as_bytes().get(1) == Some(&b':')
}

/// Where the entry of the central directory at `start` ends.
fn entry_end(bytes: &[u8], start: usize) -> Option<usize> {
    let entry = bytes.get(start..start + 46)?;
    let length = |at: usize| usize::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
    let end = start + 46 + length(28) + length(30) + length(32);
    (entry.starts_with(b"PK\x01\x02") && end <= bytes.len()).then_some(end)
}

fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn put_u32(bytes: &mut [u8], at: usize, value: usize) -> Result<()> {
    let limit = u32::MAX as usize;
    let value = u32::try_from(value).map_err(|_| Error::TooLarge { what: "bytes", limit })?;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    Ok(())
}
