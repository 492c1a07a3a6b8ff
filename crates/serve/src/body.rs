//! The JSON body of a request, compressed or not, read within limits of size and time.

use std::future::poll_fn;
use std::io::Read;
use std::pin::Pin;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::error::ApiError;
use crate::limits::Limits;

/// A body that is too large is read and discarded up to this multiple of the limit, so that its sender reads the response.
const DISCARD_FACTOR: usize = 8;

/// Reads a JSON body.
///
/// # Errors
/// Another content type or coding, too many bytes before or after decompression, too much time, bytes that are not UTF-8 or
/// not JSON, or JSON that is not a `T`.
pub async fn read_json<T: DeserializeOwned>(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<T, ApiError> {
    parse_json(&read_json_text(headers, body, limits).await?)
}

/// Reads the text of a JSON body.
///
/// # Errors
/// As [`read_json`], but of text that is not JSON.
pub async fn read_json_text(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<String, ApiError> {
    let content_type = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let content_type = content_type.as_deref().unwrap_or("missing");
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    // An HTML form on another site cannot send this type, which protects a server without accounts.
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(ApiError::WrongContentType { found: content_type.to_string() });
    }
    read_text(headers, body, limits).await
}

/// Reads a body of text.
///
/// # Errors
/// Another coding, too many bytes before or after decompression, too much time, or bytes that are not UTF-8.
pub async fn read_text(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<String, ApiError> {
    let coding = Coding::from_headers(headers)?;
    let bytes = read_bytes(headers, body, limits).await?;
    let bytes = match coding {
        Coding::Identity => bytes,
        Coding::Gzip => {
            let limit = limits.body_bytes;
            let inflated = spawn_blocking(move || inflate(&bytes, limit)).await;
            inflated.map_err(|_| ApiError::Failed("decompressing the body panicked".to_string()))??
        }
    };
    String::from_utf8(bytes).map_err(|error| ApiError::NotUtf8 { at: error.utf8_error().valid_up_to() })
}

/// Parses a JSON body.
///
/// # Errors
/// Text that is not JSON, or JSON that is not a `T`.
pub fn parse_json<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    let request = serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => ApiError::InvalidRequest(error.to_string()),
        Category::Syntax | Category::Eof | Category::Io => ApiError::NotJson(error),
    })?;
    // Serde also accepts an array of all fields' values for a struct.
    if !text.trim_start().starts_with('{') {
        let message = "expected an object at the top level; name each field";
        return Err(ApiError::InvalidRequest(message.to_string()));
    }
    Ok(request)
}

/// The content coding of a body (RFC 9110, 8.4).
enum Coding {
    Identity,
    Gzip,
}

impl Coding {
    /// # Errors
    /// A coding other than `gzip`, or several.
    fn from_headers(headers: &HeaderMap) -> Result<Self, ApiError> {
        let values = headers.get_all(header::CONTENT_ENCODING).iter();
        let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let all = values.join(", ");
        let codings = all.split(',').map(|coding| coding.trim().to_ascii_lowercase());
        let codings: Vec<String> = codings.filter(|coding| !coding.is_empty() && coding != "identity").collect();
        match codings.as_slice() {
            [] => Ok(Self::Identity),
            [coding] if matches!(coding.as_str(), "gzip" | "x-gzip") => Ok(Self::Gzip),
            _ => Err(ApiError::WrongContentEncoding { found: all }),
        }
    }
}

/// Decompresses gzip, up to `limit` bytes.
fn inflate(bytes: &[u8], limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut inflated = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes).take(limit as u64 + 1);
    decoder.read_to_end(&mut inflated).map_err(ApiError::NotGzip)?;
    if inflated.len() > limit {
        return Err(ApiError::InflatedTooLarge { limit });
    }
    Ok(inflated)
}

async fn read_bytes(headers: &HeaderMap, mut body: Body, limits: &Limits) -> Result<Vec<u8>, ApiError> {
    let limit = limits.body_bytes;
    let too_large = ApiError::BodyTooLarge { limit };
    let declared = body.size_hint().lower();
    // A client that waits for `100 Continue` has not sent the body yet, so none has to be discarded.
    if declared > limit as u64 && headers.contains_key(header::EXPECT) {
        return Err(too_large);
    }
    let deadline = Instant::now() + limits.read_timeout;
    let mut bytes = Vec::new();
    let mut received = 0;
    loop {
        let chunk = match timeout_at(deadline, next_chunk(&mut body)).await {
            Ok(chunk) => chunk,
            Err(_) if received > limit => return Err(too_large),
            Err(_) => return Err(ApiError::RequestTimeout { limit: limits.read_timeout }),
        };
        match chunk {
            None if received > limit => return Err(too_large),
            None => return Ok(bytes),
            Some(Err(_)) if received > limit => return Err(too_large),
            Some(Err(error)) => return Err(ApiError::IncompleteBody(error.to_string())),
            Some(Ok(chunk)) => {
                received += chunk.len();
                if received <= limit {
                    bytes.extend_from_slice(&chunk);
                } else if received > limit.saturating_mul(DISCARD_FACTOR) {
                    return Err(too_large);
                } else {
                    bytes = Vec::new();
                }
            }
        }
    }
}

/// The next data chunk of a body; trailers are skipped.
async fn next_chunk(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
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
