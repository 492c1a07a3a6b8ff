//! Why a request gets no answer, and how it is told: a status, a code for programs, and a message for people.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::json;

use decode::DecodeError;
use runs::format_chain;

/// A client that met a full queue may try again after as many seconds: about as long as a queue takes to move on.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// A refused request. Its answer is `{"error": {"code": …, "message": …}}`.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is nothing at {path}: expected /translate, /attend, /health, /metrics or /")]
    NotFound { path: String },
    #[error("{path} does not take {method}; the Allow header names what it takes")]
    WrongMethod { path: String, method: String },
    #[error("content-type is {found}: expected application/json")]
    WrongContentType { found: String },
    #[error("the body has more than {limit} bytes (--max-body); send fewer texts at a time")]
    BodyTooLarge { limit: usize },
    #[error("the request did not arrive whole within {} (--read-timeout)", seconds(.limit))]
    TooSlow { limit: Duration },
    #[error("the connection broke off before the body's end: {0}")]
    BrokenOff(String),
    #[error("the body is not valid UTF-8, from byte {at} on (counted from 0); send JSON in UTF-8")]
    NotUtf8 { at: usize },
    #[error("the body is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("the body is JSON, but no request: {0}")]
    NotARequest(String),
    #[error("{found} texts: expected at most {limit} (--max-texts); send several requests")]
    TooManyTexts { found: usize, limit: usize },
    #[error("{0}")]
    BadOption(String),
    #[error("{0}")]
    BadText(DecodeError),
    #[error("the {side} has {found} tokens: expected at most {limit} where attention is shown (--max-attend-tokens)")]
    TooLongToShow { side: &'static str, found: usize, limit: usize },
    #[error("{waiting} texts are waiting, and with these it would be more than {limit} (--max-queue); try again later")]
    QueueFull { waiting: usize, limit: usize },
    #[error("no answer within {} (--timeout); send fewer or shorter texts at a time", seconds(.limit))]
    TimedOut { limit: Duration },
    #[error("the server is stopping; try another, or again later")]
    Stopping,
    #[error("the model failed: {0}")]
    Failed(String),
}

fn seconds(duration: &Duration) -> String {
    format!("{} seconds", duration.as_secs_f64())
}

/// Carried by the response of a refused request, for whoever counts.
#[derive(Clone, Copy, Debug)]
pub struct Reason(pub &'static str);

impl Refusal {
    /// Settings that make no sense. A setting is named by its field in a request.
    pub fn of_settings(error: DecodeError) -> Self {
        let field = |path: &str| path.strip_prefix("decoding.").unwrap_or(path).to_string();
        Self::BadOption(format_chain(&error.map_field(field)))
    }

    /// The status, and what a program tells refusals apart by.
    pub fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Refusal::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
            Refusal::WrongMethod { .. } => (StatusCode::METHOD_NOT_ALLOWED, "wrong_method"),
            Refusal::WrongContentType { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_content_type"),
            Refusal::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Refusal::TooSlow { .. } => (StatusCode::REQUEST_TIMEOUT, "too_slow"),
            Refusal::BrokenOff(_) => (StatusCode::BAD_REQUEST, "broken_off"),
            Refusal::NotUtf8 { .. } => (StatusCode::BAD_REQUEST, "not_utf8"),
            Refusal::NotJson(_) => (StatusCode::BAD_REQUEST, "not_json"),
            Refusal::NotARequest(_) => (StatusCode::UNPROCESSABLE_ENTITY, "not_a_request"),
            Refusal::TooManyTexts { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "too_many_texts"),
            Refusal::BadOption(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad_option"),
            Refusal::BadText(DecodeError::TooLong { .. } | DecodeError::TargetTooLong { .. }) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "too_long")
            }
            Refusal::BadText(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad_text"),
            Refusal::TooLongToShow { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "too_long_to_show"),
            Refusal::QueueFull { .. } => (StatusCode::SERVICE_UNAVAILABLE, "queue_full"),
            Refusal::TimedOut { .. } => (StatusCode::GATEWAY_TIMEOUT, "timed_out"),
            Refusal::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            Refusal::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        }
    }

    /// The answer's body.
    pub fn body(&self) -> String {
        json!({ "error": { "code": self.kind().1, "message": format_chain(self) } }).to_string()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let (status, code) = self.kind();
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = status;
        response.extensions_mut().insert(Reason(code));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        // What is left of a body that was not read to its end is not the next request.
        if matches!(self, Refusal::BodyTooLarge { .. } | Refusal::TooSlow { .. } | Refusal::Stopping) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
