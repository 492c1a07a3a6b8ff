//! Handlers of all paths.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use decode::Input;
use decode::error::DecodeError;
use runs::DecodingOverrides;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower_http::cors::CorsLayer;
use views::EncodedTarget;

use crate::app_state::AppState;
use crate::body;
use crate::error::{ApiError, ErrorCode};
use crate::job::{AttendJob, Job};
use crate::libre;
use crate::methods::{allowed, answer_options, path_label};
use crate::metrics::{Gauges, Metrics};
use crate::page;
use crate::pending::decode;
use crate::prepared::{Prepared, TranslatedText};
use crate::request::{AttendRequest, TranslateRequest};
use crate::translation_service::TranslationService;

/// The router of all paths. Every request is counted.
pub fn router(state: Arc<AppState>, cross_origin: Option<CorsLayer>) -> Router {
    let router = Router::new()
        .route("/translate", post(translate))
        .route("/attend", post(attend))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route(
            "/models",
            get(async |State(state): State<Arc<AppState>>| {
                respond("application/json", state.models.describe().to_string())
            }),
        )
        .route("/languages", get(libre::list_languages))
        .route("/detect", get(libre::detect).post(libre::detect))
        .route("/frontend/settings", get(libre::settings))
        .route("/", get(async || respond("text/html; charset=utf-8", page::html())))
        .fallback(async |uri: Uri| ApiError::NotFound { path: uri.path().to_string() })
        .method_not_allowed_fallback(wrong_method);
    let router = match cross_origin {
        Some(layer) => router.layer(layer),
        None => router,
    };
    router
        .layer(middleware::from_fn_with_state(state.clone(), answer_options))
        .layer(middleware::from_fn_with_state(state.clone(), count_request))
        .with_state(state)
}

async fn wrong_method(method: Method, uri: Uri) -> Response<Body> {
    let path = uri.path();
    let error = ApiError::WrongMethod { path: path.to_string(), method: method.to_string() };
    let mut response = error.into_response();
    response.headers_mut().extend(allowed(path).map(|methods| (header::ALLOW, methods)));
    response
}

type ApiResult = Result<Response<Body>, ApiError>;

async fn translate(State(state): State<Arc<AppState>>, request: Request) -> Response<Body> {
    if state.is_stopping() {
        return ApiError::Stopping.into_response();
    }
    let (parts, body) = request.into_parts();
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let query = parts.uri.query().unwrap_or_default();
    // LibreTranslate's forms need languages; a server without them has no such clients.
    let is_form = libre::is_form(content_type, query) && !state.models.languages().is_empty();
    let text = match is_form {
        true => body::read_text(&parts.headers, body, &state.limits).await,
        false => body::read_json_text(&parts.headers, body, &state.limits).await,
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => return error.into_response(),
    };
    if is_form {
        let mut parameters = libre::parse_form(query);
        match content_type.is_some_and(|found| found.contains("json")) {
            true => parameters.extend(serde_json::from_str::<libre::Parameters>(&text).unwrap_or_default()),
            false => parameters.extend(libre::parse_form(&text)),
        }
        return libre::translate(&state, parameters).await;
    }
    if let Some(parameters) =
        serde_json::from_str::<libre::Parameters>(&text).ok().filter(|body| body.contains_key("q"))
    {
        return libre::translate(&state, parameters).await;
    }
    native_translation(&state, &parts.headers, &text).await.unwrap_or_else(IntoResponse::into_response)
}

async fn native_translation(state: &Arc<AppState>, headers: &HeaderMap, text: &str) -> ApiResult {
    state.check_key(bearer(headers))?;
    let mut request: TranslateRequest = body::parse_json(text)?;
    let texts = request.take_texts(&state.limits)?;
    let (source, target) = (request.source.as_deref(), request.target.as_deref());
    let route = route(state, request.model.as_deref(), source, target)?;
    let translations = with_timeout(state, translate_texts(state, request, &route, texts)).await?;
    let body = TranslateResponse { translations };
    let body = serde_json::to_string(&body).map_err(|error| ApiError::Failed(error.to_string()))?;
    Ok(respond("application/json", body))
}

/// The key in the header `Authorization: Bearer KEY`, or `X-API-Key: KEY`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text("authorization").and_then(|value| value.strip_prefix("Bearer ")).or_else(|| text("x-api-key"))
}

/// The models of a request: by name, by languages, or the only one.
fn route(
    state: &AppState,
    model: Option<&str>,
    source: Option<&str>,
    target: Option<&str>,
) -> Result<Vec<usize>, ApiError> {
    let models = &state.models;
    match (model, source, target) {
        (Some(name), None, None) => models.named(name).map(|model| vec![model]).ok_or_else(|| ApiError::UnknownModel {
            found: name.to_string(),
            known: models.specs().map(|spec| &spec.name[..]).collect::<Vec<_>>().join(", "),
        }),
        (None, Some(source), Some(target)) => models
            .route(source, target)
            .ok_or_else(|| ApiError::UnknownPair { source_language: source.to_string(), target: target.to_string() }),
        (None, None, None) if models.specs().count() == 1 => Ok(vec![0]),
        _ => {
            let names: Vec<&str> = models.specs().map(|spec| &spec.name[..]).collect();
            let message =
                format!("expected either `model`, or `source` and `target`; the models are {}", names.join(", "));
            Err(ApiError::InvalidRequest(message))
        }
    }
}

/// Translates texts with one model after the other.
pub async fn translate_texts(
    state: &Arc<AppState>,
    request: TranslateRequest,
    route: &[usize],
    mut texts: Vec<String>,
) -> Result<Vec<TranslatedText>, ApiError> {
    let mut request = request;
    let pair = route.first().and_then(|&model| state.models.specs().nth(model)?.pair.clone());
    if let Some(pair) = pair {
        request.set_language(&pair.source);
    }
    let request = Arc::new(request);
    let sources = (route.len() > 1).then(|| texts.clone());
    let mut translations = Vec::new();
    for &model in route {
        let service = state.models.get(model).await?;
        let (prepare_state, request) = (state.clone(), request.clone());
        let prepared = run_blocking(move || Prepared::new(&prepare_state, &service, &request, &texts)).await??;
        let results = decode(state, &prepared.translator, prepared.inputs()).await?;
        translations = prepared.responses(results);
        texts = translations.iter().map(|translation| translation.text().to_string()).collect();
    }
    if let Some(sources) = sources {
        translations.iter_mut().zip(sources).for_each(|(translation, source)| translation.set_source(source));
    }
    Ok(translations)
}

/// The response of `/translate`.
#[derive(Serialize)]
struct TranslateResponse {
    translations: Vec<TranslatedText>,
}

async fn attend(State(state): State<Arc<AppState>>, request: Request) -> ApiResult {
    state.check_key(bearer(request.headers()))?;
    let request: AttendRequest = read(&state, request).await?;
    let model = route(&state, request.model.as_deref(), None, None)?.first().copied().unwrap_or(0);
    let attention = async {
        let (sender, reply) = oneshot::channel();
        let prepare_state = state.clone();
        let service = state.models.get(model).await?;
        let job = run_blocking(move || attend_job(&prepare_state, service, request, sender)).await??;
        let _ticket = state.enqueue(vec![job])?;
        match reply.await {
            Ok(result) => result.map_err(attend_error),
            Err(_) => Err(ApiError::Failed("the text has no attention".to_string())),
        }
    };
    Ok(respond("application/json", with_timeout(&state, attention).await?))
}

fn attend_error(error: DecodeError) -> ApiError {
    if let DecodeError::TooLongToShow { found, limit } = error {
        return ApiError::TooLongToShow { side: "translation", found, limit };
    }
    if matches!(error, DecodeError::NoTokens { .. } | DecodeError::TargetTooLong { .. }) {
        return ApiError::InvalidText(error);
    }
    ApiError::Failed(runs::format_chain(&error))
}

/// Encodes the text and the target of a request, and checks their lengths.
fn attend_job(
    state: &AppState,
    service: Arc<TranslationService>,
    request: AttendRequest,
    reply: oneshot::Sender<Result<String, DecodeError>>,
) -> Result<Job, ApiError> {
    let AttendRequest { text, target, source_lang, target_lang, model: _ } = request;
    let mut settings = service.defaults.clone();
    DecodingOverrides { source_lang, target_lang, ..DecodingOverrides::default() }.apply(&mut settings.decoding);
    let translator = service.translator(settings).map_err(ApiError::from_settings)?;
    let source = translator.encode(&Input { text: &text, line: 1 }).map_err(ApiError::InvalidText)?;
    let target = target.as_deref().map(|target| EncodedTarget::new(&translator, target)).transpose();
    let target = target.map_err(ApiError::InvalidText)?;
    let limit = state.limits.attend_tokens;
    let target_tokens = target.as_ref().map_or(0, |target| target.ids.len());
    for (side, found) in [("text", source.ids.len()), ("target", target_tokens)] {
        if found > limit {
            return Err(ApiError::TooLongToShow { side, found, limit });
        }
    }
    Ok(Job::Attend(Box::new(AttendJob { translator, source, target, max_tokens: limit, reply })))
}

async fn health(State(state): State<Arc<AppState>>) -> Response<Body> {
    let stopping = state.is_stopping();
    let mut health = json!({
        "status": if stopping { "stopping" } else { "ok" },
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": state.started.elapsed().as_secs_f64(),
    });
    if let Some(service) = state.models.only() {
        let trained = &service.trained;
        health["model"] = json!({
            "name": state.info.name,
            "backend": state.info.backend,
            "parameters": trained.engine.parameters(),
            "source_vocabulary": trained.sizes.source,
            "target_vocabulary": trained.sizes.target,
            "max_length": trained.config.max_length,
        });
        health["decoding"] = json!(service.defaults.decoding);
    }
    let mut response = respond("application/json", health.to_string());
    if stopping {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn metrics(State(state): State<Arc<AppState>>) -> Response<Body> {
    let gauges = Gauges {
        waiting: state.queue.waiting(),
        connections: state.connections.count(),
        uptime: state.started.elapsed(),
    };
    respond("text/plain; version=0.0.4; charset=utf-8", state.metrics.render(&gauges))
}

/// A successful response.
pub fn respond(content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Reads the body of a request for work, which is rejected during shutdown.
async fn read<T: DeserializeOwned>(state: &AppState, request: Request) -> Result<T, ApiError> {
    if state.is_stopping() {
        return Err(ApiError::Stopping);
    }
    let (parts, body) = request.into_parts();
    body::read_json(&parts.headers, body, &state.limits).await
}

/// The result of `work`, or an error after the time limit of a request.
pub async fn with_timeout<T>(state: &AppState, work: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    let limit = state.limits.timeout;
    tokio::time::timeout(limit, work).await.unwrap_or(Err(ApiError::DeadlineExceeded { limit }))
}

/// Computes on another thread. If the request ends before the computation has begun, it never begins.
async fn run_blocking<T: Send + 'static>(compute: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    struct AbortOnDrop<T>(JoinHandle<T>);
    impl<T> Drop for AbortOnDrop<T> {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let mut handle = AbortOnDrop(tokio::task::spawn_blocking(compute));
    (&mut handle.0).await.map_err(|_| ApiError::Failed("encoding the texts panicked".to_string()))
}

/// Middleware that counts each request, with its status or as a disconnect.
async fn count_request(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response<Body> {
    struct CountDisconnect<'a>(Option<&'a Metrics>);
    impl Drop for CountDisconnect<'_> {
        fn drop(&mut self) {
            // Dropped before its response: the client has closed the connection.
            if let Some(metrics) = self.0 {
                metrics.count_disconnect();
            }
        }
    }
    let start = Instant::now();
    let path = path_label(request.uri().path());
    let id = state.next_id();
    let mut guard = CountDisconnect(Some(&state.metrics));
    let mut response = next.run(request).await;
    guard.0 = None;
    if let Some(ErrorCode(code)) = response.extensions().get() {
        state.metrics.count_error(code);
    }
    if state.is_stopping() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let (status, took) = (response.status().as_u16(), start.elapsed());
    state.metrics.count_request(path, status, took);
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}
