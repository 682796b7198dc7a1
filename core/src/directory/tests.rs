use super::*;
use crate::{
    config::MoeConfig,
    context::Context,
    kernels::{matmul::Precision, packed::Packing},
    ragged::Ragged,
    tokenizer::Tokenizer,
    translator::Translator,
};

fn saved(folder: &Path) -> Result<Register> {
    let tokenizer = Tokenizer::from_pieces(&["en", "de"], &[" ".into()], Vec::new())?;
    let config = TranslationConfig {
        vocab_size: tokenizer.vocab_size(),
        d_model: 8,
        num_heads: 2,
        encoder_layers: 2,
        decoder_layers: 1,
        d_ff: 8,
        moe: Some(MoeConfig { decoder_freq: 1, shared_d_ff: 4, ..MoeConfig::default() }),
        ..TranslationConfig::default()
    };
    let pairs = [("en".to_string(), "de".to_string())];
    let register = Register::for_pairs(&pairs, 4, 4, &config.moe_layers());
    let params = ParamStore::new(&Device::Cpu, 3);
    TranslationModel::new(&config, &register, &params)?;
    let parts = TranslationParts { config: &config, register: &register, vocabulary: &tokenizer };
    save_translation(folder, parts, &params, WeightFormat::F32)
}

fn error_after(change: impl Fn(&Path) -> std::io::Result<()>) -> Result<String> {
    let folder = tempfile::tempdir()?;
    saved(folder.path())?;
    change(folder.path())?;
    let loaded = Files::Folder(folder.path().into()).load_translation(&Device::Cpu);
    let message = loaded.err().map(|error| error.to_string()).unwrap_or_default();
    Ok(message.replace(&*folder.path().to_string_lossy(), "model"))
}

#[test]
fn what_was_saved_is_loaded_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let register = saved(folder.path())?;
    let files = Files::Folder(folder.path().into());
    let loaded = files.load_translation(&Device::Cpu)?;
    assert_eq!(loaded.register, register);
    let context = Context::inference(Precision::F32);
    loaded.model.encode(&[70, 71], &Ragged::contiguous(&[2]), &[0.into()], &context)?;
    // The same weights make the same files.
    let again = tempfile::tempdir()?;
    assert_eq!(saved(again.path())?, register);
    Ok(())
}

#[test]
fn a_model_in_int8_is_smaller_and_nearly_the_same() -> Result<()> {
    let (folder, small) = (tempfile::tempdir()?, tempfile::tempdir()?);
    saved(folder.path())?;
    let files = Files::Folder(folder.path().into());
    let smaller = Files::Folder(small.path().into());
    files.write_as(small.path(), WeightFormat::Int8)?;
    let size = |files: &Files| Ok::<_, Error>(files.read(SHARED)?.len());
    assert!(size(&smaller)? < size(&files)?);

    let (before, after) =
        (files.load_translation(&Device::Cpu)?, smaller.load_translation(&Device::Cpu)?);
    let (before, after) = (before.params.tensors()?, after.params.tensors()?);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (name, value) in &before {
        let largest = value.abs()?.max_all()?.to_scalar::<f32>()?;
        let error = (value - &after[name])?.abs()?.max_all()?.to_scalar::<f32>()?;
        assert!(error <= largest * 0.6 / 127.0, "{name}: {error} of {largest}");
    }
    // Such a model also computes in int8, unless something else is asked for.
    let packing = |files| Ok::<_, Error>(Translator::open(files, Default::default())?.packing());
    assert_eq!([packing(&files)?, packing(&smaller)?], [Packing::Bf16, Packing::Int8]);

    // Weights that come from int8 are written in int8 without a loss.
    let again = tempfile::tempdir()?;
    smaller.write_as(again.path(), WeightFormat::Int8)?;
    assert_eq!(Files::Folder(again.path().into()).read(SHARED)?, smaller.read(SHARED)?);
    Ok(())
}

#[test]
fn a_truncated_file_is_named() -> Result<()> {
    let error = error_after(|folder| {
        let path = folder.join(SHARED);
        let content = fs::read(&path)?;
        fs::write(&path, &content[..content.len() / 2])
    })?;
    assert!(error.starts_with("model/shared.safetensors: is not the file"), "{error}");
    Ok(())
}

#[test]
fn a_missing_file_is_named() -> Result<()> {
    let error = error_after(|folder| fs::remove_file(folder.join(TOKENIZER)))?;
    assert!(error.starts_with("model/tokenizer.json: is missing"), "{error}");
    Ok(())
}

#[test]
fn an_altered_expert_is_named() -> Result<()> {
    let error = error_after(|folder| {
        for entry in fs::read_dir(folder.join("experts"))? {
            let path = entry?.path();
            if path.to_string_lossy().contains("pair.en-de") {
                let mut content = fs::read(&path)?;
                let last = content.len() - 1;
                content[last] ^= 1;
                fs::write(&path, content)?;
            }
        }
        Ok(())
    })?;
    assert!(error.starts_with("model/experts/pair.en-de."), "{error}");
    Ok(())
}
