//! The routes of the server, called in this process on a small model. `infer`'s tests cover connections and signals.

mod bad_input;
mod clients;
mod documents;
mod errors;
mod languages;
mod openapi;
mod paragraphs;
mod pivot;
mod routes;
mod several;

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, Response, header};
use decode::TrainedModel;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use model::backend;
use serde_json::Value;
use serve::{Limits, ModelInfo, ServeOptions, Server};
use testing::Run;

/// Opens a run folder on the CPU.
fn open(run: &Run) -> TrainedModel {
    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    TrainedModel::open(run.path(), &device).expect("a run folder")
}

/// Options with one worker and the default limits.
fn options(trained: &TrainedModel) -> ServeOptions {
    ServeOptions {
        settings: trained.settings(),
        workers: 1,
        batch_tokens: 2048,
        limits: Limits::default(),
        too_long: None,
        allow_origins: Vec::new(),
        info: ModelInfo { name: "small".to_string(), backend: "flex".to_string() },
        api_keys: None,
        behind_proxy: false,
        request_log: None,
    }
}

/// The routes of a new server, and its run folder, which must outlive the model.
struct Client(TowerToHyperService<axum::Router>, #[expect(dead_code)] Run);

impl Client {
    /// A server on a new model; `change` changes its options.
    fn new(change: impl FnOnce(&mut ServeOptions)) -> Self {
        let run = Run::new();
        let trained = open(&run);
        let mut options = options(&trained);
        change(&mut options);
        Self(TowerToHyperService::new(Server::new(trained, options).expect("valid options").router()), run)
    }

    /// A server without workers: texts stay in its queue, and requests for work time out.
    fn without_workers(queue: usize) -> Self {
        Self::new(|options| {
            options.workers = 0;
            options.limits = Limits { timeout: Duration::from_millis(300), texts: queue, queue, ..Limits::default() };
        })
    }

    async fn get(&self, path: &str) -> Reply {
        self.call(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.call(request.body(Body::from(body.to_string())).expect("a request")).await
    }

    async fn call(&self, request: Request<Body>) -> Reply {
        let response: Response<Body> = self.0.call(request).await.unwrap_or_else(|never| match never {});
        let status = response.status().as_u16();
        let content_type = response.headers()[header::CONTENT_TYPE].to_str().expect("text").to_string();
        let headers = response.headers().clone();
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        Reply { status, content_type, headers, text: String::from_utf8(body.to_vec()).expect("text") }
    }

    /// The value of a series in `/metrics`; zero if the series is absent.
    async fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").await.text;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }
}

/// A response, read to its end.
struct Reply {
    status: u16,
    content_type: String,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    /// A header as text.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}
