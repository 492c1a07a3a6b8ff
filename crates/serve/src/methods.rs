//! `OPTIONS` of every path, and the methods that each allows.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::Next;
use axum::response::IntoResponse;

use crate::app_state::AppState;
use crate::error::ApiError;

const GET: &str = "GET, HEAD, OPTIONS";
const BOTH: &str = "GET, HEAD, POST, OPTIONS";
const POST: &str = "POST, OPTIONS";

/// All paths with their methods.
const PATHS: [(&str, &str); 10] = [
    ("/", GET),
    ("/translate", POST),
    ("/attend", POST),
    ("/health", GET),
    ("/metrics", GET),
    ("/models", GET),
    ("/openapi.json", GET),
    ("/languages", GET),
    ("/detect", BOTH),
    ("/frontend/settings", GET),
];

/// The value of `Allow` for a path; `None` for an unknown path. `*` is the whole server.
pub fn allowed(path: &str) -> Option<HeaderValue> {
    if path == "*" {
        return Some(HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
    }
    PATHS.into_iter().find(|(known, _)| *known == path).map(|(_, methods)| HeaderValue::from_static(methods))
}

/// All paths.
pub fn paths() -> impl Iterator<Item = &'static str> {
    PATHS.into_iter().map(|(path, _)| path)
}

/// The path as a label of a metric. All unknown paths share one, so that clients cannot create series.
pub fn path_label(path: &str) -> &'static str {
    PATHS.into_iter().find(|(known, _)| *known == path).map_or("other", |(known, _)| known)
}

/// Middleware that answers `OPTIONS` (RFC 9110, 9.3.7). A browser's preflight goes on to the layer of `--allow-origin`, if
/// there is one.
pub async fn answer_options(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response<Body> {
    let is_preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() != Method::OPTIONS || (is_preflight && state.cross_origin) {
        return next.run(request).await;
    }
    let path = request.uri().path();
    let Some(allow) = allowed(path) else {
        return ApiError::NotFound { path: path.to_string() }.into_response();
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::ALLOW, allow);
    response
}
