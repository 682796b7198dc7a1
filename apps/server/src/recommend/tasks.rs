//! What goes on behind the server for a while, such as a training, as operators see it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use dragoman_store::Timestamp;
use serde::Serialize;

/// A task that runs or has ended, as Gorse writes it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Task {
    /// The part of the server that it belongs to.
    tracer: &'static str,
    name: String,
    status: Status,
    /// Why it failed; empty if it did not.
    error: String,
    /// Steps made.
    count: u64,
    /// Steps to make; 0 where nobody knows.
    total: u64,
    start_time: Timestamp,
    /// When it ended; the zero time while it runs.
    finish_time: Timestamp,
}

/// How a task gets on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Status {
    Running,
    Complete,
    Failed,
}

/// The running task of each name and the last one that ended, the latest first.
#[derive(Debug, Default)]
pub(super) struct Tasks(Mutex<Vec<Task>>);

impl Tasks {
    pub(super) fn list(&self) -> Vec<Task> {
        self.all().clone()
    }

    /// Notes that the task `name` begins.
    pub(super) fn start(&self, name: &str) {
        let mut all = self.all();
        let ended = all.iter().position(|task| task.name == name && task.is_over());
        let last = ended.map(|at| all.remove(at));
        all.retain(|task| task.name != name);
        let task = Task {
            tracer: "master",
            name: name.into(),
            status: Status::Running,
            error: String::new(),
            count: 0,
            total: 0,
            start_time: Timestamp::now(),
            finish_time: Timestamp::ZERO,
        };
        all.splice(0..0, [task].into_iter().chain(last));
    }

    /// Notes that the running task `name` made `count` steps of `total`.
    pub(super) fn advance(&self, name: &str, (count, total): (u64, u64)) {
        if let Some(task) = self.all().iter_mut().find(|task| task.name == name && !task.is_over())
        {
            (task.count, task.total) = (count, total);
        }
    }

    /// Notes how the running task `name` ended; what ended before it is forgotten.
    pub(super) fn finish(&self, name: &str, result: Result<(), String>) {
        let mut all = self.all();
        let Some(at) = all.iter().position(|task| task.name == name && !task.is_over()) else {
            return;
        };
        let mut task = all.remove(at);
        all.retain(|other| other.name != name);
        task.finish_time = Timestamp::now();
        match result {
            Ok(()) => (task.status, task.count) = (Status::Complete, task.total.max(task.count)),
            Err(error) => (task.status, task.error) = (Status::Failed, error),
        }
        all.insert(0, task);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    fn is_over(&self) -> bool {
        self.status != Status::Running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_task_and_the_last_one_are_listed() {
        let tasks = Tasks::default();
        let shown = || {
            let of = |task: Task| (task.status, task.count, task.total, task.error);
            tasks.list().into_iter().map(of).collect::<Vec<_>>()
        };
        tasks.advance("train", (1, 5)); // nothing runs
        assert_eq!(shown(), []);
        tasks.start("train");
        tasks.advance("train", (2, 5));
        assert_eq!(shown(), [(Status::Running, 2, 5, String::new())]);
        tasks.finish("train", Ok(()));
        tasks.start("train");
        let complete = (Status::Complete, 5, 5, String::new());
        assert_eq!(shown(), [(Status::Running, 0, 0, String::new()), complete]);
        tasks.advance("train", (3, 5));
        tasks.finish("train", Err("no".into()));
        assert_eq!(shown(), [(Status::Failed, 3, 5, "no".into())]);
        let ended = tasks.list().remove(0);
        assert!(ended.start_time <= ended.finish_time, "{ended:?}");
    }
}
