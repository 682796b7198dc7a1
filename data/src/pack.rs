//! The packed form of corpora: one memory-mapped file of token ids, and a header in JSON.
//!
//! `corpus.bin` (little endian): 64 bytes of header, the ids of all texts as `u16`, or as `u32` where
//! the vocabulary is larger (source, target, source, target, …), then the lengths of the texts as
//! `u16`, then for each 64th pair the `u64` place of its first id. Byte 8 of the header is 4 where ids
//! take four bytes, and 0 where they take two. A pair is stored once and read in both directions, unless its corpus is
//! for one direction only.

mod format;
mod write;

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use memmap2::Mmap;
use serde::{Deserialize, Serialize};

pub(crate) use write::sha256_of;
pub use write::{PackConfig, Phrasebook, pack};

use format::{BLOCK, HEADER_BYTES, IdWidth, MAGIC, Sections};

use crate::{Error, Result, clean::Rejected, corpus::Faults};

/// What a packed corpus contains: `corpus.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// SHA-256 of the `tokenizer.json` that made the ids.
    pub tokenizer: String,
    /// Size of its vocabulary.
    pub vocab_size: usize,
    /// Pairs, each counted once.
    pub pairs: usize,
    /// Ids of all texts.
    pub tokens: u64,
    /// SHA-256 of `corpus.bin`.
    pub sha256: String,
    /// How often pairs are drawn, by the label of their corpus; 1 where nothing is said.
    #[serde(default)]
    pub weights: BTreeMap<String, f64>,
    /// The corpora, in the order of their pairs.
    pub segments: Vec<Segment>,
}

/// One corpus within the packed form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Name of the file it came from.
    pub name: String,
    /// Domain or set.
    pub label: String,
    /// Language of the first side.
    pub source: String,
    /// Language of the second side.
    pub target: String,
    /// Whether it serves the direction from source to target only.
    pub one_way: bool,
    /// Pairs kept.
    pub pairs: usize,
    /// Ids of the first side.
    pub source_tokens: u64,
    /// Ids of the second side.
    pub target_tokens: u64,
    /// Pairs dropped, by reason.
    pub rejected: Rejected,
    /// Malformed lines.
    pub faults: Faults,
}

/// A packed corpus, open for reading.
///
/// It is read as *examples*: directed pairs. The examples of a segment follow each other, first
/// from source to target, then the other way.
#[derive(Debug)]
pub struct PackedCorpus {
    header: Header,
    routes: Vec<(String, String)>,
    spans: Vec<Span>,
    map: Mmap,
    sections: Sections,
    path: PathBuf,
}

/// The examples of one segment in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Index into the header's segments.
    pub segment: usize,
    /// Index into [`PackedCorpus::routes`].
    pub route: u32,
    /// Its examples.
    pub examples: Range<usize>,
    first_pair: usize,
    reversed: bool,
}

impl PackedCorpus {
    /// Opens the packed corpus at `path`, a `corpus.bin` with its `corpus.json` beside it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let refuse = |reason: String| Error::Packed { path: path.into(), reason };
        if cfg!(target_endian = "big") {
            return Err(refuse("its numbers are little endian, this machine's are not".into()));
        }
        let json = fs_err::read_to_string(path.with_extension("json"))?;
        let header: Header = serde_json::from_str(&json)
            .map_err(|error| refuse(format!("its header `corpus.json` is damaged: {error}")))?;

        let file = fs_err::File::open(path)?;
        // SAFETY: the file is written once, under another name, and renamed when it is complete;
        // nothing in the suite changes it afterwards.
        #[expect(unsafe_code, reason = "a memory-mapped file starts an epoch without reading it")]
        let map = unsafe { Mmap::map(file.file()) }?;

        if !map.starts_with(&MAGIC) || map.len() < HEADER_BYTES {
            return Err(refuse("it does not start as a packed corpus does".into()));
        }
        let width = IdWidth::of_header(map[IdWidth::PLACE]).ok_or_else(|| {
            refuse("its ids have a width that this version does not know; pack it again".into())
        })?;
        let sections = Sections::new(width, header.pairs, header.tokens)
            .filter(|sections| sections.blocks.end == map.len())
            .ok_or_else(|| {
                refuse("its size is not what `corpus.json` says; pack it again".into())
            })?;
        let listed: usize = header.segments.iter().map(|segment| segment.pairs).sum();
        if listed != header.pairs {
            return Err(refuse("the segments in `corpus.json` do not add up".into()));
        }
        let (routes, spans) = plan(&header.segments);
        let corpus = Self { header, routes, spans, map, sections, path: path.into() };
        corpus.check_places()?;
        Ok(corpus)
    }

    /// Checks once that every length and place lies within the file, so that reading cannot fail.
    fn check_places(&self) -> Result<()> {
        let refuse =
            |reason: &str| Error::Packed { path: self.path.clone(), reason: reason.into() };
        let (lengths, blocks) = (self.lengths(), self.blocks());
        let mut place = 0u64;
        for (block, lengths) in blocks.iter().zip(lengths.chunks(2 * BLOCK)) {
            if *block != place {
                return Err(refuse("its index is damaged; pack it again"));
            }
            place += lengths.iter().map(|&length| u64::from(length)).sum::<u64>();
        }
        match place == self.header.tokens {
            true => Ok(()),
            false => Err(refuse("its lengths are damaged; pack it again")),
        }
    }

    /// Number of examples: directed pairs.
    pub fn len(&self) -> usize {
        self.spans.last().map_or(0, |span| span.examples.end)
    }

    /// Whether there is nothing to learn.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The directions, in alphabetical order; an example's route is an index into them.
    pub fn routes(&self) -> &[(String, String)] {
        &self.routes
    }

    /// What is in the corpus, and what was dropped.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The segments by direction, in the order of their examples.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Example `i`: its route, the ids of the source and those of the target.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn pair(&self, i: usize) -> (u32, Vec<u32>, Vec<u32>) {
        let (span, [first, second]) = self.locate(i);
        let (source, target) = if span.reversed { (second, first) } else { (first, second) };
        (span.route, self.ids(source), self.ids(target))
    }

    /// Route of example `i`, without touching its ids.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn route_of(&self, i: usize) -> u32 {
        self.find(i).0.route
    }

    fn ids(&self, range: Range<usize>) -> Vec<u32> {
        let bytes = &self.map[self.sections.ids.clone()];
        match self.sections.width {
            IdWidth::Two => {
                let ids: &[u16] = bytemuck::cast_slice(bytes);
                ids[range].iter().map(|&id| id.into()).collect()
            }
            IdWidth::Four => bytemuck::cast_slice(bytes)[range].to_vec(),
        }
    }

    /// Lengths of source and target of example `i`, without touching their ids.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn lengths_of(&self, i: usize) -> (usize, usize) {
        let (span, pair) = self.find(i);
        let lengths = &self.lengths()[2 * pair..2 * pair + 2];
        let (first, second) = (usize::from(lengths[0]), usize::from(lengths[1]));
        if span.reversed { (second, first) } else { (first, second) }
    }

    /// Refuses to go on with another tokenizer than the one that packed this corpus.
    pub fn check_tokenizer(&self, sha256: &str) -> Result<()> {
        if self.header.tokenizer == sha256 {
            return Ok(());
        }
        let reason = format!(
            "it was packed with the tokenizer {:.12}…, not {sha256:.12}…; pack it again",
            self.header.tokenizer
        );
        Err(Error::Packed { path: self.path.clone(), reason })
    }

    /// Reads the whole file once and compares it with the SHA-256 in the header, as after a copy.
    pub fn verify(&self) -> Result<()> {
        if sha256_of(&self.path)? == self.header.sha256 {
            return Ok(());
        }
        let reason = "it is not the file that `corpus.json` describes; copy or pack it again";
        Err(Error::Packed { path: self.path.clone(), reason: reason.into() })
    }

    fn find(&self, i: usize) -> (&Span, usize) {
        let span = self.spans.partition_point(|span| span.examples.end <= i);
        let span = &self.spans[span];
        (span, span.first_pair + i - span.examples.start)
    }

    /// The span of example `i`, and where the ids of its first and second side lie.
    fn locate(&self, i: usize) -> (&Span, [Range<usize>; 2]) {
        let (span, pair) = self.find(i);
        let block = pair / BLOCK;
        let lengths = &self.lengths()[2 * block * BLOCK..2 * pair + 2];
        let (before, own) = lengths.split_at(lengths.len() - 2);
        let before: usize = before.iter().map(|&length| usize::from(length)).sum();
        let start = self.blocks()[block] as usize + before;
        let middle = start + usize::from(own[0]);
        (span, [start..middle, middle..middle + usize::from(own[1])])
    }

    fn lengths(&self) -> &[u16] {
        bytemuck::cast_slice(&self.map[self.sections.lengths.clone()])
    }

    fn blocks(&self) -> &[u64] {
        bytemuck::cast_slice(&self.map[self.sections.blocks.clone()])
    }
}

/// Lays out the examples of the segments, and names the routes.
fn plan(segments: &[Segment]) -> (Vec<(String, String)>, Vec<Span>) {
    let directions = |segment: &Segment| {
        let forward = (segment.source.clone(), segment.target.clone());
        let backward = (segment.target.clone(), segment.source.clone());
        if segment.one_way { vec![forward] } else { vec![forward, backward] }
    };
    let mut routes: Vec<_> = segments.iter().flat_map(directions).collect();
    routes.sort();
    routes.dedup();

    let (mut spans, mut example, mut first_pair) = (Vec::new(), 0, 0);
    for (segment, described) in segments.iter().enumerate() {
        for (route, reversed) in directions(described).into_iter().zip([false, true]) {
            let route = routes.binary_search(&route).expect("every direction is a route") as u32;
            let examples = example..example + described.pairs;
            example = examples.end;
            spans.push(Span { segment, route, examples, first_pair, reversed });
        }
        first_pair += described.pairs;
    }
    (routes, spans)
}

#[cfg(test)]
pub(crate) mod tests;
