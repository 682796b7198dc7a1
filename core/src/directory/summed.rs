//! The sum of a file of weights, without holding the file.

use std::{io::Read, path::Path};

use fs_err as fs;
use sha2::{Digest, Sha256};

use crate::params::head_len;

/// A safetensors file that was read through once.
pub(super) struct Summed {
    pub(super) sha256: String,
    /// From its beginning to the end of its header, if it has one.
    pub(super) head: Vec<u8>,
    pub(super) size: usize,
}

impl Summed {
    /// Longest header that is kept: what says how long it is may be damaged.
    const LONGEST_HEAD: usize = 1 << 30;

    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        let mut file = fs::File::open(path)?;
        let (mut hash, mut head, mut size) = (Sha256::new(), Vec::new(), 0);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hash.update(&buffer[..count]);
            size += count;
            head.extend_from_slice(&buffer[..count.min(Self::wanted(&head, &buffer[..count]))]);
        }
        Ok(Self { sha256: format!("{:x}", hash.finalize()), head, size })
    }

    /// Bytes of the head that are missing, of which `next` follow.
    fn wanted(head: &[u8], next: &[u8]) -> usize {
        let begin = if head.is_empty() { next } else { head };
        head_len(begin).unwrap_or(0).min(Self::LONGEST_HEAD).saturating_sub(head.len())
    }
}
