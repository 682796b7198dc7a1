//! Where things lie in `corpus.bin`.

use std::ops::Range;

pub(super) const MAGIC: [u8; 8] = *b"DRGPACK1";
pub(super) const HEADER_BYTES: usize = 64;
/// Pairs between two entries of the index.
pub(super) const BLOCK: usize = 64;

/// Bytes of an id, and how the header says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdWidth {
    Two,
    Four,
}

impl IdWidth {
    /// Place in the header.
    pub(super) const PLACE: usize = MAGIC.len();

    pub(super) fn for_vocabulary(size: usize) -> Self {
        if size <= usize::from(u16::MAX) + 1 { Self::Two } else { Self::Four }
    }

    pub(super) fn of_header(byte: u8) -> Option<Self> {
        [Self::Two, Self::Four].into_iter().find(|width| width.code() == byte)
    }

    pub(super) fn code(self) -> u8 {
        match self {
            Self::Two => 0, // as in files from before there was a choice
            Self::Four => 4,
        }
    }

    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// Byte ranges within `corpus.bin`.
#[derive(Debug, Clone)]
pub(super) struct Sections {
    pub(super) width: IdWidth,
    pub(super) ids: Range<usize>,
    pub(super) lengths: Range<usize>,
    pub(super) blocks: Range<usize>,
}

impl Sections {
    pub(super) fn new(width: IdWidth, pairs: usize, tokens: u64) -> Option<Self> {
        let aligned = |end: usize| Some(end.checked_add(7)? / 8 * 8);
        let ids = usize::try_from(tokens).ok()?.checked_mul(width.bytes())?;
        let ids_end = ids.checked_add(HEADER_BYTES)?;
        let lengths = aligned(ids_end)?;
        let lengths_end = pairs.checked_mul(4)?.checked_add(lengths)?;
        let blocks = aligned(lengths_end)?;
        let blocks_end = pairs.div_ceil(BLOCK).checked_mul(8)?.checked_add(blocks)?;
        Some(Self {
            width,
            ids: HEADER_BYTES..ids_end,
            lengths: lengths..lengths_end,
            blocks: blocks..blocks_end,
        })
    }
}
