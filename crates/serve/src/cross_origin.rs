//! Requests from pages of other sites (CORS), for the origins of `--allow-origin`.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use decode::ConfigError;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::observe::REQUEST_ID;

/// How long a browser may keep the result of a preflight.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// The layer for these origins; none without an origin.
///
/// # Errors
/// A value that is neither `*` nor an origin.
pub fn layer(origins: &[String]) -> Result<Option<CorsLayer>, ConfigError> {
    if origins.is_empty() {
        return Ok(None);
    }
    let values = origins.iter().map(|origin| parse(origin)).collect::<Result<Vec<HeaderValue>, _>>()?;
    let origins = if values.iter().any(|value| value == "*") { AllowOrigin::any() } else { AllowOrigin::list(values) };
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_ENCODING,
            header::CONTENT_TYPE,
            HeaderName::from_static("x-api-key"),
            REQUEST_ID,
        ])
        .expose_headers([header::RETRY_AFTER, REQUEST_ID])
        .max_age(MAX_AGE);
    Ok(Some(layer))
}

/// An origin as browsers send it: scheme, host and port, without a path (RFC 6454, 6.2).
fn parse(origin: &str) -> Result<HeaderValue, ConfigError> {
    let error = || {
        let expected = "`*`, or an origin such as https://example.org or http://localhost:3000";
        ConfigError::new("allow_origin", origin, expected, "give scheme, host and port, without a path or a last slash")
    };
    let is_origin = origin.split_once("://").is_some_and(|(scheme, host)| {
        let is_plain = |text: &str, others: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c))
        };
        is_plain(scheme, "+.-") && is_plain(host, ".-:[]_")
    });
    if origin != "*" && !is_origin {
        return Err(error());
    }
    HeaderValue::from_str(origin).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_no_path() {
        for origin in ["*", "https://example.org", "http://localhost:3000", "http://[::1]:8080", "moz-extension://a-b"]
        {
            assert!(parse(origin).is_ok(), "{origin}");
        }
        for origin in ["", "example.org", "https://example.org/", "https://Example.org", "https://", "https://*.a.org"]
        {
            assert!(parse(origin).is_err(), "{origin}");
        }
    }
}
