//! `dragoman serve`

mod lacking;
mod retrain;
mod upstream;
mod watch;

use std::{
    ffi::OsString,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use clap::Args;
use dragoman_core::{
    config::ModelConfig, directory::Files, translate::Translate, translators::Translators,
};
use dragoman_server::{ModelHandle, Models, RecommenderHandle, ServerConfig, telemetry};
use dragoman_store::{EngineKind, Store};
use tracing::{info, warn};

use self::{lacking::LanguageArgs, retrain::RetrainArgs, upstream::UpstreamFlags, watch::Watch};
use crate::{
    log,
    models::{self, Collection, CollectionArgs, LlmArgs, SearchArgs, translator_of},
    recalled::default_store,
};

/// Variables that are read elsewhere: by the log, and by the kernels.
const OTHER_VARIABLES: [&str; 2] = ["DRAGOMAN_LOG", "DRAGOMAN_KERNELS"];

/// Serve the web page and the API
#[derive(Debug, Args)]
#[command(
    after_help = "The flags of LibreTranslate work as well, such as `--char-limit 5000` or `--load-only en,de`."
)]
pub(crate) struct Serve {
    /// Address to listen on [default: 127.0.0.1]
    #[arg(long)]
    host: Option<String>,

    /// Port to listen on; 0 takes a free one [default: 5000]
    #[arg(long)]
    port: Option<u16>,

    /// Folder for what the services remember [default: in the user's data directory], or the address of a
    /// database that several servers share, `postgres://USER:PASSWORD@HOST/NAME`
    #[arg(long, value_name = "PLACE", env = "DRAGOMAN_STORE", hide_env_values = true)]
    store: Option<PathBuf>,

    /// Storage engine of a new store, sled or redb; a store that another one keeps is refused
    /// [default: the one that keeps the store, sled for a new one]
    #[arg(long, value_name = "NAME", env = "DRAGOMAN_STORE_ENGINE")]
    store_engine: Option<EngineKind>,

    /// Settings of the server, a TOML file; the environment and flags override it
    #[arg(long, value_name = "FILE", env = "DRAGOMAN_CONFIG")]
    config: Option<PathBuf>,

    /// Settings of Gorse, its `config.toml`, in place of `--config`; what has no meaning here is named
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    gorse_config: Option<PathBuf>,

    /// Model directory to serve, or its address in an object store: one that recommends, and any number that
    /// translate, of which the first that knows a pair translates it [default: the bundled translation model]
    #[arg(long = "model", value_name = "DIR", env = "DRAGOMAN_MODEL", value_delimiter = ',')]
    models: Vec<PathBuf>,

    #[command(flatten)]
    collection: CollectionArgs,

    #[command(flatten)]
    llm: LlmArgs,

    #[command(flatten)]
    languages: LanguageArgs,

    /// Print the settings that would be used, each with its environment variable, and end
    #[arg(long)]
    print_config: bool,

    #[command(flatten)]
    search: SearchArgs,

    #[command(flatten)]
    retrain: RetrainArgs,

    #[command(flatten)]
    upstream: UpstreamFlags,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (config, warnings) = self.settings()?;
        let telemetry = telemetry::start(&config.monitoring)?;
        let _telemetry = match telemetry {
            Some((telemetry, layer)) => {
                log::start_with(layer);
                Some(telemetry) // until the server ends
            }
            None => {
                log::start();
                None
            }
        };
        for warning in warnings {
            warn!("{warning}");
        }
        if self.print_config {
            print!("{}", config.to_toml());
            return Ok(());
        }
        dragoman_server::check(&config)?;
        let store = match &self.store {
            Some(path) => path.clone(),
            None => default_store()?,
        };
        let store = Store::open_with(&store, self.store_engine).context("opening the store")?;
        let models = self.models()?;
        let address = (config.http.host.as_str(), config.http.port);
        let listener = TcpListener::bind(address).with_context(|| {
            let (host, port) = address;
            format!("listening on {host}:{port}; {}", advice(host))
        })?;
        let url = format!("http://{}{}/", listener.local_addr()?, config.prefix());
        let recommender = self.recommender()?;
        let plan = self.retrain.plan(recommender.as_deref(), &url, &config)?;
        let handle = models.recommender.clone();
        let _retrainer = plan.map(|plan| plan.start(handle)).transpose()?; // until the server ends
        serve(config, listener, models, store, &url).context("serving")
    }

    /// Opens the models, and takes them up again whenever they change.
    fn models(&self) -> anyhow::Result<Models> {
        let (mut translators, mut recommender) = (Vec::new(), None);
        for folder in &self.models {
            match Files::Folder(self.collection.remote.fetched_or_cached(folder)?).config()? {
                ModelConfig::Translation(_) => translators.push(folder.clone()),
                ModelConfig::Recommendation(_) => {
                    if let Some(other) = recommender.replace(folder) {
                        let (one, other) = (folder.display(), other.display());
                        anyhow::bail!("`{other}` and `{one}` both recommend; serve one of them");
                    }
                }
            }
        }
        let (options, remote) = (self.search.options(), self.collection.remote.clone());
        let collection = Collection::new(&self.collection, options);
        self.languages.get_lacking(&collection)?;
        let (all, llm, watched) = (translators.clone(), self.llm.clone(), collection.clone());
        let of_store = remote.clone();
        // At the start the stores are asked for all models, later for the one that has `changed`.
        let open = move |changed: Option<&Path>| {
            let folder = |place: &PathBuf| match changed {
                None => of_store.fetched_or_cached(place),
                Some(changed) if changed == place => of_store.fetched(place),
                Some(_) => of_store.cached_or_fetched(place),
            };
            let folders = all.iter().map(folder).collect::<anyhow::Result<Vec<_>>>()?;
            anyhow::Ok(with_llm(&llm, translator_of(&folders, &collection, options)?))
        };
        // Before the models are opened: what changes meanwhile is a change.
        let poll = remote.poll();
        let mut watches = Vec::new();
        for place in &translators {
            watches.push((place.clone(), Watch::of_model(place, poll)?));
        }
        let of_folders = Watch::of_collection(&watched, poll).into_iter();
        watches.extend(of_folders.map(|watch| (PathBuf::new(), watch)));
        let handle = ModelHandle::new(open(None)?);
        let models = Models { translator: handle, recommender: RecommenderHandle::default() };
        let open = Arc::new(open);
        for (place, watch) in watches {
            let (handle, refused) = (models.translator.clone(), models.translator.clone());
            let open = Arc::clone(&open);
            let take_up = move || Ok(handle.swap(open(Some(&place))?));
            watch.start(take_up, move |reason| refused.refuse(reason))?;
        }
        if let Some(place) = recommender {
            let watch = Watch::of_model(place, poll)?;
            let (handle, place) = (models.recommender.clone(), place.clone());
            let open = move |folder: PathBuf| {
                let (first, catalogues) = models::recommender(&Files::Folder(folder))?;
                anyhow::Ok(handle.swap_all(first, catalogues))
            };
            open(remote.cached_or_fetched(&place)?)?; // it has just been fetched
            watch.start(move || open(remote.fetched(&place)?), |_| ())?;
        }
        Ok(models)
    }

    /// The folder of the model that recommends, if one is served.
    fn recommender(&self) -> anyhow::Result<Option<PathBuf>> {
        for folder in &self.models {
            let local = self.collection.remote.cached_or_fetched(folder)?;
            if let ModelConfig::Recommendation(_) = Files::Folder(local).config()? {
                return Ok(Some(folder.clone()));
            }
        }
        Ok(None)
    }

    /// The settings, and what in them has no meaning.
    fn settings(&self) -> anyhow::Result<(ServerConfig, Vec<String>)> {
        let (mut config, mut warnings) = match (&self.config, &self.gorse_config) {
            (Some(path), _) => (ServerConfig::from_toml(path)?, Vec::new()),
            (None, Some(path)) => ServerConfig::from_gorse(path)?,
            (None, None) => Default::default(),
        };
        // `vars` would panic on a variable of somebody else's that is not text.
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        let command = Self::augment_args(clap::Command::new("serve"));
        let own = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
        let others = own.chain(OTHER_VARIABLES);
        warnings.extend(config.apply_env(std::env::vars_os().filter_map(text), others)?);
        warnings.extend(config.apply_env(self.upstream.0.clone(), [])?);
        if let Some(host) = &self.host {
            config.http.host.clone_from(host);
        }
        config.http.port = self.port.unwrap_or(config.http.port);
        if !self.languages.languages.is_empty() {
            config.translation.load_only.clone_from(&self.languages.languages);
        }
        Ok((config, warnings))
    }
}

/// What may be wrong with an address that cannot be listened on.
fn advice(host: &str) -> &'static str {
    use std::net::ToSocketAddrs;
    match (host, 0).to_socket_addrs() {
        Ok(_) => {
            "is another server there, or is the address another machine's? `--port` and `--host` take others"
        }
        Err(_) => {
            "`--host` takes a name or an address of this machine, such as 127.0.0.1 or 0.0.0.0"
        }
    }
}

/// `translator` behind the language model, which translates the pairs it was given; alone where there is none.
fn with_llm(llm: &LlmArgs, translator: Arc<dyn Translate>) -> Arc<dyn Translate> {
    match llm.translator() {
        Some(first) => Arc::new(Translators::new(vec![first, translator])),
        None => translator,
    }
}

/// Serves until Ctrl-C or SIGTERM, then finishes what is in flight.
fn serve(
    config: ServerConfig,
    listener: TcpListener,
    models: Models,
    store: Store,
    url: &str,
) -> anyhow::Result<()> {
    let (stop, mut stopped) = tokio::sync::mpsc::channel::<()>(1);
    let on_signal = move || {
        stop.try_send(()).ok(); // a second Ctrl-C finds the first one waiting
    };
    ctrlc::set_handler(on_signal).context("listening for Ctrl-C")?;
    actix_web::rt::System::new().block_on(async {
        let server = dragoman_server::run(config, listener, models, store)?;
        let handle = server.handle();
        println!("Dragoman listens on {url} (Ctrl-C stops it)");
        actix_web::rt::spawn(async move {
            if stopped.recv().await.is_some() {
                info!("stopping: requests in flight are finished first");
                handle.stop(true).await;
            }
        });
        server.await?;
        anyhow::Ok(())
    })
}
