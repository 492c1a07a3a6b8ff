//! Connections: accepted, served, and closed in order at shutdown.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::activity::{Activity, RequestGuard};
use crate::app_state::AppState;
use crate::client_limits::ClientAddress;
use crate::error::ApiError;
use crate::write_timeout::WriteTimeout;

/// Maximum size of a request's head.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Delay before the next attempt after a failed accept, for example because of too many open files.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);
/// At shutdown, requests that have arrived but were not read yet are still read for this long.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(100);
/// Time for the last write of a connection to a client that may not be reading.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves connections until `stop` becomes true, then until the open ones have their responses.
///
/// Connections accepted during shutdown get one response each, with `Connection: close`.
pub async fn serve(listener: TcpListener, router: Router, state: Arc<AppState>, stop: watch::Receiver<bool>) {
    // Each connection to be finished holds a sender; the receiver wakes when the last one is dropped.
    let (unfinished, mut all_finished) = mpsc::channel::<()>(1);
    let accept = async |unfinished: Option<&mpsc::Sender<()>>| {
        // The semaphore is never closed.
        while let Some(permit) = state.connections.acquire().await {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(_) => {
                    sleep(ACCEPT_RETRY_DELAY).await;
                    continue;
                }
            };
            let guard = state.connections.open(permit);
            // During shutdown every response closes its connection, so there is nothing to wait for.
            let stop = unfinished.is_some().then(|| stop.clone());
            let connection = serve_connection(stream, peer.ip(), router.clone(), state.clone(), stop);
            let unfinished = unfinished.cloned();
            tokio::spawn(async move {
                connection.await;
                drop((guard, unfinished));
            });
        }
    };
    tokio::select! {
        () = accept(Some(&unfinished)) => {}
        () = stopped(stop.clone()) => {}
    }
    drop(unfinished);
    // Enough for a request that has begun to arrive, and for its response.
    let shutdown_timeout = state.limits.timeout + state.limits.read_timeout;
    tokio::select! {
        () = accept(None) => {}
        _ = all_finished.recv() => {}
        () = sleep(shutdown_timeout) => {}
    }
}

/// Waits until `stop` is true.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // A dropped sender counts as a stop, too.
    drop(stop.wait_for(|stop| *stop).await);
}

type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, std::convert::Infallible>> + Send>>;

async fn serve_connection(
    stream: TcpStream,
    address: IpAddr,
    router: Router,
    state: Arc<AppState>,
    stop: Option<watch::Receiver<bool>>,
) {
    // Responses are small: send them without waiting for more bytes. A failure costs only latency.
    drop(stream.set_nodelay(true));
    let activity = Arc::new(Activity::new());
    let stream = WriteTimeout::new(stream, activity.clone(), state.limits.read_timeout);
    let router = TowerToHyperService::new(router);
    let service_activity = activity.clone();
    let service = service_fn(move |mut request: Request<Incoming>| -> ResponseFuture {
        request.extensions_mut().insert(ClientAddress(address));
        service_activity.request_started();
        let guard = RequestGuard(service_activity.clone());
        let response = router.call(request);
        Box::pin(async move {
            let response = response.await;
            drop(guard);
            response
        })
    });
    let mut connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);

    let mut shutting_down = stop.is_none();
    let mut stop = Box::pin(async {
        if let Some(stop) = stop {
            stopped(stop).await;
            sleep(SHUTDOWN_GRACE).await;
        }
    });
    let mut timer = Box::pin(sleep(state.limits.idle_timeout));
    let timed_out = poll_fn(|context| {
        if !shutting_down && stop.as_mut().poll(context).is_ready() {
            shutting_down = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        // A failure of the connection ends it like its end.
        if connection.poll_without_shutdown(context).is_ready() {
            return Poll::Ready(false);
        }
        match activity.deadline(state.limits.idle_timeout, state.limits.read_timeout) {
            None => Poll::Pending,
            Some(deadline) => {
                if timer.deadline() != deadline {
                    timer.as_mut().reset(deadline);
                }
                timer.as_mut().poll(context).map(|()| true)
            }
        }
    })
    .await;

    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    // An incomplete head gets an error response. A connection that is merely idle is closed without one.
    if timed_out && !parts.read_buf.is_empty() {
        let error = ApiError::RequestTimeout { limit: state.limits.read_timeout };
        state.metrics.count_error(error.code());
        state.metrics.count_request("other", error.status().as_u16(), state.limits.read_timeout);
        drop(timeout(CLOSE_TIMEOUT, stream.write_all(raw_response(&error).as_bytes())).await);
    }
    drop(timeout(CLOSE_TIMEOUT, stream.shutdown()).await);
}

/// An error response as bytes, for a connection that hyper has given up.
fn raw_response(error: &ApiError) -> String {
    let (status, body) = (error.status(), error.body());
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// Calls `on_first` at the first SIGINT or SIGTERM (Ctrl-C on systems other than Unix), and `on_second` at the second.
///
/// # Errors
/// The system does not allow signal handlers.
pub fn signals(on_first: impl FnOnce(), on_second: impl FnOnce()) -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut next = {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        async move || {
            poll_fn(|context| match (interrupt.poll_recv(context), terminate.poll_recv(context)) {
                (Poll::Pending, Poll::Pending) => Poll::Pending,
                (Poll::Ready(_), _) | (_, Poll::Ready(_)) => Poll::Ready(()),
            })
            .await
        }
    };
    #[cfg(not(unix))]
    let mut next = async || match tokio::signal::ctrl_c().await {
        Ok(()) => (),
        Err(_) => std::future::pending().await,
    };
    Ok(async move {
        next().await;
        on_first();
        next().await;
        on_second();
    })
}
