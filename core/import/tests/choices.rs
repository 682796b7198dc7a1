//! Each choice of CTranslate2's specification against the peer: logits, greedy search, and a beam of four where
//! it ends in time.
//!
//! `choices/make.py` made the models, with random weights, and what the peer makes of them.

mod tiny;

use std::path::Path;

use anyhow::Result;
use candle::IndexOp as _;
use dragoman_core::{
    cache::StepRows,
    context::Context,
    decoding::search::{SearchConfig, Sentences, search},
    directory::{Files, Loaded},
    kernels::matmul::Precision,
    memory::ExpertMemory,
    models::translation::{Example, TranslationBatch},
    ragged::Ragged,
    vocabulary::{Outputs, Side},
};
use dragoman_import::{
    Request,
    export::{Format, export},
    import,
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Row {
    source: Vec<String>,
    greedy: Vec<String>,
    logits: Vec<Vec<f32>>,
    beam: Vec<Beam>,
}

#[derive(Debug, Deserialize)]
struct Beam {
    tokens: Vec<String>,
    score: f32,
}

/// Tokens of a target at most; the peer was told the same.
const LONGEST: usize = 9;

/// A model that was imported, and what was made of it exported and imported once more, with the rows
/// of the peer.
fn imported(name: &str) -> Result<(tempfile::TempDir, [Loaded; 2], Vec<Row>)> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/choices").join(name);
    let folder = tempfile::tempdir()?;
    let (source, out) = (folder.path().join("source"), folder.path().join("model"));
    tiny::write(&source)?;
    let tokens = "<unk> <s> </s> ▁a ▁b ▁c a b c d e f g h i j".split(' ').collect::<Vec<_>>();
    fs_err::write(source.join("shared_vocabulary.json"), serde_json::to_vec(&tokens)?)?;
    for file in ["model.bin", "config.json"] {
        fs_err::copy(own.join(file), source.join(file))?;
    }
    let request = Request { from: Some("en".into()), to: Some("de".into()) };
    import(&source, &request, &out)?;
    let (exported, again) = (folder.path().join("exported"), folder.path().join("again"));
    export(&Files::Folder(out.clone()), Format::CTranslate2, &exported)?;
    import(&exported, &request, &again)?;
    let open = |dir| Files::Folder(dir).open_translation(&ExpertMemory::new(None));
    let rows = serde_json::from_slice(&fs_err::read(own.join("expected.json"))?)?;
    Ok((folder, [open(out)?, open(again)?], rows))
}

fn ids(loaded: &Loaded, tokens: &[String]) -> Vec<u32> {
    let size = loaded.model.config().vocab_size as u32;
    let is = |id: &u32, token: &str| {
        loaded.vocabulary.token(Side::Target, *id).is_some_and(|own| own == token)
    };
    let id = |token: &String| (0..size).find(|id| is(id, token)).expect("a token of the list");
    tokens.iter().map(id).collect()
}

/// Checks a model and its export, and says how many hypotheses of the beam could be compared.
fn check(name: &str) -> Result<usize> {
    let (_folder, [imported, again], rows) = imported(name)?; // weights are read when they are used
    let beams = check_rows(name, &imported, &rows)?;
    assert_eq!(check_rows(&format!("{name}, exported"), &again, &rows)?, beams);
    Ok(beams)
}

fn check_rows(name: &str, loaded: &Loaded, rows: &[Row]) -> Result<usize> {
    let mut beams = 0;
    let frame = loaded.vocabulary.frame("en", "de")?;
    let context = Context::inference(Precision::F32);
    for row in rows {
        let source = frame.source(&ids(loaded, &row.source));
        let greedy = ids(loaded, &row.greedy);
        check_logits(loaded, &source, (frame.start[0], &greedy), &row.logits)?;
        let layout = Ragged::contiguous(&[source.len()]);
        let encoded = loaded.model.encode(&source, &layout, &[0.into()], &context)?;
        let starts = [frame.start.clone()];
        let outputs: &Outputs = loaded.vocabulary.outputs();
        let sentences = Sentences { routes: &[0.into()], starts: &starts, outputs };
        let stopping = loaded.model.config().architecture.search.unwrap_or_default().stopping;
        let search = |beam_size| {
            let (max_ratio, max_extra) = (0.0, LONGEST);
            let config = SearchConfig {
                beam_size,
                stopping,
                max_ratio,
                max_extra,
                ..SearchConfig::greedy()
            };
            Ok::<_, anyhow::Error>(
                search(&loaded.model, &encoded, &sentences, &config, &context)?.swap_remove(0),
            )
        };
        assert_eq!(search(1)?[0].tokens, greedy, "{name}: {:?}", row.source);
        let found = search(4)?;
        // At the greatest length the peer gives hypotheses that have not ended beside those that have, and
        // here those that have come alone: compared is what ends before, or where none ends.
        let is_cut = found.iter().all(|own| own.tokens.len() == LONGEST);
        let compared = |beam: &&Beam| is_cut || beam.tokens.len() < LONGEST;
        let expected: Vec<&Beam> = row.beam.iter().filter(compared).collect();
        assert!(found.len() >= expected.len(), "{name}: {:?}", row.source);
        beams += expected.len();
        for (own, beam) in found.iter().zip(expected) {
            assert_eq!(own.tokens, ids(loaded, &beam.tokens), "{name}: {:?}", row.source);
            assert!((own.score - beam.score).abs() < 1e-4, "{} for {}", own.score, beam.score);
        }
    }
    Ok(beams)
}

/// Compares the logits after each token, step by step and of the whole target at once.
fn check_logits(
    loaded: &Loaded,
    source: &[u32],
    (start, greedy): (u32, &[u32]),
    expected: &[Vec<f32>],
) -> Result<()> {
    let context = Context::inference(Precision::F32);
    let layout = Ragged::contiguous(&[source.len()]);
    let encoded = loaded.model.encode(source, &layout, &[0.into()], &context)?;
    let mut cache = loaded.model.start(&encoded, &context)?;
    let rows = StepRows { sentences: &[0], routes: &[0.into()] };
    let target = [&[start], greedy].concat();
    let labels = [greedy, &[loaded.vocabulary.outputs().end]].concat();
    let example = Example { route: 0.into(), source: source.to_vec(), target, labels };
    let batch = TranslationBatch::new(&[example], None);
    let whole = loaded.model.forward(&batch, &context)?.hidden;
    let whole = loaded.model.logits(&whole, &context)?;
    let inputs = std::iter::once(&start).chain(greedy);
    for (place, (id, expected)) in inputs.zip(expected).enumerate() {
        let hidden = loaded.model.step(&[*id], &rows, &mut cache, &context)?.hidden;
        let step = loaded.model.logits(&hidden, &context)?.to_vec2::<f32>()?.concat();
        let whole = whole.i(place)?.to_vec1::<f32>()?;
        for ((step, whole), expected) in step.iter().zip(&whole).zip(expected) {
            let tolerance = 1e-4 * expected.abs().max(1.0);
            assert!((step - expected).abs() <= tolerance, "{step} is to be {expected} at {place}");
            assert!((step - whole).abs() <= 1e-5 * step.abs().max(1.0), "{step} is not {whole}");
        }
    }
    Ok(())
}

#[test]
fn gates() -> Result<()> {
    assert_eq!(check("gated-silu-rms")?, 12);
    assert_eq!(check("gated-gelu-post")?, 12);
    Ok(())
}

#[test]
fn approximations_of_gelu() -> Result<()> {
    assert_eq!(check("gelu-sigmoid")?, 4);
    Ok(())
}

#[test]
fn rotary_positions() -> Result<()> {
    assert_eq!(check("rotary-halves")?, 4);
    assert_eq!(check("rotary-neighbours")?, 0);
    Ok(())
}

#[test]
fn relative_positions() -> Result<()> {
    assert_eq!(check("relative-vectors")?, 12);
    Ok(())
}

#[test]
fn slopes_of_the_target() -> Result<()> {
    assert_eq!(check("alibi")?, 12);
    Ok(())
}

#[test]
fn t5() -> Result<()> {
    assert_eq!(check("t5")?, 8);
    Ok(())
}
