//! One golden checkpoint, and how it is compared.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use candle::{Device, Tensor};
use dragoman_core::{
    cache::StepRows,
    config::Stopping,
    context::Context,
    decoding::search::{Hypothesis, SearchConfig, Sentences, search},
    directory::{Files, Loaded},
    kernels::matmul::Precision,
    memory::ExpertMemory,
    ragged::Ragged,
    sentencepiece::SentencePiece,
    vocabulary::{Frame, Side},
};
use dragoman_import::{Request, import};
use serde::Deserialize;

/// A sentence with what the peer makes of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    source_text: String,
    source_lang: Option<String>,
    target_lang: Option<String>,
    source_ids: Option<Vec<u32>>,
    source_pieces: Option<Vec<String>>,
    /// From the first token of the decoder, except for Bergamot, to the end.
    greedy_ids: Option<Vec<u32>>,
    torch_greedy_ids: Option<Vec<u32>>,
    /// Of CTranslate2, without the end.
    greedy: Option<Vec<String>>,
    greedy_text: Option<String>,
    text: Option<String>,
    #[serde(default)]
    beam4: Vec<Beam>,
}

#[derive(Debug, Deserialize)]
struct Beam {
    ids: Option<Vec<u32>>,
    pieces: Option<Vec<String>>,
    score: f32,
}

/// Where the logits of the peer are.
#[derive(Debug, Clone)]
pub(crate) struct Logits {
    path: PathBuf,
    prefix: String,
}

impl Logits {
    pub(crate) fn of(golden: &Path, path: &str, prefix: &str) -> Self {
        Self { path: golden.join(path), prefix: prefix.into() }
    }
}

/// A golden checkpoint.
pub(crate) struct Case {
    pub(crate) source: PathBuf,
    /// Keeps a copy of the source.
    pub(crate) work: Option<tempfile::TempDir>,
    pub(crate) rows: Vec<Row>,
    pub(crate) logits: Logits,
    /// How far logits may be off, beside `max(1, |reference|)`.
    pub(crate) tolerance: f32,
    /// How many hypotheses of a beam are compared.
    pub(crate) beams: usize,
    /// When the peer's beams ended, where its files say something else.
    pub(crate) stopping: Option<Stopping>,
}

/// The folder of the golden checkpoints; none, with a reason printed, if there is none by default.
pub(crate) fn folder() -> Result<Option<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = match std::env::var_os("DRAGOMAN_GOLDEN_DIR") {
        Some(named) => root.join(named),
        None => {
            let shared = std::env::var_os("DRAGOMAN_SHARED_DIR").unwrap_or("../shared".into());
            root.join(shared).join("golden")
        }
    };
    let folder = folder.join("import");
    if !folder.is_dir() {
        println!("skipped: there is no folder {}; set DRAGOMAN_GOLDEN_DIR", folder.display());
        return Ok(None);
    }
    Ok(Some(folder))
}

impl Case {
    pub(crate) fn new(source: PathBuf, expected: &Path, tolerance: f32) -> Result<Self> {
        let rows = fs_err::read(expected.join("expected.json"))?;
        let rows = serde_json::from_slice(&rows).context("the rows of the case")?;
        let logits = Logits::of(expected, "expected.safetensors", "");
        Ok(Self { source, work: None, rows, logits, tolerance, beams: 4, stopping: None })
    }

    pub(crate) fn hugging_face(golden: &Path, name: &str, tolerance: f32) -> Result<Self> {
        let case = Self::new(golden.join(name), &golden.join(name), tolerance)?;
        // Made with `early_stopping=True`.
        Ok(Self { stopping: Some(Stopping::Full), ..case })
    }

    /// A model of Argos with the files of a package around it.
    pub(crate) fn argos(golden: &Path, name: &str, tolerance: f32) -> Result<Self> {
        let model = golden.join("argos").join(name);
        let work = tempfile::tempdir()?;
        let own = work.path().join("model");
        fs_err::create_dir(&own)?;
        for entry in fs_err::read_dir(&model)? {
            let entry = entry?;
            fs_err::copy(entry.path(), own.join(entry.file_name()))?;
        }
        let spm = golden.join("spm/shared_unigram.model");
        fs_err::copy(spm, work.path().join("sentencepiece.model"))?;
        let metadata = r#"{ "from_code": "en", "to_code": "de" }"#;
        fs_err::write(work.path().join("metadata.json"), metadata)?;
        let case = Self::new(work.path().into(), &model, tolerance)?;
        let logits = Logits::of(golden, "argos/expected.safetensors", "");
        Ok(Self { work: Some(work), logits, beams: beams_of(tolerance), ..case })
    }

    /// A conversion by CTranslate2, with the SentencePiece models of what was converted.
    pub(crate) fn ctranslate2(golden: &Path, name: &str, of: &str, tolerance: f32) -> Result<Self> {
        let model = golden.join("ct2").join(name);
        let work = super::copied(&model, &[])?;
        for spm in ["source.spm", "target.spm", "sentencepiece.bpe.model"] {
            let path = golden.join(of).join(spm);
            if path.is_file() {
                fs_err::copy(path, work.path().join(spm))?;
            }
        }
        let case = Self::new(work.path().into(), &model, tolerance)?;
        // Ids and logits are those of the original.
        let original = Self::new(model, &golden.join(of), tolerance)?;
        let rows = case.rows.into_iter().zip(original.rows).map(|(own, original)| Row {
            source_ids: original.source_ids,
            source_lang: original.source_lang,
            target_lang: original.target_lang,
            torch_greedy_ids: original.greedy_ids,
            ..own
        });
        let (rows, beams) = (rows.collect(), beams_of(tolerance));
        Ok(Self { work: Some(work), rows, logits: original.logits, beams, ..case })
    }
}

/// How many hypotheses are compared: with integers the peer rounds activations as well, and hypotheses
/// with nearly equal scores change places.
fn beams_of(tolerance: f32) -> usize {
    if tolerance > 0.1 { 1 } else { 4 }
}

/// Imports the source of a case and compares all that is known of it.
pub(crate) fn check(case: impl FnOnce(&Path) -> Result<Case>) -> Result<()> {
    let Some(golden) = folder()? else { return Ok(()) };
    let case = case(&golden)?;
    let out = tempfile::tempdir()?;
    let model = out.path().join("model");
    let request = Request { from: Some("en".into()), to: Some("de".into()) };
    import(&case.source, &request, &model)?;
    let loaded = Files::Folder(model).open_translation(&ExpertMemory::new(None))?;
    let expected = candle::safetensors::load(&case.logits.path, &Device::Cpu)?;
    let mut most = 0f32;
    for (i, row) in case.rows.iter().enumerate() {
        let frame = frame(&loaded, row)?;
        let source = check_source(&loaded, row, &frame)?;
        let logits = &expected[&format!("{}{i}.logits", case.logits.prefix)];
        most = most.max(check_logits(&loaded, row, (&source, &frame), logits)?);
        ensure!(most <= case.tolerance, "row {i}: logits are off by {most}");
        check_greedy(&loaded, row, (&source, &frame))?;
        check_beams(&loaded, row, (&source, &frame), &case).with_context(|| format!("row {i}"))?;
    }
    println!("{}: logits are off by at most {most:.1e}", case.source.display());
    drop(case.work); // the copy goes now
    Ok(())
}

/// What stands around a text: languages as callers name them.
fn frame(loaded: &Loaded, row: &Row) -> Result<Frame> {
    let code = |language: &Option<String>, other: &str| {
        let language = language.as_deref().unwrap_or(other);
        match language {
            "eng_Latn" => "en".to_string(),
            "deu_Latn" => "de".into(),
            "fra_Latn" => "fr".into(),
            other => other.into(),
        }
    };
    let (source, target) = (code(&row.source_lang, "en"), code(&row.target_lang, "de"));
    ensure!(loaded.register.route(&source, &target).is_some(), "{source}-{target} has no route");
    Ok(loaded.vocabulary.frame(&source, &target)?)
}

/// Compares the ids of the source.
fn check_source(loaded: &Loaded, row: &Row, frame: &Frame) -> Result<Vec<u32>> {
    let ids = loaded.vocabulary.encode(Side::Source, &row.source_text);
    let source = frame.source(&ids);
    if let Some(expected) = &row.source_ids {
        assert_eq!(&source, expected, "ids of `{}`", row.source_text);
    }
    if let Some(pieces) = &row.source_pieces {
        let token = |&id: &u32| loaded.vocabulary.token(Side::Source, id).unwrap_or_default();
        let own: Vec<String> = source.iter().map(token).collect();
        let has_end = pieces.last().is_some_and(|last| last == "</s>");
        let expected = pieces.len() + usize::from(!has_end && !frame.after.is_empty());
        assert_eq!(own.len(), expected, "pieces of `{}`: {own:?}", row.source_text);
        assert_eq!(own[..pieces.len()], pieces[..]);
    }
    Ok(source)
}

/// The largest deviation of logits, in units of `max(1, |reference|)`, where the decoder is given
/// what the peer says.
fn check_logits(
    loaded: &Loaded,
    row: &Row,
    (source, frame): (&[u32], &Frame),
    expected: &Tensor,
) -> Result<f32> {
    let said = row.torch_greedy_ids.as_ref().or(row.greedy_ids.as_ref()).context("no ids")?;
    let expected = expected.to_vec2::<f32>()?;
    // Bergamot's ids begin behind the row of zeros.
    let (first, given) = match said.len() - expected.len() {
        0 => (None, &said[..]),
        _ => (Some(said[0]), &said[1..]),
    };
    if let Some(first) = first.filter(|_| !is_zero_row(loaded, frame)) {
        assert_eq!(frame.start[0], first, "the first token of the decoder");
    }
    let context = Context::inference(Precision::F32);
    let layout = Ragged::contiguous(&[source.len()]);
    let encoded = loaded.model.encode(source, &layout, &[0.into()], &context)?;
    let mut cache = loaded.model.start(&encoded, &context)?;
    let rows = StepRows { sentences: &[0], routes: &[0.into()] };
    let mut most = 0f32;
    let inputs = std::iter::once(&frame.start[0]).chain(given);
    for (id, expected) in inputs.zip(&expected) {
        let hidden = loaded.model.step(&[*id], &rows, &mut cache, &context)?.hidden;
        let logits = loaded.model.logits(&hidden, &context)?.to_vec2::<f32>()?.concat();
        let padding = expected.len() == logits.len() && is_zero_row(loaded, frame);
        let compared = expected.len() - usize::from(padding);
        for (own, expected) in logits.iter().zip(&expected[..compared]) {
            most = most.max((own - expected).abs() / expected.abs().max(1.0));
        }
    }
    Ok(most)
}

/// Whether the decoder starts from a row that only serves for that.
fn is_zero_row(loaded: &Loaded, frame: &Frame) -> bool {
    loaded.vocabulary.token(Side::Target, frame.start[0]).is_none_or(|token| token.is_empty())
}

fn found(
    loaded: &Loaded,
    (source, frame): (&[u32], &Frame),
    beam_size: usize,
    stopping: Option<Stopping>,
) -> Result<Vec<Hypothesis>> {
    let context = Context::inference(Precision::F32);
    let layout = Ragged::contiguous(&[source.len()]);
    let encoded = loaded.model.encode(source, &layout, &[0.into()], &context)?;
    let defaults = loaded.model.config().architecture.search.unwrap_or_default();
    let config = SearchConfig {
        beam_size,
        length_penalty: defaults.length_penalty,
        stopping: stopping.unwrap_or(defaults.stopping),
        ..SearchConfig::greedy()
    };
    let starts = [frame.start.clone()];
    let outputs = loaded.vocabulary.outputs();
    let sentences = Sentences { routes: &[0.into()], starts: &starts, outputs };
    let mut found = search(&loaded.model, &encoded, &sentences, &config, &context)?;
    Ok(found.swap_remove(0))
}

/// What the peer says as ids, from its ids or its pieces: without the start and the end.
fn said(
    loaded: &Loaded,
    frame: &Frame,
    ids: Option<&Vec<u32>>,
    pieces: Option<&Vec<String>>,
) -> Option<Vec<String>> {
    let end = loaded.vocabulary.outputs().end;
    let token = |&id: &u32| loaded.vocabulary.token(Side::Target, id).unwrap_or_default();
    let mut said: Vec<String> = match (pieces, ids) {
        (Some(pieces), _) => pieces.clone(),
        (None, Some(ids)) => {
            let ids = ids.strip_prefix(&frame.start[..]).unwrap_or(ids);
            ids.iter().filter(|&&id| id != end).map(token).collect()
        }
        (None, None) => return None,
    };
    if pieces.is_some() && frame.start.len() > 1 {
        said.remove(0); // the language
    }
    Some(said)
}

fn check_greedy(loaded: &Loaded, row: &Row, sentence: (&[u32], &Frame)) -> Result<()> {
    let best = found(loaded, sentence, 1, None)?.swap_remove(0);
    let expected = said(loaded, sentence.1, row.greedy_ids.as_ref(), row.greedy.as_ref());
    let token = |&id: &u32| loaded.vocabulary.token(Side::Target, id).unwrap_or_default();
    let own: Vec<String> = best.tokens.iter().map(token).collect();
    assert_eq!(own, expected.context("no greedy output")?);
    let text = loaded.vocabulary.decode(&best.tokens);
    if let Some(expected) = row.greedy_text.as_ref().or(row.text.as_ref()) {
        assert_eq!(&text, expected);
    }
    Ok(())
}

/// The best hypotheses with their scores.
fn check_beams(loaded: &Loaded, row: &Row, sentence: (&[u32], &Frame), case: &Case) -> Result<()> {
    if row.beam4.is_empty() {
        return Ok(()); // the peer searches greedily
    }
    let own = found(loaded, sentence, 4, case.stopping)?;
    assert_eq!(own.len(), row.beam4.len());
    let token = |&id: &u32| loaded.vocabulary.token(Side::Target, id).unwrap_or_default();
    for (rank, (own, beam)) in own.iter().zip(&row.beam4).enumerate().take(case.beams) {
        let expected = said(loaded, sentence.1, beam.ids.as_ref(), beam.pieces.as_ref());
        let tokens: Vec<String> = own.tokens.iter().map(token).collect();
        ensure!(
            Some(&tokens) == expected.as_ref(),
            "hypothesis {rank} is {tokens:?} ({}), not {expected:?} ({})",
            own.score,
            beam.score
        );
        let off = (own.score - beam.score).abs();
        ensure!(off <= case.tolerance, "score {} for {}", own.score, beam.score);
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
struct Text {
    text: String,
    ids: Vec<u32>,
    pieces: Vec<String>,
    decoded: String,
}

/// Texts for every SentencePiece model.
pub(crate) fn sentencepiece(golden: &Path) -> Result<()> {
    let cases = fs_err::read(golden.join("spm/cases.json"))?;
    let cases: BTreeMap<String, Vec<Text>> = serde_json::from_slice(&cases)?;
    let mut count = 0;
    for (name, texts) in &cases {
        let model = SentencePiece::parse(&fs_err::read(golden.join(name))?);
        let model = model.map_err(anyhow::Error::msg)?;
        for Text { text, ids, pieces, decoded } in texts {
            assert_eq!(&model.encode(text), ids, "{name}: {text:?}");
            let own: Vec<String> = model.cut(text).into_iter().map(|(piece, _)| piece).collect();
            assert_eq!(&own, pieces, "{name}: {text:?}");
            assert_eq!(&model.decode(ids), decoded, "{name}: {text:?}");
            count += 1;
        }
    }
    println!("{count} texts with {} models", cases.len());
    Ok(())
}
