//! `/health`, `/metrics` and `/models`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use runs::DecodingConfig;
use schemars::JsonSchema;
use serde::Serialize;

use super::{json, respond};
use crate::app_state::AppState;
use crate::metrics::Gauges;

/// The response of `/health`.
#[derive(Serialize, JsonSchema)]
pub struct Health {
    /// The default settings of requests, of a server of one model.
    #[serde(skip_serializing_if = "Option::is_none")]
    decoding: Option<DecodingConfig>,
    /// The model, of a server of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelHealth>,
    status: Status,
    /// Seconds since the server started.
    uptime_seconds: f64,
    /// The version of the server.
    version: &'static str,
}

/// Whether the server accepts work.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// It does.
    Ok,
    /// It is shutting down.
    Stopping,
}

/// The model of a server of one.
#[derive(Serialize, JsonSchema)]
struct ModelHealth {
    /// The backend that computes.
    backend: String,
    /// Maximum tokens of a source or a target.
    max_length: usize,
    /// The name of the run folder.
    name: String,
    /// Number of weights.
    parameters: usize,
    /// Size of the source vocabulary, special tokens included.
    source_vocabulary: usize,
    /// Size of the target vocabulary, special tokens included.
    target_vocabulary: usize,
}

/// `GET /health`: the model, its defaults and whether the server is stopping.
pub async fn health(State(state): State<Arc<AppState>>) -> Response<Body> {
    let stopping = state.is_stopping();
    let service = state.models.only();
    let model = service.as_ref().map(|service| ModelHealth {
        backend: state.info.backend.clone(),
        max_length: service.trained.config.max_length,
        name: state.info.name.clone(),
        parameters: service.trained.engine.parameters(),
        source_vocabulary: service.trained.sizes.source,
        target_vocabulary: service.trained.sizes.target,
    });
    let mut response = json(&Health {
        decoding: service.map(|service| service.defaults.decoding.clone()),
        model,
        status: if stopping { Status::Stopping } else { Status::Ok },
        uptime_seconds: state.started.elapsed().as_secs_f64(),
        version: env!("CARGO_PKG_VERSION"),
    });
    if stopping {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// `GET /metrics`: counters and gauges in the format of Prometheus.
pub async fn metrics(State(state): State<Arc<AppState>>) -> Response<Body> {
    let gauges = Gauges {
        waiting: state.queue.waiting(),
        connections: state.connections.count(),
        uptime: state.started.elapsed(),
        models: state.models.list().iter().map(|model| (model.name.clone(), model.bytes)).collect(),
    };
    respond("text/plain; version=0.0.4; charset=utf-8", state.metrics.render(&gauges))
}

/// `GET /models`: the names of models, their languages and their memory.
pub async fn models(State(state): State<Arc<AppState>>) -> Response<Body> {
    json(&state.models.list())
}
