//! Golden checkpoints of the peers: ids, logits, greedy and beam search beside what they made of them.
//!
//! They are the folder `import` of `DRAGOMAN_GOLDEN_DIR` (default `../shared/golden` beside the
//! checkout); its README says what each is. Without it these tests are skipped.

mod case;
mod npz;
#[path = "../zip/mod.rs"]
mod zip;

use std::path::Path;

use anyhow::Result;
use case::{Case, Logits, check, folder};
use dragoman_core::{
    directory::Files,
    importance::Importance,
    translate::{Translate, TranslationJob},
    translator::{Translator, TranslatorOptions},
};
use dragoman_import::{
    Request,
    export::{Format, export},
    import,
};

/// How far logits in float32 may be off, beside `max(1, |reference|)`.
const F32: f32 = 1e-4;
/// The same where the checkpoint holds eight-bit integers and the reference does not.
const INT8: f32 = 0.5;
/// The same for half precision.
const F16: f32 = 0.02;

#[test]
fn marian_of_hugging_face() -> Result<()> {
    check(|golden| Case::hugging_face(golden, "marian", F32))
}

#[test]
fn marian_as_a_pickle_in_half_precision() -> Result<()> {
    check(|golden| {
        let work = copied(&golden.join("marian"), &["model.safetensors"])?;
        let own = work.path();
        fs_err::rename(own.join("pytorch_model.f16.bin"), own.join("pytorch_model.bin"))?;
        let case = Case::hugging_face(golden, "marian", F16)?;
        Ok(Case { source: own.into(), work: Some(work), beams: 0, ..case })
    })
}

#[test]
fn m2m100_of_hugging_face() -> Result<()> {
    check(|golden| Case::hugging_face(golden, "m2m100", F32))
}

#[test]
fn nllb_with_experts_in_shards() -> Result<()> {
    check(|golden| Case::hugging_face(golden, "nllb_moe", F32))
}

#[test]
fn nllb_under_a_budget_of_memory_says_the_same() -> Result<()> {
    let Some(golden) = folder()? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let model = folder.path().join("model");
    import(&golden.join("nllb_moe"), &Request::default(), &model)?;
    let files = Files::Folder(model);
    let job = TranslationJob {
        source: "en".into(),
        target: "de".into(),
        domains: Vec::new(),
        text: "The old key finds the warm letter.".into(),
        num_hypotheses: 1,
        trace: false,
        wanted: Default::default(),
    };
    let run = |expert_memory| -> Result<_> {
        let options = TranslatorOptions { expert_memory, ..TranslatorOptions::default() };
        let translator = Translator::open(&files, options)?;
        Ok((translator.translate(std::slice::from_ref(&job))?, translator.memory()))
    };
    let (all, _) = run(None)?;
    // An expert takes some 12 kB in a layer, and there are sixteen.
    let (few, stats) = run(Some(40_000))?;
    assert_eq!(all, few);
    assert_eq!(all[0].hypotheses[0].text, "Die alte Schlüssel die warme Brief findet.");
    println!("{stats:?}");
    Ok(())
}

#[test]
fn nllb_keeps_the_experts_that_a_pair_needs_most() -> Result<()> {
    let Some(golden) = folder()? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let [model, whole, pruned] = ["model", "whole", "pruned"].map(|name| folder.path().join(name));
    import(&golden.join("nllb_moe"), &Request::default(), &model)?;
    let files = Files::Folder(model);
    let job = |text: &str| TranslationJob {
        source: "en".into(),
        target: "de".into(),
        domains: Vec::new(),
        text: text.into(),
        num_hypotheses: 1,
        trace: true,
        wanted: Default::default(),
    };
    let jobs = ["The old key finds the warm letter.", "The bird sleeps."].map(job);
    let run = |files: &Files| -> Result<_> {
        let translator = Translator::open(files, TranslatorOptions::default())?;
        Ok((translator.translate(&jobs)?, translator.register().clone()))
    };
    let (before, register) = run(&files)?;
    let mut importance = Importance::default();
    importance.add(&before);
    let all = register.experts.iter().map(|expert| expert.name.clone()).collect();
    files.prune_to(&all, &whole)?;
    assert_eq!(run(&Files::Folder(whole))?.0, before, "nothing was taken away");
    // Of the four experts of a layer the encoder keeps three, the decoder two.
    let kept = importance.most_important(&register, 0.5);
    assert_eq!((register.experts.len(), kept.len()), (16, 2 * 3 + 2 * 2));
    files.prune_to(&kept, &pruned)?;
    let (after, register) = run(&Files::Folder(pruned))?;
    assert_eq!(register.experts.len(), kept.len());
    let tokens = after.iter().flat_map(|one| &one.legs).flat_map(|leg| &leg.source);
    let visits = tokens.flat_map(|token| &token.layers).flat_map(|layer| &layer.experts);
    assert!(visits.count() > 0 && after.iter().all(|one| !one.hypotheses[0].text.is_empty()));
    let few = ["free.encoder-1-0".to_string()].into();
    let refused = folder.path().join("refused");
    let error = files.prune_to(&few, &refused).expect_err("a token visits two");
    assert!(error.to_string().contains("encoder.1"), "{error}");
    assert!(!refused.exists());
    Ok(())
}

#[test]
fn an_argos_package() -> Result<()> {
    check(|golden| {
        let case = Case::argos(golden, "model-int8", INT8)?;
        let source = golden.join("argos/translate-en_de-1_0.argosmodel");
        Ok(Case { source, work: None, ..case })
    })
}

#[test]
fn argos_models_of_every_age() -> Result<()> {
    let models = [("model-float32", F32), ("model-int8", INT8), ("model-int8-2021", INT8)];
    for (name, tolerance) in models {
        check(|golden| Case::argos(golden, name, tolerance))?;
    }
    Ok(())
}

#[test]
fn marian_by_ctranslate2() -> Result<()> {
    for (name, tolerance) in [("marian-float32", F32), ("marian-int8", INT8)] {
        check(|golden| Case::ctranslate2(golden, name, "marian", tolerance))?;
    }
    Ok(())
}

#[test]
fn m2m100_by_ctranslate2() -> Result<()> {
    check(|golden| Case::ctranslate2(golden, "m2m100-int8", "m2m100", INT8))
}

/// The source of a case, imported and exported: what the case then imports.
fn exported(case: Case, format: Format) -> Result<Case> {
    let work = tempfile::tempdir()?;
    let (model, out) = (work.path().join("model"), work.path().join("exported"));
    import(&case.source, &Request { from: Some("en".into()), to: Some("de".into()) }, &model)?;
    export(&Files::Folder(model), format, &out)?;
    Ok(Case { source: out, work: Some(work), ..case })
}

#[test]
fn what_is_exported_says_the_same() -> Result<()> {
    let hugging_face = |name| move |golden: &Path| Case::hugging_face(golden, name, F32);
    check(|golden| exported(hugging_face("marian")(golden)?, Format::HuggingFace))?;
    check(|golden| exported(hugging_face("m2m100")(golden)?, Format::HuggingFace))?;
    check(|golden| exported(hugging_face("m2m100")(golden)?, Format::CTranslate2))?;
    check(|golden| {
        // How Argos weighs lengths is no part of a folder of CTranslate2.
        let case = Case { beams: 0, ..Case::argos(golden, "model-float32", F32)? };
        exported(case, Format::CTranslate2)
    })?;
    check(|golden| {
        exported(Case::ctranslate2(golden, "marian-float32", "marian", F32)?, Format::CTranslate2)
    })
}

#[test]
fn what_no_other_suite_has_is_not_exported() -> Result<()> {
    let Some(golden) = folder()? else { return Ok(()) };
    let work = tempfile::tempdir()?;
    let request = Request { from: Some("en".into()), to: Some("de".into()) };
    for (name, reason) in [("nllb_moe", "it has experts"), ("bergamot", "recurrent unit")] {
        let (model, out) = (work.path().join(name), work.path().join("out"));
        import(&golden.join(name), &request, &model)?;
        for format in Format::ALL {
            let error = export(&Files::Folder(model.clone()), format, &out).expect_err(name);
            assert!(error.to_string().contains(reason), "{error}");
            assert!(!out.exists());
        }
    }
    Ok(())
}

#[test]
fn bergamot_with_a_recurrent_decoder() -> Result<()> {
    check(|golden| {
        let work = copied(&golden.join("bergamot"), &[])?;
        Case::new(work.path().into(), &golden.join("bergamot"), F32).map(|case| Case {
            logits: Logits::of(golden, "bergamot/expected.safetensors", "dequantised."),
            work: Some(work),
            ..case
        })
    })
}

#[test]
fn the_same_model_as_arrays_of_numpy() -> Result<()> {
    check(|golden| {
        let work = copied(&golden.join("bergamot"), &["model.ende.intgemm.alphas.bin"])?;
        let binary = golden.join("bergamot/model.ende.intgemm.alphas.bin");
        npz::write(&binary, &work.path().join("model.npz"))?;
        Case::new(work.path().into(), &golden.join("bergamot"), F32).map(|case| Case {
            logits: Logits::of(golden, "bergamot/expected.safetensors", "dequantised."),
            work: Some(work),
            ..case
        })
    })
}

/// A copy of the files of a folder, but those `without`.
fn copied(folder: &Path, without: &[&str]) -> Result<tempfile::TempDir> {
    let work = tempfile::tempdir()?;
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.path().is_file() && !without.iter().any(|other| name == *other) {
            fs_err::copy(entry.path(), work.path().join(name))?;
        }
    }
    Ok(work)
}

#[test]
fn sentencepiece_models_cut_and_join_every_text_alike() -> Result<()> {
    let Some(golden) = folder()? else { return Ok(()) };
    case::sentencepiece(&golden)
}
