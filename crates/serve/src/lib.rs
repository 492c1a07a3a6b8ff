//! A trained model as a server: texts come as JSON over HTTP, and a page lets a person type them.
//!
//! Connections live on one thread that never computes. What they ask for waits in one bounded `queue`, from which
//! workers, one per core, take what can be decoded together (`work`); so batches form where requests arrive faster than
//! they are answered, and nobody waits for company. `routes` says what is answered, `request` what may be asked, [`Limits`]
//! how much of it, `refusal` how a no is told, and `connections` how all of it ends.

mod app_state;
mod body;
mod connections;
mod error;
mod limits;
mod metrics;
mod page;
mod queue;
mod request;
mod routes;
mod translation_service;
mod worker;
mod write_timeout;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process;
use std::sync::Arc;
use std::time::Duration;

pub use app_state::About;
pub use limits::Limits;
use tokio::runtime;
use tokio::sync::watch;
use tokio::time::sleep;

use app_state::Server;
use decode::Settings;
use decode::error::DecodeError;
use decode::trained_model::TrainedModel;
use translation_service::Decoder;

/// The exit code of a program that was interrupted for good.
const INTERRUPTED: i32 = 130;
/// How long the last responses may take to leave, once nothing else is left to do.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}: {source}; give --listen another ADDRESS:PORT (port 0 takes one that is free)")]
    Listen { address: String, source: io::Error },
    #[error("cannot start the server: {0}")]
    Start(#[from] io::Error),
    #[error("cannot start its workers: {0}")]
    Workers(#[from] rayon::ThreadPoolBuildError),
    #[error(transparent)]
    Infer(#[from] DecodeError),
}

/// An address that is ours, before anybody is answered there.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Takes `ADDRESS:PORT`; port 0 is any that is free.
    ///
    /// # Errors
    /// What is no address, or is taken already.
    pub fn bind(address: &str) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen { address: address.to_string(), source };
        let socket = TcpListener::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// Where it listens, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// How to serve.
#[derive(Clone, Debug)]
pub struct Serving {
    /// How to decode where a request does not say otherwise.
    pub settings: Settings,
    /// Threads that decode.
    pub workers: usize,
    /// Most source tokens per batch, padding included.
    pub batch_tokens: usize,
    pub limits: Limits,
    pub about: About,
}

/// Serves until SIGINT or SIGTERM, finishes what was accepted, and returns. A second signal ends the program at once.
///
/// `say` tells of the start and the end.
///
/// # Errors
/// A setting out of range, or a system that refuses threads or signals.
pub fn run(
    trained: TrainedModel,
    listener: Listener,
    serving: Serving,
    say: impl Fn(&str) + Clone + Send + 'static,
) -> Result<(), ServeError> {
    let Serving { settings, workers, batch_tokens, limits, about } = serving;
    limits.validate().map_err(DecodeError::from)?;
    limits.admit(&settings.decoding).map_err(DecodeError::from)?;
    let server = Arc::new(Server::new(Decoder::new(trained, settings, batch_tokens)?, limits, about));
    worker::start(&server.decoder, &server.queue, &server.metrics, workers)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().max_blocking_threads(workers.max(1)).build()?;
    runtime.block_on(async {
        let socket = tokio::net::TcpListener::from_std(listener.socket)?;
        let (stop, stopped) = watch::channel(false);
        let (of_signals, saying) = (server.clone(), say.clone());
        let signals = connections::signals(
            move || {
                let waiting = of_signals.queue.waiting();
                saying(&format!("stopping: finishing what was accepted ({waiting} texts wait); again ends at once"));
                of_signals.stop();
                stop.send_replace(true);
            },
            || process::exit(INTERRUPTED),
        )?;
        let signals = tokio::spawn(signals);
        say(&format!("listening on http://{}", listener.address));
        connections::serve(socket, routes::router(server.clone()), server.clone(), stopped).await;
        sleep(LAST_WORDS).await;
        signals.abort();
        Ok::<_, ServeError>(())
    })?;
    // Threads that still compute compute for nobody.
    runtime.shutdown_background();
    say("stopped");
    Ok(())
}
