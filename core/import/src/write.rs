//! Writes a planned model, tensor by tensor.

use std::{
    io::{BufWriter, Write},
    path::Path,
};

use dragoman_core::{
    config::ModelConfig,
    directory::{Files, write_whole},
    memory::ExpertMemory,
    vocabulary::Vocabulary,
};
use fs_err::File;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    Error, Result,
    checkpoint::{Checkpoint, Info, Kind, PIECE, Values},
    files,
    plan::{ImportPlan, Part, Planned},
};

/// Writes `plan` to the folder `out`, which appears when it is complete and loads.
pub(crate) fn write(plan: ImportPlan, checkpoint: &dyn Checkpoint, out: &Path) -> Result<()> {
    if out.exists() && fs_err::read_dir(out)?.next().is_some() {
        return Err(Error::file(out, "is there already and not empty; name another folder"));
    }
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs_err::create_dir_all(parent)?;
    files::check_space(parent, bytes_of(&plan, checkpoint)?)?;
    // Removed with all that is in it, unless it is kept.
    let folder = tempfile::Builder::new().prefix(".import-").tempdir_in(parent)?;
    write_all(plan, checkpoint, folder.path())?;
    Files::Folder(folder.path().into()).open_translation(&ExpertMemory::new(None))?;
    appear(folder, out)
}

/// Gives a complete temporary folder its name.
pub(crate) fn appear(folder: tempfile::TempDir, out: &Path) -> Result<()> {
    if out.exists() {
        fs_err::remove_dir(out)?;
    }
    let folder = folder.keep();
    if let Err(error) = fs_err::rename(&folder, out) {
        fs_err::remove_dir_all(&folder).ok(); // the error counts
        return Err(error.into());
    }
    readable_by_all(out)?;
    Ok(())
}

/// A temporary folder is for its owner alone, as are some files; a model is like any other folder.
fn readable_by_all(out: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt};
        fs_err::set_permissions(out, Permissions::from_mode(0o755))?;
        for entry in fs_err::read_dir(out)? {
            let path = entry?.path();
            if path.is_file() {
                fs_err::set_permissions(path, Permissions::from_mode(0o644))?;
            }
        }
    }
    Ok(())
}

fn write_all(plan: ImportPlan, checkpoint: &dyn Checkpoint, folder: &Path) -> Result<()> {
    let ImportPlan { config, mut register, vocabulary, shared, experts } = plan;
    fs_err::create_dir_all(folder.join("experts"))?;
    register.shared_sha256 =
        write_tensors(&shared, checkpoint, &folder.join("shared.safetensors"))?;
    for (entry, planned) in register.experts.iter_mut().zip(&experts) {
        let path = folder.join("experts").join("expert.part");
        entry.sha256 = write_tensors(planned, checkpoint, &path)?;
        entry.file = format!("experts/{}.{}.safetensors", entry.name, &entry.sha256[..12]);
        fs_err::rename(path, folder.join(&entry.file))?;
    }
    for (name, content) in vocabulary.files() {
        write_whole(&folder.join(&name), &content)?;
        register.files.insert(name, format!("{:x}", Sha256::digest(&content)));
    }
    let config = ModelConfig::Translation(config);
    let content = pretty(&config)?;
    register.config_sha256 = format!("{:x}", Sha256::digest(&content));
    write_whole(&folder.join("config.json"), &content)?;
    write_whole(&folder.join("experts.json"), &pretty(&register)?)?;
    Ok(())
}

fn pretty(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let text = serde_json::to_vec_pretty(value);
    let mut text = text.map_err(|error| Error::Unsupported(error.to_string()))?;
    text.push(b'\n');
    Ok(text)
}

/// A file that is hashed while it is written.
struct Hashed {
    file: BufWriter<File>,
    hash: Sha256,
}

impl Hashed {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        Ok(self.file.write_all(bytes)?)
    }
}

/// Writes a safetensors file of `planned` tensors, one after another, and gives its sha256.
fn write_tensors(planned: &[Planned], checkpoint: &dyn Checkpoint, path: &Path) -> Result<String> {
    let infos =
        planned.iter().map(|planned| planned.info(checkpoint)).collect::<Result<Vec<_>>>()?;
    let mut hashed = Hashed { file: BufWriter::new(File::create(path)?), hash: Sha256::new() };
    hashed.write(&header(planned, &infos)?)?;
    // Integers first, and their scales last: those are known when the integers are.
    let integers = |kind| kind == Kind::Int8;
    let mut scales = Vec::new();
    for (planned, info) in planned.iter().zip(&infos).filter(|(_, info)| integers(info.kind)) {
        scales.push(write_integers(planned, info, checkpoint, &mut hashed)?);
    }
    for (planned, info) in planned.iter().zip(&infos).filter(|(_, info)| !integers(info.kind)) {
        write_floats(planned, info, checkpoint, &mut hashed)?;
    }
    for scales in scales {
        hashed.write(&f32_bytes(&scales))?;
    }
    let Hashed { file, hash } = hashed;
    let file = file.into_inner().map_err(|error| error.into_error())?;
    file.sync_all()?;
    Ok(format!("{:x}", hash.finalize()))
}

/// The header: names, types, shapes and places in the order in which [`write_tensors`] writes.
fn header(planned: &[Planned], infos: &[Info]) -> Result<Vec<u8>> {
    let (mut entries, mut place) = (Map::new(), 0);
    let mut add = |name: String, dtype: &str, shape: &[usize], size: usize| {
        let bytes = size * shape.iter().product::<usize>();
        let entry = json!({
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [place, place + bytes],
        });
        place += bytes;
        entries.insert(name, entry);
    };
    let both = || planned.iter().zip(infos);
    for (planned, info) in both().filter(|(_, info)| info.kind == Kind::Int8) {
        add(format!("{}.q8", planned.name), "U8", &info.shape, 1);
    }
    for (planned, info) in both() {
        match info.kind {
            Kind::F32 => add(planned.name.clone(), "F32", &info.shape, 4),
            Kind::F16 => add(planned.name.clone(), "F16", &info.shape, 2),
            Kind::Bf16 => add(planned.name.clone(), "BF16", &info.shape, 2),
            Kind::Int8 => {}
        }
    }
    for (planned, info) in both().filter(|(_, info)| info.kind == Kind::Int8) {
        add(format!("{}.scale", planned.name), "F32", &info.shape[..1], 4);
    }
    let text = serde_json::to_string(&Value::Object(entries));
    let mut text = text.map_err(|error| Error::Unsupported(error.to_string()))?;
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    Ok([&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat())
}

/// Writes integers, as bytes above 128, and gives the scales of the rows.
fn write_integers(
    planned: &Planned,
    info: &Info,
    checkpoint: &dyn Checkpoint,
    out: &mut Hashed,
) -> Result<Vec<f32>> {
    let width: usize = info.shape[1..].iter().product();
    let mut all = Vec::with_capacity(info.shape[0]);
    for part in &planned.parts {
        let (bytes, scales) = match part {
            Part::Zeros(rows) => (vec![128; rows * width], vec![1.0; *rows]),
            Part::Values(_) => return Err(misfit(planned)),
            Part::Tensor(name) => match checkpoint.read(name)? {
                Values::Int8 { values, scales } => {
                    let byte = |value: i8| value.cast_unsigned() ^ 0x80; // 128 more
                    (values.into_iter().map(byte).collect(), scales)
                }
                _ => return Err(misfit(planned)),
            },
        };
        out.write(&bytes)?;
        all.extend(scales);
    }
    match all.len() == info.shape[0] {
        true => Ok(all),
        false => Err(misfit(planned)),
    }
}

fn write_floats(
    planned: &Planned,
    info: &Info,
    checkpoint: &dyn Checkpoint,
    out: &mut Hashed,
) -> Result<()> {
    let width: usize = info.shape[1..].iter().product();
    let mut count = 0;
    for part in &planned.parts {
        let values = match part {
            Part::Zeros(rows) => Values::F32(vec![0.0; rows * width]),
            Part::Values(values) => Values::F32(values.clone()),
            Part::Tensor(name) => checkpoint.read(name)?,
        };
        count += write_values(values, info.kind, out)?;
    }
    match count == info.shape[0] * width {
        true => Ok(()),
        false => Err(misfit(planned)),
    }
}

/// Writes values as floats of a kind, piece by piece, and says how many they were.
fn write_values(values: Values, kind: Kind, out: &mut Hashed) -> Result<usize> {
    match (kind, values) {
        (Kind::F16, Values::F16(values)) => pieces(&values, out, |v| v.to_le_bytes()),
        (Kind::Bf16, Values::Bf16(values)) => pieces(&values, out, |v| v.to_le_bytes()),
        (Kind::F16, values) => {
            pieces(&values.into_f32(), out, |v| half::f16::from_f32(v).to_le_bytes())
        }
        (Kind::Bf16, values) => {
            pieces(&values.into_f32(), out, |v| half::bf16::from_f32(v).to_le_bytes())
        }
        (_, values) => pieces(&values.into_f32(), out, f32::to_le_bytes),
    }
}

fn pieces<T: Copy, const N: usize>(
    values: &[T],
    out: &mut Hashed,
    bytes: impl Fn(T) -> [u8; N],
) -> Result<usize> {
    for piece in values.chunks(PIECE) {
        out.write(&piece.iter().flat_map(|&value| bytes(value)).collect::<Vec<u8>>())?;
    }
    Ok(values.len())
}

fn misfit(planned: &Planned) -> Error {
    Error::Unsupported(format!("the parts of `{}` do not fit each other", planned.name))
}

fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Bytes that the tensors of `plan` take on the disk.
fn bytes_of(plan: &ImportPlan, checkpoint: &dyn Checkpoint) -> Result<u64> {
    let mut sum = 0;
    for planned in plan.shared.iter().chain(plan.experts.iter().flatten()) {
        let Info { shape, kind } = planned.info(checkpoint)?;
        let count: usize = shape.iter().product();
        sum += match kind {
            Kind::F32 => 4 * count,
            Kind::F16 | Kind::Bf16 => 2 * count,
            Kind::Int8 => count + 4 * shape[0],
        } as u64;
    }
    Ok(sum)
}
