//! The server: what its handlers work with, and what wraps them all.

use std::{
    any::Any,
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    App, Error as ActixError, HttpMessage, HttpRequest, HttpServer,
    body::MessageBody,
    dev::{Server, ServiceRequest, ServiceResponse},
    middleware::{Compress, Next, from_fn},
    rt::net::TcpStream,
    web,
};
use dragoman_store::Store;
use tracing::Instrument;

use crate::{
    Error, ModelHandle, RecommenderHandle, Result, ServerConfig,
    access::Access,
    batcher::Batcher,
    body::Bodies,
    documents::DocumentService,
    edge::{self, Origins, WasHead},
    input::Reader,
    metrics::Metrics,
    recommend::{Recommendations, Settings},
    routes::{self, Administration},
    service::TranslationService,
    stream::Transfers,
    telemetry,
};

/// Threads of each HTTP worker for what blocks: detection, and writes to the store.
const BLOCKING_THREADS: usize = 16;

/// Connections of each HTTP worker at most; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;

/// The models that a server serves, one for each kind.
#[derive(Debug, Clone)]
pub struct Models {
    /// Translates.
    pub translator: ModelHandle,
    /// Recommends; empty, lists are made of what is popular, new and alike.
    pub recommender: RecommenderHandle,
}

impl<T: Into<ModelHandle>> From<T> for Models {
    fn from(translator: T) -> Self {
        Self { translator: translator.into(), recommender: RecommenderHandle::default() }
    }
}

/// What the handlers work with; each takes what it needs.
#[derive(Clone)]
struct Tools {
    config: web::Data<ServerConfig>,
    metrics: web::Data<Metrics>,
    model: web::Data<ModelHandle>,
    recommender: web::Data<RecommenderHandle>,
    translation: web::Data<TranslationService>,
    documents: web::Data<DocumentService>,
    recommend: Option<web::Data<Recommendations>>,
    access: web::Data<Access>,
    store: web::Data<Store>,
    bodies: web::Data<Bodies>,
    reader: web::Data<Reader>,
    transfers: web::Data<Transfers>,
    origins: web::Data<Origins>,
    administration: Option<web::Data<Administration>>,
}

impl Tools {
    fn new(config: ServerConfig, models: Models, store: Store) -> Result<Self> {
        let refuse = |reason| Error::Config { name: "settings".into(), reason };
        let metrics = Arc::new(Metrics::new());
        let batcher = Batcher::start(&config.queue, Arc::clone(&metrics))?;
        let translation = TranslationService::new(
            &config.translation,
            models.translator.clone(),
            batcher,
            store.clone(),
        );
        translation.check_languages().map_err(refuse)?;
        translation.warm()?;
        let translation = Arc::new(translation);
        let documents = DocumentService::new(&config.documents, Arc::clone(&translation));
        let recommend = match config.recommendation.recommend {
            true => Some(Arc::new(Recommendations::new(
                &config.recommendation,
                store.clone(),
                models.recommender.clone(),
                metrics.recommend.clone(),
            )?)),
            false => None,
        };
        if let Some(recommend) = &recommend {
            recommend.follow();
        }
        let bodies = Arc::new(Bodies::new(&config.http));
        let transfers = Transfers::new(&config.http);
        let administration = config.keys.admin_key.clone().map(|key| {
            let (recommend, transfers) = (recommend.clone(), transfers.clone());
            let (store, bodies) = (store.clone(), Arc::clone(&bodies));
            web::Data::new(Administration { store, key, recommend, transfers, bodies })
        });
        let reader = Reader::new(Arc::clone(&bodies), config.translation.body_limit);
        Ok(Self {
            model: web::Data::new(models.translator),
            recommender: web::Data::new(models.recommender),
            translation: web::Data::from(translation),
            documents: web::Data::new(documents),
            recommend: recommend.map(web::Data::from),
            access: web::Data::new(Access::new(&config, store.clone())),
            store: web::Data::new(store),
            bodies: web::Data::from(bodies),
            reader: web::Data::new(reader),
            transfers: web::Data::new(transfers),
            origins: web::Data::new(Origins::new(&config)),
            administration,
            metrics: web::Data::from(metrics),
            config: web::Data::new(config),
        })
    }

    /// Hands everything to the handlers, and registers them.
    fn configure(&self, services: &mut web::ServiceConfig) {
        services
            .app_data(self.config.clone())
            .app_data(self.metrics.clone())
            .app_data(self.model.clone())
            .app_data(self.recommender.clone())
            .app_data(self.translation.clone())
            .app_data(self.documents.clone())
            .app_data(self.access.clone())
            .app_data(self.store.clone())
            .app_data(self.bodies.clone())
            .app_data(self.reader.clone())
            .app_data(self.transfers.clone())
            .app_data(self.origins.clone());
        if let Some(recommend) = &self.recommend {
            services.app_data(recommend.clone());
        }
        if let Some(administration) = &self.administration {
            services.app_data(administration.clone());
        }
        routes::configure(services, &self.config);
    }
}

/// Says which field of `config` makes no sense.
pub fn check(config: &ServerConfig) -> Result<()> {
    let refuse = |reason| Error::Config { name: "settings".into(), reason };
    config.check().map_err(refuse)?;
    Settings::new(&config.recommendation).map(drop).map_err(refuse)
}

/// Starts to serve `models` and `store` on `listener`; await the server to let it work.
///
/// Signals are the caller's: [`ServerHandle::stop`](actix_web::dev::ServerHandle::stop) stops it.
pub fn run(
    config: ServerConfig,
    listener: TcpListener,
    models: impl Into<Models>,
    store: Store,
) -> Result<Server> {
    check(&config)?;
    let threads = match config.http.threads {
        0 => std::thread::available_parallelism().map_or(2, |cores| cores.get().min(4)),
        threads => threads,
    };
    let shutdown_timeout = config.http.shutdown_timeout;
    let patience = Duration::from_secs(config.http.client_timeout);
    let tools = Tools::new(config, models.into(), store)?;
    if tools.config.recommendation.recommend {
        tools.access.warn(listener.local_addr()?.ip().is_loopback());
    }
    let app = move || {
        App::new()
            .configure(|services| tools.configure(services))
            .wrap(Compress::default())
            .wrap(from_fn(record))
            .wrap(from_fn(edge::share))
            .wrap(from_fn(edge::normalize))
    };
    let server = HttpServer::new(app)
        .workers(threads)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .max_connections(MAX_CONNECTIONS)
        .shutdown_timeout(shutdown_timeout)
        .on_connect(move |connection, _| drop_deaf(connection, patience))
        .h1_allow_half_closed(false) // a client that hung up wants no answer: drop its sentences
        .disable_signals()
        .listen(listener)?
        .run();
    Ok(server)
}

/// Has the system end the connection of a client that does not read its answer for so long.
fn drop_deaf(connection: &dyn Any, patience: Duration) {
    #[cfg(target_os = "linux")]
    if let Some(stream) = connection.downcast_ref::<TcpStream>() {
        let socket = socket2::SockRef::from(stream);
        if let Err(error) = socket.set_tcp_user_timeout(Some(patience)) {
            tracing::debug!(%error, "a connection without a timeout for its answers");
        }
    }
}

/// Counts, times and traces every request.
async fn record(
    metrics: web::Data<Metrics>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    let started = Instant::now();
    let _in_flight = InFlight::new(&metrics);
    let method = method(request.request()).to_owned();
    let span = telemetry::request(&request, &method);
    let response = next.call(request).instrument(span.clone()).await.inspect_err(|error| {
        telemetry::answered(&span, &method, None, error.as_response_error().status_code());
    })?;
    let request = response.request();
    let route = request.match_pattern();
    let route = route.as_deref().map(|route| match route.trim_end_matches('/') {
        "" => "/",
        route => route,
    });
    // A path that nobody serves would make a label of its own.
    let endpoint = route.unwrap_or("other");
    metrics.answered(endpoint, &method, response.status().as_u16(), started.elapsed());
    telemetry::answered(&span, &method, route, response.status());
    Ok(response)
}

/// The method that the client used.
fn method(request: &HttpRequest) -> &str {
    match request.extensions().contains::<WasHead>() {
        true => "HEAD",
        false => Metrics::method(request.method()),
    }
}

/// Counts a request as in flight until it is answered, or its client is gone.
struct InFlight(web::Data<Metrics>);

impl InFlight {
    fn new(metrics: &web::Data<Metrics>) -> Self {
        metrics.in_flight.inc();
        Self(metrics.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}
