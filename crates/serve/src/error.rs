//! Errors of the API: each has a status, a code for programs and a message for people.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use decode::DecodeError;
use runs::format_chain;
use schemars::JsonSchema;
use serde::Serialize;

use crate::client_limits::Exceeded;
use crate::methods;

/// Value of `Retry-After` in seconds: about the time in which a full queue has room again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// A rejected request. Its response is `{"error": {"code": …, "message": …}}`.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("unknown path {path}: expected one of {}", paths())]
    NotFound { path: String },
    #[error("{path} does not allow {method}; the Allow header lists what it allows")]
    WrongMethod { path: String, method: String },
    #[error("content-type is {found}: expected application/json")]
    WrongContentType { found: String },
    #[error("content-encoding is {found}: expected gzip or identity, or no such header; send the body in one of these")]
    WrongContentEncoding { found: String },
    #[error("the body is not gzip, which content-encoding declares: {0}; compress it, or omit the header")]
    NotGzip(std::io::Error),
    #[error("the body has more than {limit} bytes after decompression (--max-body); send fewer texts at a time")]
    InflatedTooLarge { limit: usize },
    #[error("the body has more than {limit} bytes (--max-body); send fewer texts at a time")]
    BodyTooLarge { limit: usize },
    #[error("the request did not arrive within {} (--read-timeout)", seconds(.limit))]
    RequestTimeout { limit: Duration },
    #[error("the connection ended before the end of the body: {0}")]
    IncompleteBody(String),
    #[error("the body is not valid UTF-8, from byte {at} on (counted from 0); send JSON in UTF-8")]
    NotUtf8 { at: usize },
    #[error("the body is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("the body is JSON, but not a valid request: {0}")]
    InvalidRequest(String),
    #[error("{0}")]
    InvalidParameter(String),
    #[error("{found} texts: expected at most {limit} (--max-texts); send several requests")]
    TooManyTexts { found: usize, limit: usize },
    #[error("{found} is not supported: expected one of {known}, or auto as the source")]
    UnknownLanguage { found: String, known: String },
    #[error("{source_language} to {target} is not supported: /languages lists the targets of each language")]
    UnknownPair { source_language: String, target: String },
    #[error("model: {found}: expected one of {known}")]
    UnknownModel { found: String, known: String },
    #[error(
        "the request has no valid key (--api-keys); give one as api_key or in the header Authorization: Bearer KEY"
    )]
    InvalidKey,
    #[error("{model} cannot be opened: {reason}")]
    NotOpened { model: String, reason: String },
    #[error(
        "{model} needs {bytes} bytes beside the {used} in use, but the models may take {limit} (--model-memory); try again later"
    )]
    NoMemory { model: String, bytes: u64, used: u64, limit: u64 },
    #[error("{found} sentences: expected at most {limit} (--max-sentences); send shorter texts at a time")]
    TooManySentences { found: usize, limit: usize },
    #[error("{0}")]
    InvalidOption(String),
    #[error("{0}")]
    InvalidText(DecodeError),
    #[error("the {side} has {found} tokens: expected at most {limit} for attention (--max-attend-tokens)")]
    TooLongToShow { side: &'static str, found: usize, limit: usize },
    #[error("{waiting} texts are waiting, and these would make more than {limit} (--max-queue); try again later")]
    QueueFull { waiting: usize, limit: usize },
    #[error(
        "more than {} {} of this client in a minute (--max-{}-per-minute); try again in {} seconds",
        .0.limit, .0.unit, .0.unit, .0.wait.as_secs_f64().ceil()
    )]
    ClientLimit(Exceeded),
    #[error("no response within {} (--timeout); send fewer or shorter texts at a time", seconds(.limit))]
    DeadlineExceeded { limit: Duration },
    #[error("the server is shutting down; use another one, or try again later")]
    Stopping,
    #[error("the model failed: {0}")]
    Failed(String),
}

fn paths() -> String {
    methods::paths().collect::<Vec<_>>().join(", ")
}

fn seconds(duration: &Duration) -> String {
    format!("{} seconds", duration.as_secs_f64())
}

/// The code of an error, attached to its response for the metrics.
#[derive(Clone, Copy, Debug)]
pub struct ErrorCode(pub &'static str);

impl ApiError {
    /// Invalid decoding settings. A setting is named by its field in a request.
    pub fn from_settings(error: DecodeError) -> Self {
        let request_field = |path: &str| path.strip_prefix("decoding.").unwrap_or(path).to_string();
        Self::InvalidOption(format_chain(&error.map_field(request_field)))
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::WrongContentType { .. } | Self::WrongContentEncoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge { .. } | Self::InflatedTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RequestTimeout { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::IncompleteBody(_) | Self::NotGzip(_) | Self::NotUtf8 { .. } | Self::NotJson(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::InvalidRequest(_)
            | Self::InvalidParameter(_)
            | Self::TooManyTexts { .. }
            | Self::TooManySentences { .. }
            | Self::UnknownLanguage { .. }
            | Self::UnknownPair { .. }
            | Self::UnknownModel { .. }
            | Self::InvalidOption(_)
            | Self::InvalidText(_)
            | Self::TooLongToShow { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::InvalidKey => StatusCode::UNAUTHORIZED,
            Self::ClientLimit(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::QueueFull { .. } | Self::Stopping | Self::NotOpened { .. } | Self::NoMemory { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::DeadlineExceeded { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code by which programs distinguish errors.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::WrongMethod { .. } => "wrong_method",
            Self::WrongContentType { .. } => "wrong_content_type",
            Self::WrongContentEncoding { .. } => "wrong_content_encoding",
            Self::NotGzip(_) => "not_gzip",
            Self::BodyTooLarge { .. } | Self::InflatedTooLarge { .. } => "body_too_large",
            Self::RequestTimeout { .. } => "request_timeout",
            Self::IncompleteBody(_) => "incomplete_body",
            Self::NotUtf8 { .. } => "not_utf8",
            Self::NotJson(_) => "not_json",
            Self::InvalidRequest(_) | Self::InvalidParameter(_) => "invalid_request",
            Self::TooManyTexts { .. } => "too_many_texts",
            Self::TooManySentences { .. } => "too_many_sentences",
            Self::UnknownLanguage { .. } => "unknown_language",
            Self::UnknownPair { .. } => "unknown_pair",
            Self::UnknownModel { .. } => "unknown_model",
            Self::InvalidKey => "invalid_key",
            Self::NotOpened { .. } => "model_not_opened",
            Self::NoMemory { .. } => "no_memory",
            Self::InvalidOption(_) => "invalid_option",
            Self::InvalidText(error) if is_too_long(error) => "too_long",
            Self::InvalidText(_) => "invalid_text",
            Self::TooLongToShow { .. } => "too_long_to_show",
            Self::ClientLimit(_) => "client_limit",
            Self::QueueFull { .. } => "queue_full",
            Self::DeadlineExceeded { .. } => "deadline_exceeded",
            Self::Stopping => "stopping",
            Self::Failed(_) => "failed",
        }
    }

    /// The body of the response. With a renamed code, it has the former one too, for one version.
    pub fn body(&self) -> String {
        let code = self.code();
        let error = ErrorObject { code, message: format_chain(self), former_code: former_code(code) };
        serde_json::to_string(&ErrorResponse { error }).unwrap_or_default()
    }
}

/// The body of a rejected request.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ErrorResponse {
    error: ErrorObject,
}

/// Why a request was rejected.
#[derive(Debug, Serialize, JsonSchema)]
struct ErrorObject {
    /// The code by which programs distinguish errors.
    code: &'static str,
    /// The former name of the code, if it was renamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    former_code: Option<&'static str>,
    /// The message for people.
    message: String,
}

fn is_too_long(error: &DecodeError) -> bool {
    matches!(error, DecodeError::TooLong { .. } | DecodeError::TargetTooLong { .. })
}

/// The name of a renamed code in version 0.1.
fn former_code(code: &str) -> Option<&'static str> {
    match code {
        "invalid_request" => Some("not_a_request"),
        "incomplete_body" => Some("broken_off"),
        "request_timeout" => Some("too_slow"),
        "deadline_exceeded" => Some("timed_out"),
        "invalid_option" => Some("bad_option"),
        "invalid_text" => Some("bad_text"),
        _ => None,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        let status = self.status();
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = status;
        response.extensions_mut().insert(ErrorCode(self.code()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Self::ClientLimit(exceeded) = &self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(exceeded.wait.as_secs_f64().ceil().max(1.0) as u64));
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        // RFC 9110, 15.5.2: the scheme of the key.
        if matches!(self, Self::InvalidKey) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // RFC 9110, 15.5.16: the codings that would have been accepted.
        if matches!(self, Self::WrongContentEncoding { .. }) {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
        }
        // The unread rest of a body must not be parsed as the next request.
        if matches!(self, Self::BodyTooLarge { .. } | Self::RequestTimeout { .. } | Self::Stopping) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn renamed_codes_keep_their_former_name() {
        let limit = Duration::from_secs(1);
        for (error, code, former) in [
            (ApiError::InvalidRequest(String::new()), "invalid_request", "not_a_request"),
            (ApiError::IncompleteBody(String::new()), "incomplete_body", "broken_off"),
            (ApiError::RequestTimeout { limit }, "request_timeout", "too_slow"),
            (ApiError::DeadlineExceeded { limit }, "deadline_exceeded", "timed_out"),
            (ApiError::InvalidOption(String::new()), "invalid_option", "bad_option"),
        ] {
            let body: Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!((&body["error"]["code"], &body["error"]["former_code"]), (&json!(code), &json!(former)));
        }
        let body: Value = serde_json::from_str(&ApiError::Stopping.body()).unwrap();
        assert_eq!(body["error"].get("former_code"), None);
    }
}
