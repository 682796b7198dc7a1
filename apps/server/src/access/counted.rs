//! What a table of counts has to do so that several servers can count together.

use std::{
    sync::{
        LazyLock, OnceLock,
        mpsc::{SyncSender, TrySendError},
    },
    time::Instant,
};

use dragoman_store::{LimitKind, LimitTotal};

/// A table of counts by caller, of which other servers may have one as well.
pub(super) trait Counted: Send + Sync {
    /// Its name, which tells its callers from those of other tables.
    fn name(&self) -> &'static str;

    /// How its counts change with time.
    fn kind(&self) -> LimitKind;

    /// Begins to note what other servers have to be told.
    fn share(&self, wake: SyncSender<()>);

    /// Takes what was counted since the last call.
    fn take(&self, now: i64) -> Vec<Untold>;

    /// Notes what all servers counted together, this one included.
    fn learn(&self, told: &[(Untold, LimitTotal)], now: i64);

    /// Takes back what no other server could be told.
    fn restore(&self, untold: &[Untold], now: i64);
}

/// What this server counted of a caller, and others have not been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Untold {
    pub(super) caller: String,
    /// As [`LimitChange::amount`](dragoman_store::LimitChange::amount).
    pub(super) amount: i64,
    /// As [`LimitChange::span`](dragoman_store::LimitChange::span).
    pub(super) span: i64,
}

/// Wakes the thread that exchanges counts; does nothing where nobody shares them.
#[derive(Debug, Default)]
pub(super) struct Wake(OnceLock<SyncSender<()>>);

impl Wake {
    pub(super) fn set(&self, sender: SyncSender<()>) {
        let _ = self.0.set(sender); // a table is shared once
    }

    /// Whether there are other servers to tell.
    pub(super) fn is_shared(&self) -> bool {
        self.0.get().is_some()
    }

    /// Never waits: where the thread is awake already, it will see what changed.
    pub(super) fn wake(&self) {
        if let Some(Err(TrySendError::Disconnected(()))) =
            self.0.get().map(|sender| sender.try_send(()))
        {
            tracing::debug!("the thread that exchanges counts has ended");
        }
    }
}

/// Microseconds since this process first asked; a clock that nobody sets.
pub(super) fn now() -> i64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    i64::try_from(START.elapsed().as_micros()).unwrap_or(i64::MAX)
}
