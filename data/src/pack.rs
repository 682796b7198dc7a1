//! The packed form of corpora: one memory-mapped file of token ids, and a header in JSON.
//!
//! `corpus.bin` (little endian): 64 bytes of header, the ids of all texts as `u16`, or as `u32` where
//! the vocabulary is larger (source, target, source, target, …), then the lengths of the texts as
//! `u16`, then for each 64th pair the `u64` place of its first id. Byte 8 of the header is 4 where ids
//! take four bytes, and 0 where they take two. A pair is stored once and read in both directions, unless its corpus is
//! for one direction only.

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

use crate::{Error, Result, clean::Rejected, corpus::Faults};

const MAGIC: [u8; 8] = *b"DRGPACK1";
const HEADER_BYTES: usize = 64;
/// Pairs between two entries of the index.
const BLOCK: usize = 64;

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

/// Bytes of an id, and how the header says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IdWidth {
    Two,
    Four,
}

impl IdWidth {
    /// Place in the header.
    const PLACE: usize = MAGIC.len();

    fn for_vocabulary(size: usize) -> Self {
        if size <= usize::from(u16::MAX) + 1 { Self::Two } else { Self::Four }
    }

    fn of_header(byte: u8) -> Option<Self> {
        [Self::Two, Self::Four].into_iter().find(|width| width.code() == byte)
    }

    fn code(self) -> u8 {
        match self {
            Self::Two => 0, // as in files from before there was a choice
            Self::Four => 4,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// Byte ranges within `corpus.bin`.
#[derive(Debug, Clone)]
struct Sections {
    width: IdWidth,
    ids: Range<usize>,
    lengths: Range<usize>,
    blocks: Range<usize>,
}

impl Sections {
    fn new(width: IdWidth, pairs: usize, tokens: u64) -> Option<Self> {
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
pub(crate) mod tests {
    use std::borrow::Cow;

    use anyhow::{Context, Result};
    use dragoman_core::{
        tokenizer::Tokenizer,
        vocabulary::{Frame, Outputs, Side, Vocabulary},
    };

    use super::*;
    use crate::corpus::Corpus;

    /// Packs `en-de` pairs for both directions and `fr-en` pairs for one.
    pub(crate) fn packed(dir: &Path, pairs: usize) -> Result<PathBuf> {
        let line = |i: usize| {
            format!("number {}{i}\tNummer {i}{}\n", "x".repeat(i % 7), "y".repeat(i % 5))
        };
        let german: String = (0..pairs).map(line).collect();
        let french: String =
            (0..pairs / 4).map(|i| format!("nombre {i} un\ta number {i}\n")).collect();
        fs_err::write(dir.join("en-de.tsv"), german + "no tab\nnumber x1\tNummer 1y\n")?;
        fs_err::write(dir.join("fr-en.tsv"), french)?;
        let german = Corpus::from_name(dir.join("en-de.tsv"))?.labelled("human");
        let french = Corpus::from_name(dir.join("fr-en.tsv"))?.labelled("machine").one_way();
        let config = PackConfig { corpora: vec![german, french], ..Default::default() };
        let path = dir.join("corpus.bin");
        pack(&config, &Tokenizer::from_pieces(&["de", "en", "fr"], &[], Vec::new())?, &path)?;
        Ok(path)
    }

    #[test]
    fn what_was_packed_is_read_in_both_directions() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let corpus = PackedCorpus::open(packed(dir.path(), 200)?)?;
        assert_eq!(corpus.len(), 200 + 200 + 50);
        let tokenizer = Tokenizer::from_pieces(&["de", "en", "fr"], &[], Vec::new())?;
        let example = |i| {
            let (route, source, target) = corpus.pair(i);
            let (from, to) = &corpus.routes()[route as usize];
            assert_eq!(corpus.lengths_of(i), (source.len(), target.len()));
            format!("{from}-{to}: {} = {}", tokenizer.decode(&source), tokenizer.decode(&target))
        };
        assert_eq!(example(0), "en-de: number 0 = Nummer 0");
        assert_eq!(example(199), "en-de: number xxx199 = Nummer 199yyyy");
        assert_eq!(example(399), "de-en: Nummer 199yyyy = number xxx199");
        assert_eq!(example(400), "fr-en: nombre 0 un = a number 0");
        assert_eq!(example(449), "fr-en: nombre 49 un = a number 49");
        Ok(())
    }

    /// Letters with large ids.
    #[derive(Debug)]
    struct Letters;

    impl Vocabulary for Letters {
        fn size(&self) -> usize {
            200_000
        }

        fn outputs(&self) -> &Outputs {
            static OUTPUTS: Outputs = Outputs { end: 0, first: 0, banned: Vec::new() };
            &OUTPUTS
        }

        fn encode(&self, _: Side, text: &str) -> Vec<u32> {
            text.bytes().map(|byte| 100_000 + u32::from(byte)).collect()
        }

        fn decode(&self, _: &[u32]) -> String {
            String::new()
        }

        fn token(&self, _: Side, _: u32) -> Option<String> {
            None
        }

        fn frame(&self, _: &str, _: &str) -> dragoman_core::Result<Frame> {
            Ok(Frame::default())
        }

        fn sha256(&self) -> &str {
            "letters"
        }

        fn files(&self) -> Vec<(String, Cow<'_, [u8]>)> {
            Vec::new()
        }
    }

    #[test]
    fn ids_of_a_large_vocabulary_take_four_bytes() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let tsv = dir.path().join("en-de.tsv");
        fs_err::write(&tsv, "one more\tnoch eins\nand two\tund zwei\n")?;
        let config = PackConfig { corpora: vec![Corpus::from_name(&tsv)?], ..Default::default() };
        let path = dir.path().join("corpus.bin");
        pack(&config, &Letters, &path)?;
        let corpus = PackedCorpus::open(&path)?;
        let (_, source, target) = corpus.pair(1);
        assert_eq!(source, Letters.encode(Side::Source, "and two"));
        assert_eq!(target, Letters.encode(Side::Target, "und zwei"));
        assert_eq!(corpus.lengths_of(1), (7, 8));
        // Another width is one that only a later version knows.
        let mut bytes = fs_err::read(&path)?;
        bytes[IdWidth::PLACE] = 8;
        fs_err::write(&path, bytes)?;
        let error = PackedCorpus::open(&path).err().context("must be refused")?.to_string();
        assert!(error.contains("pack it again"), "{error}");
        Ok(())
    }

    #[test]
    fn the_header_tells_what_was_dropped() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let corpus = PackedCorpus::open(packed(dir.path(), 20)?)?;
        let segment = corpus.header().segments.first().context("two segments")?;
        let rejected: Vec<u64> = segment.rejected.values().copied().collect();
        assert_eq!((segment.pairs, rejected), (20, vec![1, 1])); // malformed, duplicate
        assert!(segment.faults.first[0].contains("en-de.tsv:21: "), "{:?}", segment.faults);
        Ok(())
    }

    #[test]
    fn held_out_sentences_are_left_out() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let [train, dev] = ["en-de.tsv", "en-de.dev.tsv"].map(|name| dir.path().join(name));
        fs_err::write(&train, "one\teins\ntwo\tzwei\n")?;
        fs_err::write(&dev, "two\tzwo\n")?;
        let corpora = vec![Corpus::from_name(train)?];
        let held_out = vec![Corpus::from_name(dev)?];
        let config = PackConfig { corpora, held_out, ..Default::default() };
        let tokenizer = Tokenizer::from_pieces(&[], &[], Vec::new())?;
        assert_eq!(pack(&config, &tokenizer, dir.path().join("corpus.bin"))?.pairs, 1);
        Ok(())
    }

    #[test]
    fn damage_is_refused_by_name() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = packed(dir.path(), 100)?;
        let bytes = fs_err::read(&path)?;
        let mut other = bytes.clone();
        other[0] ^= 1;
        let mut index = bytes.clone();
        *index.last_mut().context("not empty")? ^= 1;
        for damaged in [&bytes[..bytes.len() - 1], &other, &index, &[]] {
            fs_err::write(&path, damaged)?;
            let message = PackedCorpus::open(&path).err().context("must be refused")?.to_string();
            assert!(message.contains("corpus.bin"), "{message}");
        }
        Ok(())
    }

    #[test]
    fn an_altered_id_is_found_by_verifying() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = packed(dir.path(), 10)?;
        PackedCorpus::open(&path)?.verify()?;
        let mut bytes = fs_err::read(&path)?;
        bytes[HEADER_BYTES] ^= 1;
        fs_err::write(&path, bytes)?;
        assert!(PackedCorpus::open(&path)?.verify().is_err());
        Ok(())
    }

    #[test]
    fn another_tokenizer_is_refused() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let corpus = PackedCorpus::open(packed(dir.path(), 4)?)?;
        let other = Tokenizer::from_pieces(&["nl"], &[], Vec::new())?;
        assert!(corpus.check_tokenizer(other.sha256()).is_err());
        assert!(corpus.check_tokenizer(&corpus.header().tokenizer).is_ok());
        Ok(())
    }
}
