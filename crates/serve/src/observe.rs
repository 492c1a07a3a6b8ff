//! What is known of each request: its identifier, its line in the log and its place in the metrics.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use axum::middleware::Next;
use serde::Serialize;

use crate::app_state::AppState;
use crate::client_limits::ClientAddress;
use crate::error::ErrorCode;
use crate::methods::path_label;

/// The header with the identifier of a request, and of its response.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header to which a proxy appends the address of its client.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Maximum characters of an identifier that a client gives.
const MAX_ID: usize = 128;

/// A request and its response in the log. It has no texts.
#[derive(Clone, Debug, Serialize)]
pub struct RequestRecord {
    /// The identifier: that of the header `X-Request-Id`, or a new one.
    pub id: String,
    /// The client's address, if the server accepted the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// The method.
    pub method: String,
    /// The path; `other` for those that the server does not have.
    pub path: &'static str,
    /// The status of the response; none if the client disconnected before it.
    pub status: Option<u16>,
    /// Seconds from the head of the request to the head of the response.
    pub seconds: f64,
    /// The code of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// What was translated.
    #[serde(flatten)]
    pub work: Option<Work>,
}

/// What a request has translated.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Work {
    /// Names of the models, in the order of their use.
    pub models: Vec<String>,
    /// Number of texts.
    pub texts: usize,
    /// Number of sentences of all texts; with a pivot, those of each step.
    pub sentences: usize,
    /// Number of characters of all texts.
    pub characters: usize,
}

/// Receives the record of each request when its response is ready.
pub type RequestLog = Arc<dyn Fn(&RequestRecord) + Send + Sync>;

/// Counts a request as a disconnect, unless it is finished before it is dropped.
struct Observed<'a> {
    state: &'a AppState,
    start: Instant,
    record: Option<RequestRecord>,
}

impl Observed<'_> {
    fn log(&self, record: &RequestRecord) {
        if let Some(log) = &self.state.request_log {
            log(record);
        }
    }
}

impl Drop for Observed<'_> {
    fn drop(&mut self) {
        // Dropped before its response: the client has closed the connection.
        if let Some(mut record) = self.record.take() {
            self.state.metrics.count_disconnect();
            record.seconds = self.start.elapsed().as_secs_f64();
            self.log(&record);
        }
    }
}

/// Middleware that identifies, counts and logs each request.
pub async fn observe(State(state): State<Arc<AppState>>, mut request: Request, next: Next) -> Response<Body> {
    let start = Instant::now();
    let path = path_label(request.uri().path());
    if state.behind_proxy
        && let Some(address) = forwarded_address(request.headers())
    {
        request.extensions_mut().insert(ClientAddress(address));
    }
    let id = request.headers().get(REQUEST_ID).and_then(valid_id).unwrap_or_else(|| state.new_id());
    let record = RequestRecord {
        id,
        client: request.extensions().get().map(|ClientAddress(address)| *address),
        method: request.method().to_string(),
        path,
        status: None,
        seconds: 0.0,
        error: None,
        work: None,
    };
    let mut observed = Observed { state: &state, start, record: Some(record) };
    let mut response = next.run(request).await;
    let took: Duration = start.elapsed();
    let Some(mut record) = observed.record.take() else { return response };
    let status = response.status().as_u16();
    if let Some(ErrorCode(code)) = response.extensions().get() {
        state.metrics.count_error(code);
        record.error = Some(code);
    }
    (record.status, record.seconds) = (Some(status), took.as_secs_f64());
    record.work = response.extensions_mut().remove();
    if state.is_stopping() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    state.metrics.count_request(path, status, took);
    if let Ok(id) = HeaderValue::from_str(&record.id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    observed.log(&record);
    response
}

/// An identifier that fits into a line of a log: up to 128 visible characters of ASCII, without quotation marks.
fn valid_id(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    let is_valid = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    ((1..=MAX_ID).contains(&text.len()) && text.chars().all(is_valid)).then(|| text.to_string())
}

/// The last address of `X-Forwarded-For`, which the proxy before this server has appended.
fn forwarded_address(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(FORWARDED_FOR).iter().next_back()?.to_str().ok()?.rsplit(',').next()?.trim();
    let with_port = || last.parse::<SocketAddr>().ok().map(|address| address.ip());
    last.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_fit_into_a_line() {
        let id = |text: &'static str| valid_id(&HeaderValue::from_static(text));
        assert_eq!(id("7f3a-42"), Some("7f3a-42".to_string()));
        for invalid in ["", "two words", "a\"b", "a\\b"] {
            assert_eq!(id(invalid), None, "{invalid}");
        }
        assert_eq!(valid_id(&HeaderValue::from_str(&"x".repeat(MAX_ID + 1)).expect("a header")), None);
    }

    #[test]
    fn the_nearest_proxy_names_the_client() {
        let mut headers = HeaderMap::new();
        assert_eq!(forwarded_address(&headers), None);
        headers.append(FORWARDED_FOR, HeaderValue::from_static("192.0.2.1"));
        headers.append(FORWARDED_FOR, HeaderValue::from_static("192.0.2.2, 2001:db8::1"));
        assert_eq!(forwarded_address(&headers), "2001:db8::1".parse().ok());
        for (value, address) in [("192.0.2.3:4711", "192.0.2.3"), ("[2001:db8::2]:443", "2001:db8::2")] {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
            assert_eq!(forwarded_address(&headers), address.parse().ok(), "{value}");
        }
        headers.append(FORWARDED_FOR, HeaderValue::from_static("unknown"));
        assert_eq!(forwarded_address(&headers), None);
    }
}
