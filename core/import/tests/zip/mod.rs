//! Zip archives, written by hand.

use std::{io::Write, path::Path};

use anyhow::Result;

/// Writes a zip of stored files.
pub(crate) fn zipped(path: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    let (mut out, mut central) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut sum = flate2::Crc::new();
        sum.update(content);
        let fields = |out: &mut Vec<u8>| {
            out.extend([0; 4]); // flags, stored
            out.extend([0; 4]); // time
            out.extend(sum.sum().to_le_bytes());
            out.extend((content.len() as u32).to_le_bytes());
            out.extend((content.len() as u32).to_le_bytes());
            out.extend((name.len() as u16).to_le_bytes());
            out.extend(0u16.to_le_bytes());
        };
        let place = out.len() as u32;
        out.extend(b"PK\x03\x04\x14\0");
        fields(&mut out);
        out.extend(name.as_bytes());
        out.extend(*content);
        central.extend(b"PK\x01\x02\x14\0\x14\0");
        fields(&mut central);
        central.extend([0; 10]); // comment, disk, attributes
        central.extend(place.to_le_bytes());
        central.extend(name.as_bytes());
    }
    let (place, size) = (out.len() as u32, central.len() as u32);
    out.extend(&central);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([(files.len() as u16).to_le_bytes(), (files.len() as u16).to_le_bytes()].concat());
    out.extend(size.to_le_bytes());
    out.extend(place.to_le_bytes());
    out.extend([0; 2]);
    fs_err::File::create(path)?.write_all(&out)?;
    Ok(())
}
