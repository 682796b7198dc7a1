//! Checkpoints: all that a run needs to go on as if it had never stopped.
//!
//! Each is a folder that appears at once and complete: it is written under another name, flushed to
//! the disk, and renamed. Whatever happens meanwhile (a kill, a full disk) the checkpoints before
//! it stay as they are.
//!
//! ```text
//! checkpoints/step-00001000/
//!   weights.safetensors  optimizer.safetensors  average.safetensors
//!   state.json           step, data cursor, best score …, and the sha256 of the files beside it
//! ```

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::{Path, PathBuf},
};

use candle::{Device, Tensor};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Error, Result,
    task::{ExpertLoad, Figures},
};

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

const STATE: &str = "state.json";

/// A run at the end of a step.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Everything that is not a tensor.
    pub state: State,
    /// The weights, by their names.
    pub weights: Tensors,
    /// The optimiser's moments.
    pub optimizer: Tensors,
    /// The moving average of the weights; empty if none is kept.
    pub average: Tensors,
}

/// The part of a checkpoint that is not tensors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Steps made.
    pub step: u64,
    /// Updates made: steps less those whose gradient was not finite.
    pub updates: u64,
    /// Seconds spent on the run, in all sessions.
    pub seconds: f64,
    /// Inputs (source tokens) seen.
    pub inputs: u64,
    /// Labels (target tokens) learned from.
    pub labels: u64,
    /// Where the task's data goes on.
    pub cursor: serde_json::Value,
    /// The best score on the development sets, and the step it was reached at.
    pub best: Option<Best>,
    /// Step of the last evaluation, and its score.
    pub last: Option<Best>,
    /// Evaluations since the best one.
    #[serde(default)]
    pub stale: u64,
    /// Seconds of the run at which the last evaluation and the last checkpoint ended.
    pub rhythm: Rhythm,
    /// What the next line of the log will be about.
    pub window: Window,
    /// Visits of experts since the last evaluation.
    pub load: ExpertLoad,
    /// The settings that may not change during a run.
    pub identity: serde_json::Value,
    /// sha256 of each file beside the state.
    pub files: BTreeMap<String, String>,
}

/// A score on the development sets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Steps made before the evaluation.
    pub step: u64,
    /// The task's score; more is better.
    pub score: f64,
}

/// Sums over the steps since the last line of the log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    /// Steps the sums run over.
    pub steps: u64,
    /// Steps without an update, as their gradient was not finite.
    pub skipped: u64,
    /// Losses, over all labels.
    pub figures: Figures,
    /// Gradient norms of the steps with an update.
    pub grad_norm: f64,
    /// Seconds spent in the steps.
    pub seconds: f64,
}

/// When things last happened, in seconds of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rhythm {
    /// The last evaluation.
    pub evaluated: f64,
    /// The last checkpoint.
    pub saved: f64,
}

/// The checkpoints of one run.
#[derive(Debug)]
pub struct Checkpoints {
    dir: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// The checkpoints in `dir`, of which the newest `keep` stay.
    pub fn new(dir: &Path, keep: usize) -> Self {
        Self { dir: dir.into(), keep: keep.max(1) }
    }

    /// Writes a checkpoint, and removes those that are no longer wanted.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<PathBuf> {
        let path = self.path(checkpoint.state.step);
        let hidden = self.dir.join(format!(".step-{:08}.part", checkpoint.state.step));
        let written = self.write(checkpoint, &hidden).and_then(|()| self.publish(&hidden, &path));
        if let Err(source) = written {
            fs::remove_dir_all(&hidden).ok();
            let last = match self.list().ok().and_then(|steps| steps.last().copied()) {
                Some(step) => format!("step {step}"),
                None => "the beginning".into(),
            };
            return Err(Error::Save { path, last, source: Box::new(source) });
        }
        self.prune()?;
        Ok(path)
    }

    /// Reads the newest checkpoint that is whole; damaged ones are named to `say` and passed over.
    pub fn latest(&self, mut say: impl FnMut(&str)) -> Result<Option<Checkpoint>> {
        let steps = self.list()?;
        let mut damage = None;
        for &step in steps.iter().rev() {
            match self.load(step) {
                Ok(checkpoint) => return Ok(Some(checkpoint)),
                Err(error) => {
                    say(&format!("passing over a damaged checkpoint: {error}"));
                    damage = damage.or(Some(error));
                }
            }
        }
        damage.map_or(Ok(None), Err)
    }

    /// Reads the checkpoint of `step`, and compares every file with its checksum.
    pub fn load(&self, step: u64) -> Result<Checkpoint> {
        let dir = self.path(step);
        let text = fs::read_to_string(dir.join(STATE))?;
        let state: State = serde_json::from_str(&text).map_err(|error| Error::Checkpoint {
            path: dir.join(STATE),
            reason: error.to_string(),
        })?;
        for (name, sha256) in &state.files {
            let path = dir.join(name);
            if hash_file(&path)? != *sha256 {
                let reason = "differs from its checksum: truncated or altered".into();
                return Err(Error::Checkpoint { path, reason });
            }
        }
        let [weights, optimizer, average] =
            ["weights", "optimizer", "average"].map(|name| read_tensors(&dir, name));
        Ok(Checkpoint { state, weights: weights?, optimizer: optimizer?, average: average? })
    }

    /// Steps that have a checkpoint, in rising order.
    pub fn list(&self) -> Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut steps = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let step =
                name.to_str().and_then(|name| name.strip_prefix("step-")?.parse::<u64>().ok());
            steps.extend(step);
        }
        steps.sort_unstable();
        Ok(steps)
    }

    fn path(&self, step: u64) -> PathBuf {
        self.dir.join(format!("step-{step:08}"))
    }

    fn write(&self, checkpoint: &Checkpoint, dir: &Path) -> Result<()> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        fs::create_dir_all(dir)?;
        let Checkpoint { state, weights, optimizer, average } = checkpoint;
        let mut files = BTreeMap::new();
        for (name, tensors) in
            [("weights", weights), ("optimizer", optimizer), ("average", average)]
        {
            if !tensors.is_empty() {
                let path = dir.join(file_name(name));
                let tensors = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.clone()));
                candle::safetensors::save(&tensors.collect(), &path)?;
                sync(&path)?;
                files.insert(file_name(name), hash_file(&path)?);
            }
        }
        let state = State { files, ..state.clone() };
        let path = dir.join(STATE);
        fs::write(&path, serde_json::to_vec_pretty(&state)?)?;
        sync(&path)?;
        sync(dir)
    }

    /// Gives a complete folder its name. A folder of that name can only be a damaged one.
    fn publish(&self, hidden: &Path, path: &Path) -> Result<()> {
        if path.exists() {
            fs::remove_dir_all(path)?;
        }
        fs::rename(hidden, path)?;
        sync(&self.dir)
    }

    fn prune(&self) -> Result<()> {
        let steps = self.list()?;
        let old = steps.len().saturating_sub(self.keep);
        steps[..old].iter().try_for_each(|&step| Ok(fs::remove_dir_all(self.path(step))?))
    }
}

/// Flushes a file, or the names in a folder, to the disk.
pub(crate) fn sync(path: &Path) -> Result<()> {
    Ok(fs::File::open(path)?.sync_all()?)
}

fn file_name(name: &str) -> String {
    format!("{name}.safetensors")
}

fn read_tensors(dir: &Path, name: &str) -> Result<Tensors> {
    let path = dir.join(file_name(name));
    match path.exists() {
        true => Ok(candle::safetensors::load(&path, &Device::Cpu)?.into_iter().collect()),
        false => Ok(Tensors::new()),
    }
}

fn hash_file(path: &Path) -> Result<String> {
    let mut file = fs::File::open(path)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("{:x}", hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(step: u64) -> Result<Checkpoint> {
        let tensor = Tensor::new(&[step as f32, 1.5, f32::MIN_POSITIVE], &Device::Cpu)?;
        let tensors = Tensors::from([("layer.weight".to_string(), tensor)]);
        let state = State { step, cursor: serde_json::json!({ "epoch": 3 }), ..State::default() };
        Ok(Checkpoint {
            state,
            weights: tensors.clone(),
            optimizer: tensors,
            average: Tensors::new(),
        })
    }

    #[test]
    fn a_checkpoint_comes_back_as_it_was() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let checkpoints = Checkpoints::new(dir.path(), 2);
        checkpoints.save(&checkpoint(7)?)?;
        let back = checkpoints.latest(|_| ())?.expect("one was saved");
        assert_eq!(back.state.step, 7);
        assert_eq!(back.state.cursor["epoch"], 3);
        assert_eq!(back.weights["layer.weight"].to_vec1::<f32>()?, [7.0, 1.5, f32::MIN_POSITIVE]);
        assert!(back.average.is_empty());
        Ok(())
    }

    #[test]
    fn the_newest_are_kept() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let checkpoints = Checkpoints::new(dir.path(), 2);
        for step in [1, 2, 30] {
            checkpoints.save(&checkpoint(step)?)?;
        }
        assert_eq!(checkpoints.list()?, [2, 30]);
        Ok(())
    }

    #[test]
    fn a_damaged_checkpoint_is_passed_over() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let checkpoints = Checkpoints::new(dir.path(), 3);
        checkpoints.save(&checkpoint(1)?)?;
        let newest = checkpoints.save(&checkpoint(2)?)?;
        let weights = newest.join("weights.safetensors");
        let mut bytes = fs::read(&weights)?;
        *bytes.last_mut().expect("not empty") ^= 1;
        fs::write(&weights, bytes)?;
        // A kill leaves an unfinished folder behind, too.
        fs::create_dir(dir.path().join(".step-00000003.part"))?;

        let mut warnings = Vec::new();
        let back = checkpoints.latest(|message| warnings.push(message.to_string()))?;
        assert_eq!(back.expect("the first is whole").state.step, 1);
        assert!(warnings[0].contains("weights.safetensors"), "{warnings:?}");
        Ok(())
    }

    #[test]
    fn a_checkpoint_that_cannot_be_written_leaves_the_old_one() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let checkpoints = Checkpoints::new(dir.path(), 1);
        checkpoints.save(&checkpoint(1)?)?;
        // A file where the folder should go stands for a disk that refuses to write.
        fs::write(dir.path().join(".step-00000002.part"), "")?;
        let error = checkpoints.save(&checkpoint(2)?).expect_err("no folder can be made");
        assert!(error.to_string().contains("go on from step 1"), "{error}");
        assert_eq!(checkpoints.latest(|_| ())?.expect("the old one").state.step, 1);
        Ok(())
    }
}
