//! LibreTranslate's API: `/translate` with `q`, `/detect`, `/languages` and `/frontend/settings`.
//!
//! Parameters are read from a JSON body, a form or the query. Unknown ones are ignored, as LibreTranslate ignores them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};

use crate::app_state::AppState;
use crate::body;
use crate::error::ApiError;
use crate::languages;
use crate::request::{TextFormat, TranslateRequest};
use crate::routes::{respond, translate_texts, with_timeout};

/// The parameters of a request.
pub type Parameters = Map<String, Value>;

/// Whether a request without a JSON body may be LibreTranslate's: a form, or `q` in the query.
pub fn is_form(content_type: Option<&str>, query: &str) -> bool {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        || form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "q")
}

/// The parameters of a form or a query; of a repeated one all values.
pub fn parse_form(text: &str) -> Parameters {
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
    parameters
}

/// `POST /translate` with LibreTranslate's parameters.
pub async fn translate(state: &Arc<AppState>, parameters: Parameters) -> Response<Body> {
    in_libre_form(translation(state, &parameters).await)
}

/// `/detect`.
pub async fn detect(State(state): State<Arc<AppState>>, request: Request) -> Response<Body> {
    let detected = async {
        let parameters = read(&state, request).await?;
        check_key(&state, &parameters)?;
        let found = languages::detect(&one(&parameters, "q")?, &state.models.languages());
        let found = found.map(|found| json!({ "confidence": found.confidence, "language": found.language }));
        Ok(json!(found.into_iter().collect::<Vec<_>>()))
    };
    in_libre_form(detected.await)
}

/// `/languages`.
pub async fn list_languages(State(state): State<Arc<AppState>>) -> Response<Body> {
    let models = &state.models;
    let languages = models.languages();
    let list = languages.iter().map(|source| {
        let is_target = |target: &&&str| **target == *source || models.route(source, target).is_some();
        let targets: Vec<&&str> = languages.iter().filter(is_target).collect();
        json!({ "code": source, "name": languages::name(source), "targets": targets })
    });
    respond("application/json", json!(list.collect::<Vec<_>>()).to_string())
}

/// `/frontend/settings`.
pub async fn settings(State(state): State<Arc<AppState>>) -> Response<Body> {
    let languages = state.models.languages();
    let pair = state.models.specs().find_map(|spec| spec.pair.as_ref());
    let language = |code: &str| json!({ "code": code, "name": languages::name(code) });
    let settings = json!({
        "apiKeys": state.api_keys.is_some(),
        "charLimit": -1,
        "filesTranslation": false,
        "frontendTimeout": 500,
        "keyRequired": state.api_keys.is_some(),
        "language": {
            "source": pair.map_or(json!({ "code": "auto", "name": "Auto Detect" }), |pair| language(&pair.source)),
            "target": pair.map_or(json!(languages.first().map(|code| language(code))), |pair| language(&pair.target)),
        },
        "suggestions": false,
        "supportedFilesFormat": [],
    });
    respond("application/json", settings.to_string())
}

async fn translation(state: &Arc<AppState>, parameters: &Parameters) -> Result<Value, ApiError> {
    check_key(state, parameters)?;
    let (is_batch, texts) = match parameters.get("q") {
        Some(Value::String(text)) => (false, vec![text.clone()]),
        Some(Value::Array(texts)) => {
            let text =
                |text: &Value| text.as_str().map(str::to_string).ok_or_else(|| wrong("q", "a text or a list of texts"));
            (true, texts.iter().map(text).collect::<Result<Vec<_>, _>>()?)
        }
        Some(_) => return Err(wrong("q", "a text or a list of texts")),
        None => return Err(missing("q")),
    };
    if texts.len() > state.limits.texts {
        return Err(ApiError::TooManyTexts { found: texts.len(), limit: state.limits.texts });
    }
    let (source, target) = (one(parameters, "source")?, one(parameters, "target")?);
    let format = match optional(parameters, "format")?.as_deref() {
        None | Some("text") => TextFormat::Text,
        Some("html") => TextFormat::Html,
        Some(other) => return Err(ApiError::InvalidRequest(format!("format = {other}: expected text or html"))),
    };
    let alternatives = match parameters.get("alternatives") {
        None => 0,
        Some(Value::Number(count)) => count.as_u64().unwrap_or(u64::MAX),
        Some(Value::String(count)) => count.parse().map_err(|_| wrong("alternatives", "a number from 0"))?,
        Some(_) => return Err(wrong("alternatives", "a number from 0")),
    };
    let limit = state.limits.beam.saturating_sub(1);
    if alternatives > limit as u64 {
        return Err(ApiError::InvalidRequest(format!("alternatives: expected at most {limit} (--max-beam)")));
    }
    let languages = state.models.languages();
    let known = |language: &str| match languages.contains(&language) {
        true => Ok(()),
        false => Err(ApiError::UnknownLanguage { found: language.to_string(), known: languages.join(", ") }),
    };
    known(&target)?;
    let detected = match &source[..] {
        "auto" => Some(languages::detect(&texts.join("\n"), &languages).ok_or_else(|| missing("source"))?),
        _ => None,
    };
    let source = detected.as_ref().map_or(source, |found| found.language.clone());
    known(&source)?;
    let (translated, others) = if source == target {
        (texts, Vec::new())
    } else {
        let route = state.models.route(&source, &target);
        let route = route.ok_or_else(|| ApiError::UnknownPair { source_language: source.clone(), target })?;
        let request = TranslateRequest::of_libre(format, &source, alternatives as usize, state.limits.beam);
        let translations = with_timeout(state, translate_texts(state, request, &route, texts)).await?;
        translations.into_iter().map(|translation| translation.into_texts()).unzip()
    };
    let detected = detected.map(|found| json!({ "confidence": found.confidence, "language": found.language }));
    let mut body = json!({ "translatedText": translated });
    let count = translated.len();
    if !is_batch {
        body["translatedText"] = body["translatedText"][0].take();
    }
    if let Some(detected) = detected {
        body["detectedLanguage"] = if is_batch { json!(vec![detected; count]) } else { detected };
    }
    if alternatives > 0 {
        body["alternatives"] = if is_batch { json!(others) } else { json!(others.first()) };
    }
    Ok(body)
}

/// Reads the parameters of a body and the query.
async fn read(state: &AppState, request: Request) -> Result<Parameters, ApiError> {
    let (parts, body) = request.into_parts();
    let mut parameters = parse_form(parts.uri.query().unwrap_or_default());
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if is_form(content_type, "") {
        parameters.extend(parse_form(&body::read_text(&parts.headers, body, &state.limits).await?));
    } else if content_type.is_some_and(|found| found.contains("json")) && !body::is_empty(&body) {
        parameters
            .extend(body::parse_json::<Parameters>(&body::read_text(&parts.headers, body, &state.limits).await?)?);
    }
    Ok(parameters)
}

fn check_key(state: &AppState, parameters: &Parameters) -> Result<(), ApiError> {
    let given = parameters.get("api_key").or_else(|| parameters.get("apiKey")).and_then(Value::as_str);
    state.check_key(given)
}

fn one(parameters: &Parameters, name: &'static str) -> Result<String, ApiError> {
    optional(parameters, name)?.ok_or_else(|| missing(name))
}

fn optional(parameters: &Parameters, name: &'static str) -> Result<Option<String>, ApiError> {
    match parameters.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong(name, "a text")),
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::InvalidRequest(format!("missing {name} parameter"))
}

fn wrong(name: &str, expected: &str) -> ApiError {
    ApiError::InvalidRequest(format!("{name}: expected {expected}"))
}

/// A response in LibreTranslate's form: errors are `{"error": MESSAGE}`, and invalid requests have the status 400.
fn in_libre_form(result: Result<Value, ApiError>) -> Response<Body> {
    match result {
        Ok(body) => respond("application/json", body.to_string()),
        Err(error) => {
            let body = json!({ "error": runs::format_chain(&error) }).to_string();
            let mut response = error.into_response();
            let status = match response.status() {
                StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
                StatusCode::UNAUTHORIZED => StatusCode::FORBIDDEN,
                other => other,
            };
            *response.status_mut() = status;
            *response.body_mut() = Body::from(body);
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
    }
}
