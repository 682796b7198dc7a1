//! Writes a binary model of Marian as the `.npz` from which it could have come.

use std::path::Path;

use anyhow::{Context, Result};
use dragoman_import::checkpoint::{Checkpoint, bergamot::MarianFile};

use super::zip::zipped;

/// Writes the model at `binary` to `path`, in float32, matrices as `(in, out)`.
pub(crate) fn write(binary: &Path, path: &Path) -> Result<()> {
    let model = MarianFile::open(binary)?;
    let mut arrays = Vec::new();
    for name in model.names() {
        if name.starts_with("special:") {
            continue;
        }
        let info = model.info(&name).context("its shape")?;
        let values = model.read(&name)?.into_f32();
        let (shape, values) = match info.shape[..] {
            [outs, ins] if !name.ends_with("Wemb") => {
                let turned = (0..ins * outs).map(|i| values[i % outs * ins + i / outs]).collect();
                (vec![ins, outs], turned)
            }
            [length] => (vec![1, length], values),
            _ => (info.shape.clone(), values),
        };
        let bytes: Vec<u8> = values.iter().flat_map(|value: &f32| value.to_le_bytes()).collect();
        arrays.push((format!("{name}.npy"), array("<f4", &shape, &bytes)));
    }
    let settings = model.settings().context("its settings")?;
    let settings = [settings.as_bytes(), &[0]].concat();
    let yaml = array("|i1", &[settings.len()], &settings);
    arrays.push(("special:model.yml.npy".into(), yaml));
    let files: Vec<(&str, &[u8])> = arrays.iter().map(|(name, a)| (&**name, &**a)).collect();
    zipped(path, &files)
}

/// An array in the format of numpy, version 1.
fn array(kind: &str, shape: &[usize], values: &[u8]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size},")).collect();
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({sizes}), }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), values].concat()
}
