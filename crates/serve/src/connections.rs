//! Connections from their first byte to their last, and the way to an orderly end.

use std::future::poll_fn;
use std::io;
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
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::app_state::Server;
use crate::error::Refusal;
use crate::write_timeout::Impatient;

/// Most bytes of a request's head.
const HEAD_BYTES: usize = 16 << 10;
/// After a failure to accept, such as too many open files, the next try waits for some connections to end.
const PAUSE: Duration = Duration::from_millis(50);
/// When the server stops, what a client has sent but nobody has read yet is still answered.
const ON_ITS_WAY: Duration = Duration::from_millis(100);
/// A client that does not read must not keep a connection open.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves until `stop` says so, and then until all connections that were open have their answers.
///
/// While it finishes, new connections are told that the server is stopping.
pub async fn serve(listener: TcpListener, router: Router, server: Arc<Server>, stop: watch::Receiver<bool>) {
    // Held by each connection that is to be finished; when the last lets go, the receiver hears it.
    let (present, mut gone) = mpsc::channel::<()>(1);
    let accept = async |present: Option<&mpsc::Sender<()>>| {
        // The semaphore is never closed.
        while let Some(permit) = server.connections.permit().await {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(_) => {
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let open = server.connections.opened(permit);
            // Who comes later knows already: its first answer is its last.
            let stop = present.is_some().then(|| stop.clone());
            let connection = connection(stream, router.clone(), server.clone(), stop);
            let present = present.cloned();
            tokio::spawn(async move {
                connection.await;
                drop((open, present));
            });
        }
    };
    let stopped = stop.clone();
    tokio::select! {
        () = accept(Some(&present)) => {}
        () = heard(stopped) => {}
    }
    drop(present);
    // The time that an answer may take, and the time to read the requests that have begun.
    let patience = server.limits.timeout + server.limits.read_timeout;
    tokio::select! {
        () = accept(None) => {}
        _ = gone.recv() => {}
        () = sleep(patience) => {}
    }
}

/// Waits until it is time to stop.
async fn heard(mut stop: watch::Receiver<bool>) {
    // Without a sender there is nobody to say it any more, which comes to the same.
    drop(stop.wait_for(|stop| *stop).await);
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, std::convert::Infallible>> + Send>>;

async fn connection(stream: TcpStream, router: Router, server: Arc<Server>, stop: Option<watch::Receiver<bool>>) {
    // Answers are small, and nobody should wait for more to come.
    drop(stream.set_nodelay(true));
    let stream = Impatient::new(stream, server.limits.read_timeout);
    let router = TowerToHyperService::new(router);
    let answer = service_fn(move |request: Request<Incoming>| -> Answering { Box::pin(router.call(request)) });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(server.limits.read_timeout)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answer);

    let mut told = stop.is_none();
    let mut stopping = Box::pin(async {
        if let Some(stop) = stop {
            heard(stop).await;
            sleep(ON_ITS_WAY).await;
        }
    });
    let ended = poll_fn(|context| {
        if !told && stopping.as_mut().poll(context).is_ready() {
            told = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        connection.poll_without_shutdown(context)
    })
    .await;

    let slow = ended.as_ref().is_err_and(hyper::Error::is_timeout);
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    // A head that stops half-way is told so. A connection that is merely idle is closed.
    if slow && !parts.read_buf.is_empty() {
        let refusal = Refusal::TooSlow { limit: server.limits.read_timeout };
        let (status, reason) = refusal.kind();
        server.metrics.rejected(reason);
        server.metrics.request("other", status.as_u16(), server.limits.read_timeout);
        drop(timeout(FAREWELL, stream.write_all(by_hand(&refusal).as_bytes())).await);
    }
    drop(timeout(FAREWELL, stream.shutdown()).await);
}

/// A response without the help of anyone, where the machinery for requests has given up.
fn by_hand(refusal: &Refusal) -> String {
    let (status, body) = (refusal.kind().0, refusal.body());
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// Runs `on_first` at the first SIGINT or SIGTERM (elsewhere than on Unix, Ctrl-C), and `on_second` at the second.
///
/// # Errors
/// A system that does not let the signals be heard.
pub fn signals(on_first: impl FnOnce(), on_second: impl FnOnce()) -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut next = {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        async move || {
            poll_fn(|context| match (interrupt.poll_recv(context), terminate.poll_recv(context)) {
                (Poll::Pending, Poll::Pending) => Poll::Pending,
                _ => Poll::Ready(()),
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
