//! Parameters of LibreTranslate's API, from JSON, a form or the query.

use axum::body::Body;
use axum::http::header;
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::app_state::AppState;
use crate::body;
use crate::error::ApiError;

/// The parameters of a request by name. Unknown ones are ignored, as LibreTranslate ignores them.
pub type Parameters = Map<String, Value>;

/// The parameters of `POST /translate`.
#[derive(Debug, JsonSchema)]
pub struct LibreTranslateRequest {
    /// The text, or a list of texts.
    pub q: Texts,
    /// The source language, or `auto`.
    pub source: String,
    /// The target language.
    pub target: String,
    /// The format of the texts; text without this parameter.
    pub format: Option<LibreFormat>,
    /// Number of other translations; 0 without this parameter.
    pub alternatives: Option<Count>,
}

/// The parameters of `/detect`.
#[derive(Debug, JsonSchema)]
pub struct DetectRequest {
    /// The text.
    pub q: String,
}

/// A text or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Texts {
    /// A text.
    One(String),
    /// Texts.
    Several(Vec<String>),
}

/// The format of the texts.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LibreFormat {
    /// Plain text.
    Text,
    /// An HTML document or fragment.
    Html,
}

/// A number, in JSON also as text.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Count {
    /// A number.
    Number(u64),
    /// Its digits.
    Digits(#[schemars(regex(pattern = "^[0-9]{1,9}$"))] String),
}

impl LibreTranslateRequest {
    /// Parses parameters.
    ///
    /// # Errors
    /// A parameter that is missing or of another type.
    pub fn new(parameters: &Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            q: required(parameters, "q", "a text or a list of texts")?,
            source: required(parameters, "source", "a text")?,
            target: required(parameters, "target", "a text")?,
            format: optional(parameters, "format", "text or html")?,
            alternatives: optional(parameters, "alternatives", "a number from 0")?,
        })
    }

    /// The number of other translations, of which at most `limit` are allowed.
    ///
    /// # Errors
    /// More, or text that is no number.
    pub fn alternatives(&self, limit: usize) -> Result<usize, ApiError> {
        let count = match &self.alternatives {
            None => 0,
            Some(Count::Number(count)) => *count,
            Some(Count::Digits(digits)) => {
                let number = digits.parse().ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_digit()));
                let found = || shortened(&Value::from(&digits[..]));
                number.ok_or_else(|| wrong("alternatives", &found(), "a number from 0"))?
            }
        };
        match usize::try_from(count) {
            Ok(count) if count <= limit => Ok(count),
            _ => Err(wrong("alternatives", &count.to_string(), &format!("at most {limit} (--max-beam)"))),
        }
    }
}

impl DetectRequest {
    /// Parses parameters.
    ///
    /// # Errors
    /// A parameter that is missing or of another type.
    pub fn new(parameters: &Parameters) -> Result<Self, ApiError> {
        Ok(Self { q: required(parameters, "q", "a text")? })
    }
}

/// Whether a request without a JSON body may be LibreTranslate's: a form, or `q` in the query.
pub fn is_form(content_type: Option<&str>, query: &str) -> bool {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        || form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "q")
}

/// The parameters of a form or a query; of a repeated one all values.
///
/// # Errors
/// Escapes that are not UTF-8, which would be read as U+FFFD.
pub fn parse_form(text: &str) -> Result<Parameters, ApiError> {
    let count = |text: &str| text.matches('\u{fffd}').count();
    let read: usize = form_urlencoded::parse(text.as_bytes()).map(|(name, value)| count(&name) + count(&value)).sum();
    if read > count(text) + text.to_ascii_lowercase().matches("%ef%bf%bd").count() {
        let message = "found escapes of bytes that are not UTF-8, expected UTF-8; send text in UTF-8, percent-encoded";
        return Err(ApiError::InvalidParameter(message.to_string()));
    }
    let mut parameters = Parameters::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let value = Value::String(value.into_owned());
        match parameters.get_mut(&*name) {
            None => {
                parameters.insert(name.into_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Ok(parameters)
}

/// Reads the parameters of a body and the query.
///
/// # Errors
/// A body that cannot be read, is of another type, or is not JSON.
pub async fn read(state: &AppState, parts: &Parts, body: Body) -> Result<Parameters, ApiError> {
    let mut parameters = parse_form(parts.uri.query().unwrap_or_default())?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if is_form(content_type, "") {
        parameters.extend(parse_form(&body::read_text(&parts.headers, body, &state.limits).await?)?);
    } else if !is_empty(&body) {
        parameters.extend(body::read_json::<Parameters>(&parts.headers, body, &state.limits).await?);
    }
    Ok(parameters)
}

/// Whether a body is known to have no bytes.
fn is_empty(body: &Body) -> bool {
    axum::body::HttpBody::size_hint(body).exact() == Some(0)
}

/// The key of a request, as `api_key` or `apiKey`. An empty text is none: clients send it from an empty field.
///
/// # Errors
/// A key that is not a text.
pub fn key(parameters: &Parameters) -> Result<Option<String>, ApiError> {
    let given = |name| Ok(optional(parameters, name, "a text")?.filter(|key: &String| !key.is_empty()));
    match given("api_key")? {
        Some(key) => Ok(Some(key)),
        None => given("apiKey"),
    }
}

fn required<T: DeserializeOwned>(parameters: &Parameters, name: &str, expected: &str) -> Result<T, ApiError> {
    let missing = || ApiError::InvalidParameter(format!("missing {name} parameter: expected {expected}"));
    optional(parameters, name, expected)?.ok_or_else(missing)
}

fn optional<T: DeserializeOwned>(parameters: &Parameters, name: &str, expected: &str) -> Result<Option<T>, ApiError> {
    match parameters.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => T::deserialize(value).map(Some).map_err(|_| wrong(name, &shortened(value), expected)),
    }
}

/// The beginning of a value, for a message.
fn shortened(value: &Value) -> String {
    const LENGTH: usize = 40;
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_string);
    match value.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value,
    }
}

fn wrong(name: &str, found: &str, expected: &str) -> ApiError {
    ApiError::InvalidParameter(format!("{name} = {found}: expected {expected}"))
}
