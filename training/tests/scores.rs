//! Our metrics beside sacreBLEU 2.6.0 on nine language pairs.

use std::path::PathBuf;

use anyhow::Context;
use dragoman_training::metrics::{Bleu, Chrf, Metric, tokenize::Tokenizer};
use serde::Deserialize;

#[derive(Deserialize)]
struct Scores {
    cases: Vec<Case>,
}

/// What sacreBLEU says of one pair.
#[derive(Deserialize)]
struct Case {
    pair: String,
    bleu: f64,
    bleu_tokenizer: Tokenizer,
    bleu_signature: String,
    bleu_lc: f64,
    chrf: f64,
    chrf_signature: String,
    chrfpp: f64,
    chrfpp_signature: String,
}

#[test]
fn scores_are_those_of_sacrebleu() -> anyhow::Result<()> {
    let Some(folder) = metrics_folder() else { return Ok(()) };
    let scores = fs_err::read_to_string(folder.join("scores.json"))?;
    let scores: Scores = serde_json::from_str(&scores).context("scores.json")?;
    assert!(!scores.cases.is_empty(), "scores.json holds no cases");

    for case in &scores.cases {
        let lines = |kind| -> anyhow::Result<Vec<String>> {
            let text = fs_err::read_to_string(folder.join(format!("{}.{kind}.txt", case.pair)))?;
            Ok(text.lines().map(str::to_owned).collect())
        };
        let (hypotheses, references) = (lines("hyp")?, lines("ref")?);
        let bleu = Bleu { tokenizer: case.bleu_tokenizer, ..Bleu::default() };
        let lowercase = Bleu { lowercase: true, ..bleu };

        let check = |name, ours: f64, theirs: f64| {
            let pair = &case.pair;
            assert!((ours - theirs).abs() < 1e-9, "{pair} {name}: {ours} is not {theirs}");
        };
        check("BLEU", bleu.corpus_score(&hypotheses, &references)?, case.bleu);
        check(
            "BLEU in lower case",
            lowercase.corpus_score(&hypotheses, &references)?,
            case.bleu_lc,
        );
        check("chrF", Chrf::plain().corpus_score(&hypotheses, &references)?, case.chrf);
        check("chrF++", Chrf::plus_plus().corpus_score(&hypotheses, &references)?, case.chrfpp);

        assert_eq!(bleu.signature(), case.bleu_signature);
        assert_eq!(Chrf::plain().signature(), case.chrf_signature);
        assert_eq!(Chrf::plus_plus().signature(), case.chrfpp_signature);
    }
    Ok(())
}

/// The folder of reference scores, which lies beside the repository.
fn metrics_folder() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
    let shared = std::env::var_os("DRAGOMAN_SHARED_DIR").unwrap_or_else(|| beside.into());
    let folder = PathBuf::from(shared).join("data/metrics");
    if !folder.exists() {
        eprintln!("skipped: there is no folder {}; set DRAGOMAN_SHARED_DIR", folder.display());
        return None;
    }
    Some(folder)
}
