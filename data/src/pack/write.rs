//! Cleans, encodes and writes corpora.

use std::{
    collections::BTreeMap,
    io::{BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use dragoman_core::vocabulary::{Side, Vocabulary};
use fs_err::File;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{BLOCK, HEADER_BYTES, Header, IdWidth, MAGIC, Segment};
use crate::{
    Result,
    clean::{CleanConfig, Cleaner, HeldOut, Reason, Rejected, Seen},
    corpus::{Corpus, Faults, Line, Pair},
};

/// Lines that are cleaned and encoded together.
const CHUNK: usize = 1 << 14;

/// What to pack.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackConfig {
    /// The corpora, in the order in which a duplicate is kept: the first one stays.
    pub corpora: Vec<Corpus>,
    /// Which pairs to drop.
    pub clean: CleanConfig,
    /// Dev and test sets, whose sentences are dropped from corpora of the same languages.
    pub held_out: Vec<Corpus>,
    /// What is to be known best.
    pub phrasebooks: Vec<Phrasebook>,
    /// How often pairs are to be drawn, by the label of their corpus; 1 where nothing is said.
    pub weights: BTreeMap<String, f64>,
}

/// A small corpus of what is said most often. It is packed several times, and whole: what it shares
/// with a dev or test set stays, so a score counts only without those sentences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phrasebook {
    /// The phrases.
    pub corpus: Corpus,
    /// How many times they are packed.
    pub repeat: usize,
}

/// Packs corpora into `path` (a `corpus.bin`) and the `.json` beside it.
///
/// Both files appear when they are complete. A malformed line is counted, named in the header and
/// passed over.
pub fn pack(
    config: &PackConfig,
    vocabulary: &dyn Vocabulary,
    path: impl AsRef<Path>,
) -> Result<Header> {
    let path = path.as_ref();
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    let mut held_out = HeldOut::default();
    for corpus in &config.held_out {
        for line in corpus.lines()? {
            if let Ok(pair) = line?.pair {
                held_out.insert([&corpus.source, &corpus.target], &pair);
            }
        }
    }
    let writer = Writer::new(path, IdWidth::for_vocabulary(vocabulary.size()))?;
    let mut packer = Packer { vocabulary, held_out, seen: Seen::default(), writer };
    let mut segments = Vec::new();
    for corpus in &config.corpora {
        segments.push(packer.add(corpus, &config.clean, Pass::Once)?);
    }
    let whole = CleanConfig { allow_copies: true, ..config.clean.clone() };
    for Phrasebook { corpus, repeat } in &config.phrasebooks {
        segments.push(packer.add(corpus, &whole, Pass::Repeated(*repeat))?);
    }
    packer.writer.finish(path, vocabulary, segments, config.weights.clone())
}

/// How the pairs of a corpus are packed.
#[derive(Clone, Copy)]
enum Pass {
    /// Each once, without what is held out.
    Once,
    /// All of them as often.
    Repeated(usize),
}

struct Packer<'a> {
    vocabulary: &'a dyn Vocabulary,
    held_out: HeldOut,
    seen: Seen,
    writer: Writer,
}

/// How the pairs of a corpus are read.
#[derive(Clone, Copy)]
struct Reading<'a> {
    corpus: &'a Corpus,
    cleaner: &'a Cleaner,
    /// Longest side that is kept.
    max_tokens: usize,
    pass: Pass,
}

impl Packer<'_> {
    fn add(&mut self, corpus: &Corpus, clean: &CleanConfig, pass: Pass) -> Result<Segment> {
        let name = corpus.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut segment = Segment {
            name: name.unwrap_or_default(),
            label: corpus.label.clone(),
            source: corpus.source.clone(),
            target: corpus.target.clone(),
            one_way: corpus.one_way,
            pairs: 0,
            source_tokens: 0,
            target_tokens: 0,
            rejected: Rejected::new(),
            faults: Faults::default(),
        };
        let cleaner = Cleaner::new(clean, &corpus.source, &corpus.target)?;
        let reading = Reading { corpus, cleaner: &cleaner, max_tokens: clean.max_tokens, pass };
        let mut lines = corpus.lines()?;
        loop {
            let chunk = lines.by_ref().take(CHUNK).collect::<Result<Vec<Line>>>()?;
            if chunk.is_empty() {
                break;
            }
            self.add_chunk(&reading, chunk, &mut segment)?;
        }
        if segment.faults.count > 0 {
            let Faults { count, first } = &segment.faults;
            tracing::warn!(count, ?first, "skipped malformed lines");
        }
        tracing::info!(name = segment.name, pairs = segment.pairs, rejected = ?segment.rejected, "packed");
        Ok(segment)
    }

    fn add_chunk(
        &mut self,
        reading: &Reading<'_>,
        chunk: Vec<Line>,
        segment: &mut Segment,
    ) -> Result<()> {
        let Reading { corpus, cleaner, max_tokens, pass } = *reading;
        let checked: Vec<Result<Pair, Reason>> = (chunk.par_iter())
            .map(|line| match &line.pair {
                Ok(pair) => cleaner.check(pair),
                Err(_) => Err(Reason::Malformed),
            })
            .collect();
        let languages = [corpus.source.as_str(), corpus.target.as_str()];
        let (once, times) = match pass {
            Pass::Once => (true, 1),
            Pass::Repeated(times) => (false, times),
        };
        let mut kept = Vec::with_capacity(chunk.len());
        for (line, checked) in chunk.iter().zip(checked) {
            let reason = match checked {
                Ok(pair) if once && self.held_out.contains(languages, &pair) => Reason::HeldOut,
                Ok(pair) if once && !self.seen.insert(languages, &pair) => Reason::Duplicate,
                Ok(pair) => {
                    kept.push(pair);
                    continue;
                }
                Err(reason) => reason,
            };
            *segment.rejected.entry(reason).or_default() += 1;
            if let Err(fault) = &line.pair {
                segment.faults.add(&corpus.path, line.number, fault);
            }
        }
        let encoded: Vec<[Vec<u32>; 2]> = (kept.par_iter())
            .map(|pair| {
                let sides = [(Side::Source, &pair.source), (Side::Target, &pair.target)];
                sides.map(|(side, text)| self.vocabulary.encode(side, text))
            })
            .collect();
        for sides in std::iter::repeat_n(&encoded, times).flatten() {
            if sides.iter().any(|ids| ids.len() > max_tokens.min(usize::from(u16::MAX))) {
                *segment.rejected.entry(Reason::TooLong).or_default() += 1;
                continue;
            }
            segment.pairs += 1;
            segment.source_tokens += sides[0].len() as u64;
            segment.target_tokens += sides[1].len() as u64;
            self.writer.push(sides)?;
        }
        Ok(())
    }
}

/// Writes `corpus.bin`, first under another name.
struct Writer {
    part: PathBuf,
    width: IdWidth,
    file: BufWriter<File>,
    tokens: u64,
    lengths: Vec<u16>,
    blocks: Vec<u64>,
}

impl Writer {
    fn new(path: &Path, width: IdWidth) -> Result<Self> {
        let part = path.with_extension("bin.part");
        let mut file = BufWriter::new(File::create(&part)?);
        let mut header = [0; HEADER_BYTES];
        header[..MAGIC.len()].copy_from_slice(&MAGIC);
        header[IdWidth::PLACE] = width.code();
        file.write_all(&header)?;
        Ok(Self { part, width, file, tokens: 0, lengths: Vec::new(), blocks: Vec::new() })
    }

    fn push(&mut self, sides: &[Vec<u32>; 2]) -> Result<()> {
        if self.lengths.len().is_multiple_of(2 * BLOCK) {
            self.blocks.push(self.tokens);
        }
        for ids in sides {
            for &id in ids {
                self.file.write_all(&id.to_le_bytes()[..self.width.bytes()])?;
            }
            self.lengths.push(ids.len() as u16);
            self.tokens += ids.len() as u64;
        }
        Ok(())
    }

    fn align(&mut self) -> Result<()> {
        let end = self.file.stream_position()? as usize;
        Ok(self.file.write_all(&[0; 8][..end.next_multiple_of(8) - end])?)
    }

    fn finish(
        mut self,
        path: &Path,
        vocabulary: &dyn Vocabulary,
        segments: Vec<Segment>,
        weights: BTreeMap<String, f64>,
    ) -> Result<Header> {
        self.align()?;
        for length in std::mem::take(&mut self.lengths) {
            self.file.write_all(&length.to_le_bytes())?;
        }
        self.align()?;
        for block in std::mem::take(&mut self.blocks) {
            self.file.write_all(&block.to_le_bytes())?;
        }
        let mut file = self.file.into_inner().map_err(|error| error.into_error())?;
        file.seek(SeekFrom::Start(0))?;
        file.sync_all()?;
        drop(file);

        let header = Header {
            tokenizer: vocabulary.sha256().to_owned(),
            vocab_size: vocabulary.size(),
            pairs: segments.iter().map(|segment| segment.pairs).sum(),
            tokens: self.tokens,
            sha256: sha256_of(&self.part)?,
            weights,
            segments,
        };
        let json = serde_json::to_string_pretty(&header).expect("a header is plain data");
        let json_part = path.with_extension("json.part");
        fs_err::write(&json_part, json)?;
        fs_err::rename(&self.part, path)?;
        fs_err::rename(&json_part, path.with_extension("json"))?;
        Ok(header)
    }
}

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256_of(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    std::io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(format!("{:x}", hasher.finalize()))
}
