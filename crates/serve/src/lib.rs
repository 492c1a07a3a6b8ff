//! A trained model as an HTTP server: JSON for programs, and a page for people.
//!
//! # The path of a request
//!
//! ```text
//! connections   accept; read the head         one thread, which never computes
//!      ↓
//! observe       identify, count and log; routes finds the handler of the path
//!      ↓
//! body          read JSON within limits of size and time → request
//!      ↓
//! prepared      validate settings, split and encode the texts   on a blocking thread
//!      ↓
//! pending       the sentences of a long document, a window at a time
//!      ↓
//! queue         wait; bounded                 a ticket cancels the jobs of a request that ends early
//!      ↓
//! worker        take a batch of equal settings, decode it     one thread per core
//!      ↓
//! routes        collect the replies, write the response
//! ```
//!
//! Batches form when requests arrive faster than they are answered; no request waits for a batch to fill. A translation
//! does not depend on its batch.
//!
//! Every rejection is an `ApiError` with a status, a code and a message. [`Limits`] bounds the cost of requests. On SIGINT
//! or SIGTERM the server finishes accepted requests and rejects new ones.

mod activity;
mod app_state;
mod body;
mod client_limits;
mod connections;
mod cross_origin;
mod error;
mod job;
mod languages;
mod libre;
mod libre_request;
mod limits;
mod methods;
mod metrics;
mod models;
mod observe;
mod openapi;
mod page;
mod pending;
mod prepared;
mod queue;
mod request;
mod routes;
mod translated_text;
mod translation_service;
mod worker;
mod write_timeout;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use decode::TooLong;
use decode::error::DecodeError;
use decode::settings::Settings;
use decode::trained_model::TrainedModel;
use tokio::runtime;
use tokio::sync::watch;
use tokio::time::sleep;
use tower_http::cors::CorsLayer;

use app_state::AppState;
use models::Models;
use translation_service::TranslationService;

pub use app_state::ModelInfo;
pub use limits::Limits;
pub use models::{ModelOptions, ModelSpec, OpenModel};
pub use observe::{RequestLog, RequestRecord, Work};

/// Exit code after a second signal.
const INTERRUPTED: i32 = 130;
/// Time between two checks for idle models.
const IDLE_CHECK: Duration = Duration::from_secs(1);
/// Time for the last responses to leave their buffers.
const FLUSH_TIME: Duration = Duration::from_millis(100);

/// A server that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is invalid or taken.
    #[error("cannot listen on {address}: {source}; give --listen another ADDRESS:PORT (port 0 takes any free one)")]
    Listen {
        /// The address as it was given.
        address: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The system cannot create sockets, threads or signal handlers.
    #[error("cannot start the server: {0}")]
    Start(#[from] io::Error),
    /// The system cannot create worker threads.
    #[error("cannot start its workers: {0}")]
    Workers(#[from] rayon::ThreadPoolBuildError),
    /// A setting or a limit out of range.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// A bound address. Clients that connect wait until the server runs.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds `ADDRESS:PORT`; port 0 takes any free one.
    ///
    /// # Errors
    /// An invalid address, or one that is taken.
    pub fn bind(address: &str) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen { address: address.to_string(), source };
        let socket = TcpListener::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// The address, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Settings of a server.
#[derive(Clone)]
pub struct ServeOptions {
    /// Default decoding settings of requests.
    pub settings: Settings,
    /// Number of threads that decode.
    pub workers: usize,
    /// Maximum source tokens per batch, padding included.
    pub batch_tokens: usize,
    /// Limits for clients.
    pub limits: Limits,
    /// What happens to a text that is too long, if the request does not choose. Without a value, a single `text` is rejected
    /// and one of `texts` is skipped.
    pub too_long: Option<TooLong>,
    /// Origins whose pages may send requests, or `*` for all.
    pub allow_origins: Vec<String>,
    /// Description of the model in `/health`.
    pub info: ModelInfo,
    /// Keys of which a request must give one.
    pub api_keys: Option<Vec<String>>,
    /// Whether a proxy appends the address of its client to `X-Forwarded-For`.
    pub behind_proxy: bool,
    /// Receives the record of each request.
    pub request_log: Option<RequestLog>,
}

/// A model with running workers.
pub struct Server {
    state: Arc<AppState>,
    cross_origin: Option<CorsLayer>,
    workers: usize,
}

impl Server {
    /// Checks the options and starts the workers, which run until the process ends.
    ///
    /// # Errors
    /// An option out of range, or a system that cannot create threads.
    pub fn new(trained: TrainedModel, options: ServeOptions) -> Result<Self, ServeError> {
        options.limits.validate_defaults(&options.settings.decoding).map_err(DecodeError::from)?;
        let service = TranslationService::new(trained, options.settings.clone(), options.batch_tokens)?;
        let name = options.info.name.clone();
        let spec = ModelSpec { name, sources: Vec::new(), targets: Vec::new(), folder: PathBuf::new() };
        Self::start(Models::single(spec, service), options)
    }

    /// A server of several models, which are opened when a request needs them. `options.settings` has no effect: the
    /// settings of a model come from [`ModelOptions::open`]. A model whose settings exceed the limits is not opened.
    ///
    /// # Errors
    /// An option out of range, or a system that cannot create threads.
    pub fn with_models(mut models: ModelOptions, options: ServeOptions) -> Result<Self, ServeError> {
        models.check_pivot().map_err(DecodeError::from)?;
        let (open, limits) = (models.open, options.limits.clone());
        models.open = Arc::new(move |folder| {
            let (trained, settings) = open(folder)?;
            limits.validate_defaults(&settings.decoding)?;
            Ok((trained, settings))
        });
        Self::start(Models::new(models, options.batch_tokens), options)
    }

    fn start(models: Models, options: ServeOptions) -> Result<Self, ServeError> {
        let ServeOptions { workers, limits, too_long, allow_origins, info, .. } = options;
        let cross_origin = cross_origin::layer(&allow_origins).map_err(DecodeError::from)?;
        limits.validate().map_err(DecodeError::from)?;
        let mut state = AppState::new(models, limits, too_long, info);
        state.api_keys = options.api_keys.map(|keys| keys.into_iter().collect());
        state.cross_origin = cross_origin.is_some();
        state.behind_proxy = options.behind_proxy;
        state.request_log = options.request_log;
        let state = Arc::new(state);
        worker::start(&state, workers)?;
        Ok(Self { state, cross_origin, workers })
    }

    /// The routes, for a program with an HTTP server of its own. `Limits::connections`, and the times for reading a head,
    /// for writing and of an idle connection, hold only under [`run`](Self::run).
    pub fn router(&self) -> Router {
        routes::router(self.state.clone(), self.cross_origin.clone())
    }

    /// Serves until SIGINT or SIGTERM, finishes the accepted requests, and returns. A second signal exits the process with
    /// code 130.
    ///
    /// `log` receives a line at the start, at the signal and at the end.
    ///
    /// # Errors
    /// A system that cannot create threads or signal handlers.
    pub fn run(self, listener: Listener, log: impl Fn(&str) + Clone + Send + 'static) -> Result<(), ServeError> {
        let router = self.router();
        let Self { state, workers, .. } = self;
        let runtime =
            runtime::Builder::new_current_thread().enable_all().max_blocking_threads(workers.max(1) + 1).build()?;
        runtime.block_on(async {
            let socket = tokio::net::TcpListener::from_std(listener.socket)?;
            let (stop, stopped) = watch::channel(false);
            let (signal_state, signal_log) = (state.clone(), log.clone());
            let signals = connections::signals(
                move || {
                    let waiting = signal_state.queue.waiting();
                    signal_log(&format!(
                        "stopping: finishing accepted requests ({waiting} texts wait); a second signal exits at once"
                    ));
                    signal_state.stop();
                    stop.send_replace(true);
                },
                || process::exit(INTERRUPTED),
            )?;
            let signals = tokio::spawn(signals);
            log(&format!("listening on http://{}", listener.address));
            let models = state.models.clone();
            let idle = tokio::spawn(async move {
                loop {
                    sleep(IDLE_CHECK).await;
                    models.close_idle();
                }
            });
            connections::serve(socket, router, state, stopped).await;
            sleep(FLUSH_TIME).await;
            signals.abort();
            idle.abort();
            Ok::<_, ServeError>(())
        })?;
        // Does not wait for blocking threads, whose requests have ended.
        runtime.shutdown_background();
        log("stopped");
        Ok(())
    }
}
