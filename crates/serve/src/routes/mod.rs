//! Handlers of all paths.

mod attend;
pub mod status;
pub mod translate;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Response, Uri, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde::Serialize;
use tokio::task::JoinHandle;
use tower_http::cors::CorsLayer;

use crate::app_state::AppState;
use crate::error::ApiError;
use crate::libre;
use crate::methods::{allowed, answer_options};
use crate::observe::observe;
use crate::openapi;
use crate::page;

/// The router of all paths. Every request is observed.
pub fn router(state: Arc<AppState>, cross_origin: Option<CorsLayer>) -> Router {
    let router = Router::new()
        .route("/translate", post(translate::handle))
        .route("/attend", post(attend::handle))
        .route("/health", get(status::health))
        .route("/metrics", get(status::metrics))
        .route("/models", get(status::models))
        .route("/openapi.json", get(async |State(state): State<Arc<AppState>>| json(&openapi::document(&state))))
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
        .layer(middleware::from_fn_with_state(state.clone(), observe))
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

/// The key in the header `Authorization: Bearer KEY`, or `X-API-Key: KEY`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let credentials = text("authorization").and_then(|value| value.split_once(' '));
    // RFC 9110, 11.1: the case of the scheme does not matter.
    let key = credentials.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
    key.or_else(|| text("x-api-key"))
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

/// A successful response of JSON.
pub fn json(body: &impl Serialize) -> Response<Body> {
    match serde_json::to_string(body) {
        Ok(body) => respond("application/json", body),
        Err(error) => ApiError::Failed(error.to_string()).into_response(),
    }
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
