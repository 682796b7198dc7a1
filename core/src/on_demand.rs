//! Models that are loaded when somebody asks for them, under a budget of bytes that they share.
//!
//! What a model translates is known from its register alone. Its weights are read when the first job
//! comes, and when the budget is full, the model that was used longest ago goes. A job keeps the model
//! that it started with, so memory exceeds the budget by what is in use.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::{
    Result,
    memory::MemoryStats,
    register::Register,
    translate::{Translate, Translation, TranslationJob},
    translator::Translator,
};

/// Models in memory, shared by all that are loaded on demand; clones share it.
#[derive(Clone)]
pub struct ModelMemory(Arc<Inner>);

struct Inner {
    budget: u64,
    state: Mutex<State>,
    /// Rung whenever a model has been loaded, or could not be.
    loaded: Condvar,
}

#[derive(Default)]
struct State {
    /// Counts the uses, to tell which was the last.
    clock: u64,
    models: BTreeMap<String, Kept>,
    /// Models that somebody is loading at this moment.
    loading: BTreeSet<String>,
}

struct Kept {
    model: Arc<Translator>,
    last_used: u64,
}

impl ModelMemory {
    /// An empty memory for `budget` bytes of models; without one it keeps all.
    pub fn new(budget: Option<u64>) -> Self {
        let (state, loaded) = Default::default();
        Self(Arc::new(Inner { budget: budget.unwrap_or(u64::MAX), state, loaded }))
    }

    /// Names of the models that are in memory, sorted.
    pub fn names(&self) -> Vec<String> {
        self.lock().models.keys().cloned().collect()
    }

    /// Lets all models go but those whose names are to be kept.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.lock().models.retain(|name, _| keep(name));
    }

    /// The model called `name`, if it is in memory.
    fn peek(&self, name: &str) -> Option<Arc<Translator>> {
        self.lock().models.get(name).map(|kept| Arc::clone(&kept.model))
    }

    /// The model called `name`, from here or else from `open`.
    fn get(
        &self,
        name: &str,
        open: impl FnOnce() -> Result<Translator>,
    ) -> Result<Arc<Translator>> {
        let mut state = self.lock();
        loop {
            state.clock += 1;
            let clock = state.clock;
            if let Some(kept) = state.models.get_mut(name) {
                kept.last_used = clock;
                return Ok(Arc::clone(&kept.model));
            }
            if state.loading.insert(name.into()) {
                break;
            }
            state = self.0.loaded.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        let done = Loading { memory: self, name };
        let model = Arc::new(open()?);
        let mut state = self.lock();
        state.clock += 1;
        let kept = Kept { model: Arc::clone(&model), last_used: state.clock };
        state.models.insert(name.into(), kept);
        let evicted = state.evict(self.0.budget, name);
        drop(state);
        drop(done);
        drop(evicted); // outside of the lock: this frees much
        Ok(model)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the loading of a model, however it went.
struct Loading<'a> {
    memory: &'a ModelMemory,
    name: &'a str,
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.memory.lock().loading.remove(self.name);
        self.memory.0.loaded.notify_all();
    }
}

impl State {
    /// Lets models go until `budget` holds, all but `newest`.
    fn evict(&mut self, budget: u64, newest: &str) -> Vec<Kept> {
        let mut evicted = Vec::new();
        while self.models.values().map(|kept| kept.model.bytes()).sum::<u64>() > budget {
            let others = self.models.iter().filter(|(name, _)| *name != newest);
            let Some(oldest) = others.min_by_key(|(_, kept)| kept.last_used) else { break };
            let oldest = oldest.0.clone();
            evicted.extend(self.models.remove(&oldest));
        }
        evicted
    }
}

impl std::fmt::Debug for ModelMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ModelMemory({:?})", self.names())
    }
}

/// Loads a model.
pub type Open = dyn Fn() -> Result<Translator> + Send + Sync;

/// A translation model that is loaded when it is asked for.
pub struct OnDemand {
    name: String,
    register: Register,
    memory: ModelMemory,
    open: Box<Open>,
}

impl OnDemand {
    /// A model that translates what `register` says, and that `open` loads into `memory` under `name`,
    /// which no other model has.
    pub fn new(name: String, register: Register, memory: &ModelMemory, open: Box<Open>) -> Self {
        Self { name, register, memory: memory.clone(), open }
    }

    /// The model, loaded if it was not.
    fn model(&self) -> Result<Arc<Translator>> {
        self.memory.get(&self.name, &self.open)
    }

    fn is_loaded(&self) -> Option<Arc<Translator>> {
        self.memory.peek(&self.name)
    }
}

impl std::fmt::Debug for OnDemand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OnDemand({})", self.name)
    }
}

impl Translate for OnDemand {
    fn languages(&self) -> Vec<String> {
        self.register.languages()
    }

    fn can_translate(&self, source: &str, target: &str) -> bool {
        self.register.leads(source, target)
    }

    fn is_direct(&self, source: &str, target: &str) -> bool {
        self.register.route(source, target).is_some()
    }

    fn domains(&self) -> Vec<String> {
        self.register.domain_names()
    }

    fn covers(&self, domain: &str, source: &str, target: &str) -> bool {
        self.register.covers(domain, source, target)
    }

    /// Loads the model only if it can tell its domains from others.
    fn detect_domain(&self, text: &str, source: &str, target: &str) -> Option<(String, f32)> {
        self.register.experts.iter().find(|expert| expert.detector.is_some())?;
        self.model().ok()?.detect_domain(text, source, target)
    }

    fn added(&self) -> BTreeMap<String, u64> {
        self.is_loaded().map(|model| model.added()).unwrap_or_default()
    }

    fn can_want(&self, source: &str, target: &str) -> bool {
        self.can_translate(source, target)
    }

    fn translate(&self, jobs: &[TranslationJob]) -> Result<Vec<Translation>> {
        self.model()?.translate(jobs)
    }

    /// None if the model cannot be loaded: the job that follows says why.
    fn placeholders(&self, source: &str, target: &str) -> usize {
        self.model().map_or(0, |model| model.placeholders(source, target))
    }

    fn memory(&self) -> Option<MemoryStats> {
        self.is_loaded()?.memory()
    }

    fn experts(&self) -> serde_json::Value {
        serde_json::to_value(&self.register.experts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        sync::{
            Barrier,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use candle::Device;

    use super::*;
    use crate::{
        Error,
        config::TranslationConfig,
        directory::{Files, TranslationParts, WeightFormat, save_translation},
        models::translation::TranslationModel,
        params::ParamStore,
        tokenizer::Tokenizer,
        translator::TranslatorOptions,
    };

    /// Writes a small model without experts.
    fn write(folder: &Path) -> Result<Register> {
        let letters = ('a'..='z').map(String::from).collect::<Vec<_>>();
        let tokenizer = Tokenizer::from_pieces(&["de", "en"], &letters, Vec::new())?;
        let config = TranslationConfig {
            vocab_size: tokenizer.vocab_size(),
            d_model: 16,
            num_heads: 2,
            encoder_layers: 1,
            decoder_layers: 1,
            d_ff: 16,
            max_positions: 32,
            moe: None,
            ..TranslationConfig::default()
        };
        let pairs = [("de".to_string(), "en".to_string())];
        let register = Register::for_pairs(&pairs, 0, 16, &config.moe_layers());
        let params = ParamStore::new(&Device::Cpu, 3);
        TranslationModel::new(&config, &register, &params)?;
        let parts =
            TranslationParts { config: &config, register: &register, vocabulary: &tokenizer };
        save_translation(folder, parts, &params, WeightFormat::F32)?;
        Files::Folder(folder.into()).register()
    }

    /// Models that are all in one folder, and how often one was loaded.
    struct Models {
        folder: tempfile::TempDir,
        register: Register,
        opened: Arc<AtomicUsize>,
    }

    impl Models {
        fn new() -> Result<Self> {
            let folder = tempfile::tempdir()?;
            let register = write(folder.path())?;
            Ok(Self { folder, register, opened: Arc::default() })
        }

        /// A model whose first `failures` loads fail.
        fn model(&self, name: &str, memory: &ModelMemory, failures: usize) -> OnDemand {
            let (folder, opened) = (self.folder.path().to_path_buf(), Arc::clone(&self.opened));
            let open = move || match opened.fetch_add(1, Ordering::SeqCst) < failures {
                true => Err(Error::Invalid("the disk is away".into())),
                false => {
                    let files = Files::Folder(folder.clone());
                    Translator::open(&files, TranslatorOptions::default())
                }
            };
            OnDemand::new(name.into(), self.register.clone(), memory, Box::new(open))
        }

        fn opened(&self) -> usize {
            self.opened.load(Ordering::SeqCst)
        }
    }

    fn job() -> TranslationJob {
        TranslationJob {
            source: "de".into(),
            target: "en".into(),
            domains: Vec::new(),
            text: "ab".into(),
            num_hypotheses: 1,
            trace: false,
            wanted: Default::default(),
        }
    }

    #[test]
    fn what_a_model_translates_is_known_before_it_is_loaded() -> Result<()> {
        let (models, memory) = (Models::new()?, ModelMemory::new(None));
        let model = models.model("a", &memory, 0);
        assert_eq!(model.languages(), ["de", "en"]);
        assert!(model.can_translate("de", "en") && model.is_direct("de", "en"));
        assert!(!model.can_translate("en", "de"));
        assert!(model.memory().is_none() && model.added().is_empty());
        assert_eq!((models.opened(), memory.names()), (0, Vec::new()));
        Ok(())
    }

    #[test]
    fn jobs_at_one_time_load_a_model_once() -> Result<()> {
        let (models, memory) = (Models::new()?, ModelMemory::new(None));
        let (model, start) = (models.model("a", &memory, 0), Barrier::new(4));
        let answers: Vec<Result<Vec<Translation>>> = std::thread::scope(|scope| {
            let jobs = || {
                start.wait();
                model.translate(&[job()])
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(jobs)).collect();
            threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
        });
        let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!((models.opened(), memory.names()), (1, vec!["a".to_string()]));
        Ok(())
    }

    #[test]
    fn the_model_that_was_used_longest_ago_makes_room() -> Result<()> {
        let models = Models::new()?;
        let each = models.model("a", &ModelMemory::new(None), 0).model()?.bytes();
        assert!(each > 0);
        let memory = ModelMemory::new(Some(2 * each));
        let [a, b, c] = ["a", "b", "c"].map(|name| models.model(name, &memory, 0));
        for (model, kept) in [(&a, "a"), (&b, "a b"), (&a, "a b"), (&c, "a c"), (&b, "b c")] {
            model.translate(&[job()])?;
            assert_eq!(memory.names().join(" "), kept);
        }
        // A budget that holds none keeps the one that was asked for last.
        let memory = ModelMemory::new(Some(0));
        let [a, b] = ["a", "b"].map(|name| models.model(name, &memory, 0));
        let in_use = a.model()?;
        b.translate(&[job()])?;
        assert_eq!(memory.names(), ["b"]);
        assert_eq!(in_use.translate(&[job()])?, b.translate(&[job()])?); // what is in use stays whole
        memory.retain(|name| name != "b");
        assert!(memory.names().is_empty());
        Ok(())
    }

    #[test]
    fn a_model_that_could_not_be_loaded_is_tried_again() -> Result<()> {
        let (models, memory) = (Models::new()?, ModelMemory::new(None));
        let model = models.model("a", &memory, 1);
        let error = model.translate(&[job()]).expect_err("the first load fails");
        assert!(error.to_string().contains("the disk is away"), "{error}");
        assert!(memory.names().is_empty());
        model.translate(&[job()])?;
        assert_eq!(memory.names(), ["a"]);
        Ok(())
    }
}
