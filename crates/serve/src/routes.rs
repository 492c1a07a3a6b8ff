//! What the server answers, path by path.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::routing::{get, post};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::app_state::Server;
use crate::body;
use crate::error::{Reason, Refusal};
use crate::metrics::{Gauges, Metrics};
use crate::page;
use crate::request::{AttendRequest, TranslateRequest};
use crate::worker::{Look, Text, Work};
use decode::error::DecodeError;
use decode::translation::Translation;
use decode::translator::Item;

/// All paths. `page` is for people, the others for programs.
pub fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/translate", post(translate))
        .route("/attend", post(attend))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/", get(async || text("text/html; charset=utf-8", page::html())))
        .fallback(async |uri: Uri| Refusal::NotFound { path: uri.path().to_string() })
        .method_not_allowed_fallback(async |method: Method, uri: Uri| Refusal::WrongMethod {
            path: uri.path().to_string(),
            method: method.to_string(),
        })
        .layer(middleware::from_fn_with_state(server.clone(), counted))
        .with_state(server)
}

type Answer = Result<Response<Body>, Refusal>;

async fn translate(State(server): State<Arc<Server>>, request: Request) -> Answer {
    let mut asked: TranslateRequest = read(&server, request).await?;
    let texts = asked.take_texts(&server.limits)?;
    let count = texts.len();
    let answers = async {
        let (sender, mut answers) = mpsc::unbounded_channel();
        let ready = server.clone();
        let work = aside(move || prepare(&ready, &asked, texts, &sender)).await??;
        let _place = server.enqueue(work)?;
        let mut translations: Vec<Option<Translation>> = vec![None; count];
        while let Some((place, answer)) = answers.recv().await {
            translations[place - 1] = Some(answer.map_err(Refusal::Failed)?);
        }
        let all: Option<Vec<Translation>> = translations.into_iter().collect();
        all.ok_or_else(|| Refusal::Failed("it left a text without an answer".to_string()))
    };
    let translated = Translated { translations: in_time(&server, answers).await? };
    let body = serde_json::to_string(&translated).map_err(|error| Refusal::Failed(error.to_string()))?;
    Ok(text("application/json", body))
}

/// Written as it is, each translation is letter for letter a line of `--format jsonl`.
#[derive(Serialize)]
struct Translated {
    translations: Vec<Translation>,
}

/// What a request comes to for the workers. Takes a while for long texts, so it runs aside of the connections.
fn prepare(
    server: &Server,
    asked: &TranslateRequest,
    texts: Vec<String>,
    answer: &mpsc::UnboundedSender<(usize, Result<Translation, String>)>,
) -> Result<Vec<Work>, Refusal> {
    let decoder = &server.decoder;
    let settings = Arc::new(asked.settings(&decoder.settings, &server.limits)?);
    let translator = decoder.translator(&settings).map_err(Refusal::of_settings)?;
    let ready = |(index, text): (usize, String)| {
        let place = index + 1;
        let tokens = translator.encode(&Item { text: &text, place }).map_err(Refusal::BadText)?.len();
        Ok(Work::Translate(Text { text, place, tokens, settings: settings.clone(), answer: answer.clone() }))
    };
    texts.into_iter().enumerate().map(ready).collect()
}

async fn attend(State(server): State<Arc<Server>>, request: Request) -> Answer {
    let AttendRequest { text: source, target } = read(&server, request).await?;
    let answer = async {
        let (sender, answer) = oneshot::channel();
        let ready = server.clone();
        let work = aside(move || look(&ready, source, target, sender)).await??;
        let _place = server.enqueue(vec![work])?;
        match answer.await {
            Ok(Ok(attention)) => Ok(attention),
            Ok(Err(error @ (DecodeError::NoTokens { .. } | DecodeError::TargetTooLong { .. }))) => {
                Err(Refusal::BadText(error))
            }
            Ok(Err(DecodeError::TooLongToShow { found, limit })) => {
                Err(Refusal::TooLongToShow { side: "translation", found, limit })
            }
            Ok(Err(error)) => Err(Refusal::Failed(decode::error::format_chain(&error))),
            Err(_) => Err(Refusal::Failed("it left a text without an answer".to_string())),
        }
    };
    Ok(text("application/json", in_time(&server, answer).await?))
}

fn look(
    server: &Server,
    text: String,
    target: Option<String>,
    answer: oneshot::Sender<Result<String, DecodeError>>,
) -> Result<Work, Refusal> {
    let decoder = &server.decoder;
    let source = decoder.translator(&decoder.settings).and_then(|known| known.encode(&Item { text: &text, place: 1 }));
    let tokens = source.map_err(Refusal::BadText)?.len();
    let said = target.as_deref().map(|target| decoder.target_tokens(target)).transpose().map_err(Refusal::BadText)?;
    let limit = server.limits.attend_tokens;
    for (side, found) in [("text", tokens), ("target", said.unwrap_or(0))] {
        if found > limit {
            return Err(Refusal::TooLongToShow { side, found, limit });
        }
    }
    Ok(Work::Attend(Look { text, target, tokens, most: limit, answer }))
}

async fn health(State(server): State<Arc<Server>>) -> Response<Body> {
    let stopping = server.is_stopping();
    let trained = &server.decoder.trained;
    let about = json!({
        "status": if stopping { "stopping" } else { "ok" },
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": server.started.elapsed().as_secs_f64(),
        "model": {
            "name": server.about.name,
            "backend": server.about.backend,
            "parameters": trained.engine.parameters(),
            "source_vocabulary": trained.sizes.source,
            "target_vocabulary": trained.sizes.target,
            "max_length": trained.config.max_length,
        },
        "decoding": server.decoder.settings.decoding,
    });
    let mut response = text("application/json", about.to_string());
    if stopping {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn metrics(State(server): State<Arc<Server>>) -> Response<Body> {
    let gauges = Gauges {
        waiting: server.queue.waiting(),
        connections: server.connections.open(),
        uptime: server.started.elapsed(),
    };
    text("text/plain; version=0.0.4; charset=utf-8", server.metrics.text_format(&gauges))
}

fn text(content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The body of a request that is taken; none is while the server stops.
async fn read<T: DeserializeOwned>(server: &Server, request: Request) -> Result<T, Refusal> {
    if server.is_stopping() {
        return Err(Refusal::Stopping);
    }
    let (parts, body) = request.into_parts();
    body::json(&parts.headers, body, &server.limits).await
}

async fn in_time<T>(server: &Server, answer: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let limit = server.limits.timeout;
    tokio::time::timeout(limit, answer).await.unwrap_or(Err(Refusal::TimedOut { limit }))
}

/// Computes on another thread; what has not begun when nobody waits any more is not begun.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    struct Aborted<T>(JoinHandle<T>);
    impl<T> Drop for Aborted<T> {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let mut handle = Aborted(tokio::task::spawn_blocking(work));
    (&mut handle.0).await.map_err(|_| Refusal::Failed("it stopped while reading the texts".to_string()))
}

/// Counts a request, whatever becomes of it.
async fn counted(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response<Body> {
    struct Present<'a>(Option<&'a Metrics>);
    impl Drop for Present<'_> {
        fn drop(&mut self) {
            // Dropped in the middle: the client has closed the connection.
            if let Some(metrics) = self.0 {
                metrics.disconnected();
            }
        }
    }
    let began = Instant::now();
    let path = known(request.uri().path());
    let mut present = Present(Some(&server.metrics));
    let mut response = next.run(request).await;
    present.0 = None;
    if let Some(Reason(reason)) = response.extensions().get() {
        server.metrics.rejected(reason);
    }
    if server.is_stopping() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    server.metrics.request(path, response.status().as_u16(), began.elapsed());
    response
}

/// A path as it is counted; what clients make up is one.
fn known(path: &str) -> &'static str {
    ["/", "/translate", "/attend", "/health", "/metrics"].into_iter().find(|known| *known == path).unwrap_or("other")
}
