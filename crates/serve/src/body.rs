//! Reads a request's body, within bounds of size and time, as JSON.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tokio::time::{Instant, timeout_at};

use crate::error::Refusal;
use crate::limits::Limits;

/// Of a body that is too large, as many times the limit is read and thrown away, so that its sender gets to read why.
const DRAINED: usize = 8;

/// Reads a body of JSON.
///
/// # Errors
/// Another content type, too many bytes, too much time, bytes that are not UTF-8, not JSON, or not what was expected.
pub async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<T, Refusal> {
    let content_type = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let content_type = content_type.as_deref().unwrap_or("missing");
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    // No form of a foreign page can send this type, which is as much protection as a server without accounts needs.
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::WrongContentType { found: content_type.to_string() });
    }
    let bytes = read(headers, body, limits).await?;
    let text = std::str::from_utf8(&bytes).map_err(|error| Refusal::NotUtf8 { at: error.valid_up_to() })?;
    let request = serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => Refusal::NotARequest(error.to_string()),
        Category::Syntax | Category::Eof | Category::Io => Refusal::NotJson(error),
    })?;
    // Serde takes a list of all fields' values for a structure, too.
    if !text.trim_start().starts_with('{') {
        return Err(Refusal::NotARequest(
            "expected an object at the top; give each value its field's name".to_string(),
        ));
    }
    Ok(request)
}

async fn read(headers: &HeaderMap, mut body: Body, limits: &Limits) -> Result<Vec<u8>, Refusal> {
    let limit = limits.body_bytes;
    let too_large = Refusal::BodyTooLarge { limit };
    let announced = body.size_hint().lower();
    // Who waits for a word before sending need not send.
    if announced > limit as u64 && headers.contains_key(header::EXPECT) {
        return Err(too_large);
    }
    let deadline = Instant::now() + limits.read_timeout;
    let mut bytes = Vec::new();
    let mut seen = 0;
    loop {
        let next = match timeout_at(deadline, next(&mut body)).await {
            Ok(next) => next,
            Err(_) if seen > limit => return Err(too_large),
            Err(_) => return Err(Refusal::TooSlow { limit: limits.read_timeout }),
        };
        match next {
            None if seen > limit => return Err(too_large),
            None => return Ok(bytes),
            Some(Err(_)) if seen > limit => return Err(too_large),
            Some(Err(error)) => return Err(Refusal::BrokenOff(error.to_string())),
            Some(Ok(part)) => {
                seen += part.len();
                if seen <= limit {
                    bytes.extend_from_slice(&part);
                } else if seen > limit.saturating_mul(DRAINED) {
                    return Err(too_large);
                } else {
                    bytes = Vec::new();
                }
            }
        }
    }
}

/// The next part of a body; trailers are none.
async fn next(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}
