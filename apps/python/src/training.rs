//! `dragoman.train`

use std::{path::PathBuf, thread, time::Duration};

use dragoman_training::{
    control::{Control, Ended},
    summary::Summary,
    tasks::translation::{RunPaths, TrainConfig, train as learn, use_held_out},
};
use pyo3::{prelude::*, types::PyDict};

use crate::{raise, refuse_address};

/// Between two looks at whether Ctrl-C was pressed.
const LOOK: Duration = Duration::from_millis(100);

/// Trains a translation model, or goes on with the run in `out`.
#[pyfunction]
#[pyo3(signature = (
    config, corpus, out, *, dev = None, start_from = None, device = None, steps = None, minutes = None,
    session_minutes = None, quiet = false
))]
#[expect(clippy::too_many_arguments, reason = "named ones of a call in Python")]
pub(crate) fn train<'py>(
    py: Python<'py>,
    config: PathBuf,
    corpus: PathBuf,
    out: PathBuf,
    dev: Option<PathBuf>,
    start_from: Option<PathBuf>,
    device: Option<String>,
    steps: Option<u64>,
    minutes: Option<f64>,
    session_minutes: Option<f64>,
    quiet: bool,
) -> PyResult<Bound<'py, PyDict>> {
    [&corpus, &out].into_iter().try_for_each(|path| refuse_address(path))?;
    let mut settings = TrainConfig::load(&config).map_err(raise)?;
    settings.device = device.unwrap_or(settings.device);
    settings.start_from = start_from.or(settings.start_from);
    settings.run.budget.steps = steps.unwrap_or(settings.run.budget.steps);
    settings.run.budget.minutes = minutes.unwrap_or(settings.run.budget.minutes);
    let mut control = Control::default();
    if let Some(minutes) = session_minutes {
        let limit = Duration::try_from_secs_f64(minutes * 60.0);
        let limit = limit.map_err(|_| {
            raise(format_args!("`session_minutes` is {minutes}; it must be a number from 0 on"))
        })?;
        control = control.with_time_limit(limit);
    }
    let mut paths = RunPaths { corpus, dev: dev.unwrap_or_else(|| ".".into()), out, quiet };
    use_held_out(&mut settings.dev, &mut paths);

    let (summary, interrupt) = stopped_by_signals(py, &settings, &paths, &control);
    let summary = summary.map_err(raise)?;
    interrupt?;
    let result = PyDict::new(py);
    result.set_item("finished", summary.ended == Ended::Finished)?;
    result.set_item("reason", summary.reason)?;
    result.set_item("step", summary.step)?;
    result.set_item("seconds", summary.seconds)?;
    result.set_item("score", summary.best.map(|best| best.score))?;
    result.set_item("model", summary.model.map(|model| model.display().to_string()))?;
    Ok(result)
}

/// Trains on another thread while this one waits for Ctrl-C, which stops the run after its step: everything is
/// saved by the time its exception is raised.
fn stopped_by_signals(
    py: Python<'_>,
    settings: &TrainConfig,
    paths: &RunPaths,
    control: &Control,
) -> (dragoman_training::Result<Summary>, PyResult<()>) {
    thread::scope(|scope| {
        let run = scope.spawn(|| learn(settings, paths, control));
        let mut interrupt = Ok(());
        while !run.is_finished() {
            py.detach(|| thread::sleep(LOOK));
            if interrupt.is_ok() {
                interrupt = py.check_signals();
                if interrupt.is_err() {
                    control.stop();
                }
            }
        }
        let summary = run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (summary, interrupt)
    })
}
