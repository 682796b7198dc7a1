//! Stores experts in int8 or int4.

use candle::Device;
use dragoman_core::directory::{Bits, Edit, quantise as quantised};

use super::{
    measure::{Measure, SENTENCES},
    request::Judgement,
};
use crate::{Error, Result};

/// In what experts are to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All in as many bits.
    All(Bits),
    /// Four bits where that costs at most a hundredth of a nat by itself, else eight.
    Chosen,
}

/// What became of the experts.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantised {
    /// The bits of each expert, by name.
    pub bits: Vec<(String, Bits)>,
    /// Bytes of all files of experts, before and after.
    pub bytes: [u64; 2],
    /// Mean chrF++ on the sets, before and after.
    pub chrf: [f64; 2],
}

/// Rise of the loss, in nats a token, at which four bits are too few.
const DEAR: f64 = 0.01;

/// Stores all experts of a model in fewer bits, unless `judgement` is against it.
pub fn quantise(edit: Edit, wanted: Wanted, judgement: &Judgement) -> Result<Quantised> {
    let files = edit.files();
    let loaded = files.load_translation(&Device::Cpu)?;
    let measure = Measure::new(&judgement.dev, &loaded, SENTENCES)?
        .with_domains(&judgement.domains, &loaded.register)?;
    let loss = measure.loss(&loaded)?;
    let chrf = measure.chrf(loaded)?;
    let (before, dtype) = (edit.register().clone(), files.dtype()?);
    let mut register = before.clone();
    let mut bits = Vec::new();
    for i in 0..register.experts.len() {
        let old = before.experts[i].clone();
        let weights = files.expert_tensors(&old)?;
        let choice = match wanted {
            Wanted::All(bits) => bits,
            Wanted::Chosen => {
                let mut alone = before.clone();
                let few = quantised(&weights, Bits::Four)?;
                edit.write_expert(&mut alone.experts[i], &few, dtype)?;
                let rise = measure.loss(&files.load_as(alone.clone(), &Device::Cpu)?)? - loss;
                tracing::info!(expert = old.name, rise, "in four bits");
                edit.discard(&alone)?;
                if rise > DEAR { Bits::Eight } else { Bits::Four }
            }
        };
        edit.write_expert(&mut register.experts[i], &quantised(&weights, choice)?, dtype)?;
        bits.push((old.name, choice));
    }
    let after = measure.chrf(files.load_as(register.clone(), &Device::Cpu)?)?;
    if after < chrf - judgement.max_drop {
        edit.discard(&register)?;
        return Err(too_bad(chrf, after));
    }
    let size = |file: &str| fs_err::metadata(edit.folder().join(file)).map_or(0, |file| file.len());
    let bytes = [&before, &register].map(|r| r.experts.iter().map(|e| size(&e.file)).sum());
    edit.commit(&register)?;
    Ok(Quantised { bits, bytes, chrf: [chrf, after] })
}

/// The error where a change costs more than is allowed.
pub(super) fn too_bad(before: f64, after: f64) -> Error {
    Error::Expert(format!(
        "mean chrF++ would fall from {before:.2} to {after:.2}; the model is as it was. Allow more with \
         `--max-drop`"
    ))
}
