//! The server: what its handlers share, and what wraps them all.

use std::{net::TcpListener, sync::Arc, time::Instant};

use actix_web::{
    App, Error as ActixError, HttpResponse, HttpServer,
    body::MessageBody,
    dev::{Server, ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::{Compress, Next, from_fn},
    web,
};
use dragoman_store::Store;

use crate::{
    Error, ModelHandle, RecommenderHandle, Result, ServerConfig, access::Access, batcher::Batcher,
    detect::Detector, languages, metrics::Metrics, model::Loaded, recommend::Recommendations,
    routes,
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

/// What the handlers share.
pub(crate) struct Shared {
    pub(crate) config: ServerConfig,
    pub(crate) model: ModelHandle,
    pub(crate) store: Store,
    pub(crate) access: Access,
    pub(crate) detector: Arc<Detector>,
    pub(crate) batcher: Batcher,
    pub(crate) metrics: Arc<Metrics>,
    /// None if it is switched off.
    pub(crate) recommend: Option<Arc<Recommendations>>,
}

impl Shared {
    /// Languages of `model` that are offered, sorted.
    pub(crate) fn languages(&self, model: &Loaded) -> Vec<String> {
        let mut known = model.model.languages();
        let only = &self.config.load_only;
        if !only.is_empty() {
            known.retain(|code| {
                only.iter().any(|one| languages::resolve(std::slice::from_ref(code), one).is_some())
            });
        }
        known
    }
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
    let models = models.into();
    config.check().map_err(|reason| Error::Config { name: "settings".into(), reason })?;
    let metrics = Arc::new(Metrics::new());
    let recommend = match config.recommend {
        true => Some(Arc::new(Recommendations::new(
            &config,
            store.clone(),
            models.recommender,
            metrics.recommend.clone(),
        )?)),
        false => None,
    };
    let shared = Shared {
        recommend,
        access: Access::new(&config, store.clone()),
        batcher: Batcher::start(&config, Arc::clone(&metrics))?,
        detector: Arc::new(Detector::new()),
        model: models.translator,
        store,
        metrics,
        config,
    };
    let known = shared.languages(&shared.model.current());
    let detector = Arc::clone(&shared.detector);
    std::thread::Builder::new().name("detect".into()).spawn(move || detector.warm(&known))?;

    let shared = web::Data::new(shared);
    let threads = match shared.config.threads {
        0 => std::thread::available_parallelism().map_or(2, |cores| cores.get().min(4)),
        threads => threads,
    };
    let shutdown_timeout = shared.config.shutdown_timeout;
    let app = move || {
        App::new()
            .app_data(shared.clone())
            .wrap(Compress::default())
            .wrap(from_fn(record))
            .wrap(from_fn(share))
            .configure(|services| routes::configure(services, &shared.config))
    };
    let server = HttpServer::new(app)
        .workers(threads)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .max_connections(MAX_CONNECTIONS)
        .shutdown_timeout(shutdown_timeout)
        .h1_allow_half_closed(false) // a client that hung up wants no answer: drop its sentences
        .disable_signals()
        .listen(listener)?
        .run();
    Ok(server)
}

/// Lets pages of any origin use the API, and answers them when they ask whether they may.
async fn share(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    let mut response = if request.method() == Method::OPTIONS {
        request.into_response(HttpResponse::Ok().finish()).map_into_left_body()
    } else {
        next.call(request).await?.map_into_right_body()
    };
    const HEADERS: [(HeaderName, &str); 6] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Authorization"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        (header::ACCESS_CONTROL_MAX_AGE, "1728000"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let path = response.request().path();
    if path.contains("/api/") {
        const OF_GORSE: [(HeaderName, &str); 2] = [
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Content-Type, Accept, X-API-Key, X-API-Version",
            ),
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
        ];
        for (name, value) in OF_GORSE {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    Ok(response)
}

/// Counts and times every request.
async fn record(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    let started = Instant::now();
    let shared = request.app_data::<web::Data<Shared>>().expect("set for the whole app").clone();
    let _in_flight = InFlight::new(&shared);
    let response = next.call(request).await?;
    // A path that nobody serves would make a label of its own.
    let endpoint = response.request().match_pattern().unwrap_or_else(|| "other".into());
    let method = match response.request().method() {
        method @ (&Method::GET
        | &Method::POST
        | &Method::HEAD
        | &Method::PUT
        | &Method::PATCH
        | &Method::DELETE) => method.as_str(),
        _ => "other",
    };
    let status = response.status().as_u16();
    shared.metrics.answered(&endpoint, method, status, started.elapsed());
    Ok(response)
}

/// Counts a request as in flight until it is answered, or its client is gone.
struct InFlight(web::Data<Shared>);

impl InFlight {
    fn new(shared: &web::Data<Shared>) -> Self {
        shared.metrics.in_flight.inc();
        Self(shared.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.metrics.in_flight.dec();
    }
}
