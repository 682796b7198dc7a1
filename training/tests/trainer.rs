//! The training loop on a task small enough to see through: a line through points.

use std::path::Path;

use anyhow::Context;
use candle::{Device, Tensor};
use dragoman_core::params::{Init, Param, ParamStore};
use dragoman_training::{
    Result,
    config::{Every, RunConfig},
    control::{Control, Ended},
    recorder::RunInfo,
    report::log::RunLog,
    task::{Evaluation, ExpertLoad, ExportNote, Figures, Losses, Part, Size, Task},
    trainer::{Run, Summary, train},
};

/// Learns `y = w · x` from the points that a counter makes.
struct Line {
    params: ParamStore,
    weight: Param,
    next: u64,
    /// Gives a loss that is no number from this batch on.
    breaks_at: u64,
    /// Factor of the score.
    sign: f64,
}

impl Line {
    fn new() -> Result<Self> {
        let params = ParamStore::new(&Device::Cpu, 1);
        let weight = params.root().get((1, 4), "weight", Init::Normal(1.0))?;
        Ok(Self { params, weight, next: 0, breaks_at: u64::MAX, sign: 1.0 })
    }
}

impl Task for Line {
    type Batch = u64;
    type Cursor = u64;

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn next_batch(&mut self) -> Result<u64> {
        self.next += 1;
        Ok(self.next)
    }

    fn cursor(&self) -> u64 {
        self.next
    }

    fn seek(&mut self, cursor: u64) -> Result<()> {
        self.next = cursor;
        Ok(())
    }

    fn size(&self, _: &u64) -> Size {
        Size { inputs: 4, labels: 2 }
    }

    fn loss(&self, batch: &u64, part: &Part<'_>) -> Result<Losses> {
        let xs: Vec<f32> = (0..8).map(|i| ((batch * 31 + i * 7) % 13) as f32 / 13.0).collect();
        let xs = Tensor::from_vec(xs, (2, 4), &Device::Cpu)?;
        let truth = Tensor::new(&[[1f32], [-2.0], [3.0], [0.5]], &Device::Cpu)?;
        let error = (xs.matmul(&self.weight.tensor()?.t()?)? - xs.matmul(&truth)?)?;
        let mut total = (error.sqr()?.sum_all()? / part.labels as f64)?;
        if *batch >= self.breaks_at {
            total = (total * f64::NAN)?;
        }
        let loss = f64::from(total.to_scalar::<f32>()?) * part.labels as f64;
        let figures = Figures { labels: 2.0, total: loss, loss, nll: loss, ..Figures::default() };
        let visits = [("expert".to_string(), *batch as f64)];
        let load = ExpertLoad::from([("layer".to_string(), visits.into())]);
        Ok(Losses { total, figures, load, choices: Vec::new() })
    }

    fn evaluate(&mut self, _: &Control) -> Result<Option<Evaluation>> {
        let score = self.sign * self.weight.with_value(|weight| f64::from(weight[2]))?;
        Ok(Some(Evaluation { score, chosen_by: "w".into(), ..Evaluation::default() }))
    }

    fn export(&self, dir: &Path, note: &ExportNote<'_>) -> Result<()> {
        fs_err::create_dir(dir)?;
        Ok(fs_err::write(dir.join("step"), note.step.to_string())?)
    }
}

fn config() -> RunConfig {
    let mut config =
        RunConfig { accumulation: 2, log_every: 2, average_decay: 0.9, ..Default::default() };
    config.budget.steps = 6;
    config.optimizer.learning_rate = 0.1;
    config.schedule = dragoman_training::schedule::Schedule::Linear { warmup: 2.0, hold: 0.0 };
    config.evaluate = Every { steps: 2, minutes: 0.0 };
    config.checkpoints.every = Every { steps: 2, minutes: 0.0 };
    config
}

fn run(config: &RunConfig, dir: &Path, control: &Control, line: &mut Line) -> Result<Summary> {
    let identity = serde_json::json!({ "model": { "width": 4 } });
    let settings = toml::to_string(config).expect("settings are TOML");
    let run = Run { config, dir, identity, settings, info: RunInfo::default(), quiet: true };
    train(line, run, control)
}

/// Everything that a run leaves, without the times.
#[derive(Debug, PartialEq)]
struct Leavings {
    weight: Vec<u32>,
    log: Vec<String>,
    tensors: Vec<Vec<u8>>,
}

fn leavings(dir: &Path, line: &Line) -> anyhow::Result<Leavings> {
    let weight = line.weight.with_value(|w| w.iter().map(|w| w.to_bits()).collect())?;
    let log = RunLog::load(&dir.join("log.jsonl"))?;
    let mut lines = Vec::new();
    for step in &log.steps {
        let mut step = *step;
        (step.elapsed_seconds, step.tokens_per_second) = (0.0, 0.0);
        lines.push(format!("{step:?}"));
    }
    for dev in &log.devs {
        let mut dev = dev.clone();
        dev.elapsed_seconds = 0.0;
        lines.push(format!("{dev:?}"));
    }
    lines.extend(log.loads.iter().map(|load| format!("{load:?}")));
    let last = dir.join("checkpoints/step-00000006");
    let files = ["weights", "optimizer", "average"]
        .map(|name| fs_err::read(last.join(format!("{name}.safetensors"))));
    let tensors = files.into_iter().collect::<std::io::Result<_>>()?;
    Ok(Leavings { weight, log: lines, tensors })
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one_bit_for_bit() -> anyhow::Result<()> {
    let (straight, broken) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let config = config();
    let mut line = Line::new()?;
    let summary = run(&config, straight.path(), &Control::default(), &mut line)?;
    assert_eq!((summary.ended, summary.step), (Ended::Finished, 6));
    let expected = leavings(straight.path(), &line)?;

    // Three steps, which is in the middle of a line of the log; then the rest.
    let control = Control::default().with_step_limit(3);
    let summary = run(&config, broken.path(), &control, &mut Line::new()?)?;
    assert_eq!((summary.ended, summary.step), (Ended::OutOfTime, 3));
    let mut line = Line::new()?;
    let summary = run(&config, broken.path(), &Control::default(), &mut line)?;
    assert_eq!((summary.ended, summary.step), (Ended::Finished, 6));
    assert_eq!(leavings(broken.path(), &line)?, expected);
    Ok(())
}

#[test]
fn a_killed_run_goes_on_from_its_last_checkpoint() -> anyhow::Result<()> {
    let (straight, killed) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let config = config();
    let mut line = Line::new()?;
    run(&config, straight.path(), &Control::default(), &mut line)?;
    let expected = leavings(straight.path(), &line)?;

    let control = Control::default().with_step_limit(5);
    run(&config, killed.path(), &control, &mut Line::new()?)?;
    // A kill at step 5 leaves no checkpoint of it, but the lines of the log.
    fs_err::remove_dir_all(killed.path().join("checkpoints/step-00000005"))?;
    let mut line = Line::new()?;
    run(&config, killed.path(), &Control::default(), &mut line)?;
    assert_eq!(leavings(killed.path(), &line)?, expected);
    Ok(())
}

#[test]
fn the_best_weights_are_exported() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let summary = run(&config(), dir.path(), &Control::default(), &mut Line::new()?)?;
    let best = summary.best.context("there were evaluations")?;
    let model = summary.model.context("a model was exported")?;
    assert_eq!(fs_err::read_to_string(model.join("step"))?, best.step.to_string());
    assert!(dir.path().join("report.html").exists());
    Ok(())
}

#[test]
fn ctrl_c_saves_and_a_finished_run_is_not_repeated() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let control = Control::default();
    control.stop();
    let summary = run(&config(), dir.path(), &control, &mut Line::new()?)?;
    assert_eq!((summary.ended, summary.step), (Ended::Interrupted, 0));
    for _ in 0..2 {
        let summary = run(&config(), dir.path(), &Control::default(), &mut Line::new()?)?;
        assert_eq!((summary.ended, summary.step), (Ended::Finished, 6));
    }
    Ok(())
}

#[test]
fn the_average_of_the_last_checkpoints_is_taken_if_it_is_better() -> anyhow::Result<()> {
    let mut config = config();
    config.average_decay = 0.0;
    config.checkpoints.average = 3;
    config.evaluate = Every::default(); // only once, at the end
    for sign in [1.0, -1.0] {
        let dir = tempfile::tempdir()?;
        let mut line = Line { sign, ..Line::new()? };
        let summary = run(&config, dir.path(), &Control::default(), &mut line)?;
        let last = sign * line.weight.with_value(|weight| f64::from(weight[2]))?;
        let average = summary.average.context("it was tried")?;
        let mut sum = 0.0;
        for step in ["00000002", "00000004", "00000006"] {
            let path = dir.path().join(format!("checkpoints/step-{step}/weights.safetensors"));
            let weights = candle::safetensors::load(path, &Device::Cpu)?;
            sum += f64::from(weights["weight"].flatten_all()?.to_vec1::<f32>()?[2]);
        }
        assert!((average - sign * sum / 3.0).abs() < 1e-6, "{average}, {}", sum / 3.0);
        assert!(average != last, "the weights moved");
        assert_eq!(summary.best.context("there is a best")?.score, average.max(last));
    }
    Ok(())
}

#[test]
fn two_runs_in_one_folder_are_refused() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let lock = fs_err::File::create(dir.path().join("lock"))?;
    lock.file().try_lock()?;
    let error = run(&config(), dir.path(), &Control::default(), &mut Line::new()?);
    assert!(error.expect_err("the folder is taken").to_string().contains("another process"));
    drop(lock);
    run(&config(), dir.path(), &Control::default(), &mut Line::new()?)?;
    Ok(())
}

#[test]
fn another_model_in_the_same_folder_is_refused() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let config = config();
    run(&config, dir.path(), &Control::default(), &mut Line::new()?)?;
    let identity = serde_json::json!({ "model": { "width": 8 } });
    let settings = "another = true".into();
    let run = Run {
        config: &config,
        dir: dir.path(),
        identity,
        settings,
        info: RunInfo::default(),
        quiet: true,
    };
    let error = train(&mut Line::new()?, run, &Control::default()).expect_err("another width");
    assert!(error.to_string().contains("`model.width` = 4, not 8"), "{error}");
    let kept = fs_err::read_to_string(dir.path().join("config.toml"))?;
    assert!(!kept.contains("another"), "the settings of the run are still its own");
    Ok(())
}

#[test]
fn a_run_that_diverges_stops_with_advice() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut line = Line { breaks_at: 3, ..Line::new()? };
    let mut config = config();
    config.budget.steps = 100;
    let error = run(&config, dir.path(), &Control::default(), &mut line).expect_err("no numbers");
    assert!(error.to_string().contains("learning_rate"), "{error}");
    assert!(line.weight.with_value(|w| w.iter().all(|w| w.is_finite()))?, "weights stay numbers");
    Ok(())
}
