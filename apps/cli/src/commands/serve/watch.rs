//! Looks at what says that a model has changed, and takes the model up again.

use std::{path::Path, time::Duration};

use dragoman_objects::{RemoteFolder, is_address};
use tracing::{info, warn};

use crate::models::Collection;

/// How often the register of a model folder is looked at.
const EVERY: Duration = Duration::from_millis(300);

/// What changes with a model; none while there is nothing to take up.
type State = Option<Vec<u8>>;

/// What is looked at, and what it said when the model was opened.
pub(super) struct Watch {
    every: Duration,
    is_remote: bool,
    state: Box<dyn Fn() -> anyhow::Result<State> + Send>,
    seen: State,
}

impl Watch {
    /// Of the model that `place` names; an address is asked every `poll`.
    pub(super) fn of_model(place: &Path, poll: Duration) -> anyhow::Result<Self> {
        if is_address(place) {
            let folder = RemoteFolder::open(&place.to_string_lossy())?;
            return Ok(Self::new(poll, true, move || Ok(Some(folder.version()?.into()))));
        }
        // The content: it is small, and a time stamp can be too coarse.
        let register = place.join("experts.json");
        Ok(Self::new(EVERY, false, move || Ok(fs_err::read(&register).ok())))
    }

    /// Of the models of a collection: those in folders, and those in object stores.
    pub(super) fn of_collection(collection: &Collection, poll: Duration) -> Vec<Self> {
        let mut watches = Vec::new();
        let joined = |all: Vec<String>| Some(all.join("\n").into_bytes());
        if !collection.is_empty() {
            let of_folders = collection.clone();
            let state = move || Ok(joined(of_folders.state()));
            watches.push(Self::new(EVERY, false, state));
        }
        if collection.has_addresses() {
            let of_stores = collection.clone();
            let state = move || Ok(joined(of_stores.remote_state()?));
            watches.push(Self::new(poll, true, state));
        }
        watches
    }

    fn new(
        every: Duration,
        is_remote: bool,
        state: impl Fn() -> anyhow::Result<State> + Send + 'static,
    ) -> Self {
        let seen = state().unwrap_or_default();
        Self { every, is_remote, state: Box::new(state), seen }
    }

    /// Calls `take_up` whenever there is a change. What cannot be loaded is refused, and the model that serves
    /// goes on.
    pub(super) fn start(
        self,
        take_up: impl Fn() -> anyhow::Result<u64> + Send + 'static,
        refuse: impl Fn(String) + Send + 'static,
    ) -> anyhow::Result<()> {
        let Self { every, is_remote, state, mut seen } = self;
        let (mut refused, mut is_lost) = (None, false);
        let look = move || {
            loop {
                std::thread::sleep(every);
                let now = state();
                if let Err(error) = &now
                    && !is_lost
                {
                    warn!("the model that serves goes on: {error:#}");
                }
                is_lost = now.is_err();
                let Ok(Some(now)) = now else { continue };
                if seen.as_ref() == Some(&now) {
                    continue;
                }
                match take_up() {
                    Ok(generation) => {
                        info!(generation, "took up the changed model");
                        (seen, refused) = (Some(now), None);
                    }
                    // What is wrong in a store may be right the next time, and is named once.
                    Err(error) => {
                        let reason = format!("{error:#}");
                        if refused.as_ref() != Some(&reason) {
                            warn!("the changed model is refused, the old one serves: {reason}");
                            refuse(reason.clone());
                        }
                        if !is_remote {
                            seen = Some(now);
                        }
                        refused = is_remote.then_some(reason);
                    }
                }
            }
        };
        std::thread::Builder::new().name("watch".into()).spawn(look)?;
        Ok(())
    }
}
