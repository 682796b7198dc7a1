//! Reads weights before a pass needs them.

use std::sync::mpsc;

use super::Param;
use crate::{kernels::packed::Packing, memory::ExpertMemory};

/// Reads weights ahead of the passes that will want them, on a thread of its own.
#[derive(Debug)]
pub struct Prefetcher {
    sender: mpsc::Sender<Vec<Param>>,
}

impl Prefetcher {
    /// Starts the thread, which ends with the prefetcher.
    pub fn start(memory: &ExpertMemory, packing: Packing) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<Vec<Param>>();
        let budget = memory.budget();
        let run = move || {
            while let Ok(params) = receiver.recv() {
                let mut bytes = 0;
                for param in params {
                    // Reading ahead is best effort: the pass that needs a broken weight reports it.
                    let Ok(matrix) = param.packed_ahead(packing) else { continue };
                    bytes += matrix.bytes();
                    // Reading more would evict what was just read.
                    if bytes >= budget {
                        break;
                    }
                }
            }
        };
        std::thread::Builder::new().name("prefetch".into()).spawn(run)?;
        Ok(Self { sender })
    }

    /// Asks for `params`, in the order in which a pass will want them.
    pub fn want(&self, params: Vec<Param>) {
        self.sender.send(params).ok(); // the thread lives as long as the prefetcher
    }
}
