//! What was packed is read again, and damage is refused.

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
    let line =
        |i: usize| format!("number {}{i}\tNummer {i}{}\n", "x".repeat(i % 7), "y".repeat(i % 5));
    let german: String = (0..pairs).map(line).collect();
    let french: String = (0..pairs / 4).map(|i| format!("nombre {i} un\ta number {i}\n")).collect();
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
