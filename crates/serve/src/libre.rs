//! LibreTranslate's API: `/translate` with `q`, `/detect`, `/languages` and `/frontend/settings`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::Serialize;

use crate::app_state::AppState;
use crate::client_limits::Client;
use crate::error::ApiError;
use crate::languages::{self, Detected};
use crate::libre_request::{DetectRequest, LibreFormat, LibreTranslateRequest, Parameters, Texts, key, read};
use crate::observe::Work;
use crate::request::{TextFormat, TranslateRequest};
use crate::routes::translate::{Translated, characters, translate_texts};
use crate::routes::with_timeout;
use crate::routes::{bearer, json};

/// The response of `/translate`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LibreTranslateResponse {
    /// The translation, or one per text of a list.
    #[serde(rename = "translatedText")]
    translated: OneOrAll<String>,
    /// The language of the source, if it was `auto`.
    #[serde(rename = "detectedLanguage", skip_serializing_if = "Option::is_none")]
    detected: Option<OneOrAll<Detected>>,
    /// The other translations, if the request has a number of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    alternatives: Option<OneOrAll<Vec<String>>>,
}

/// A value for a text, or a list of them for a list of texts.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrAll<T> {
    /// Of a text.
    One(T),
    /// Of a list of texts.
    All(Vec<T>),
}

/// A language of `/languages`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Language {
    /// Its code.
    code: String,
    /// Its English name.
    name: String,
    /// Codes of the languages into which the server translates it, itself included.
    targets: Vec<String>,
}

/// The response of `/frontend/settings`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrontendSettings {
    /// Whether the server has keys.
    api_keys: bool,
    /// Maximum characters of a text; −1 for no limit.
    char_limit: i64,
    files_translation: bool,
    /// Milliseconds after the last key until a page translates.
    frontend_timeout: u64,
    /// Whether a request must give a key.
    key_required: bool,
    language: DefaultLanguages,
    suggestions: bool,
    supported_files_format: Vec<String>,
}

/// The languages that a page selects at first.
#[derive(Debug, Serialize, JsonSchema)]
struct DefaultLanguages {
    source: NamedLanguage,
    target: Option<NamedLanguage>,
}

/// A language and its name.
#[derive(Debug, Serialize, JsonSchema)]
struct NamedLanguage {
    code: String,
    name: String,
}

/// The body of an error in LibreTranslate's form.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LibreErrorResponse {
    /// The message.
    error: String,
}

impl NamedLanguage {
    fn new(code: &str) -> Self {
        Self { code: code.to_string(), name: languages::name(code).to_string() }
    }
}

impl<T> OneOrAll<T> {
    /// The values of all texts, or that of the only one.
    fn new(is_batch: bool, mut values: Vec<T>) -> Option<Self> {
        if is_batch { Some(Self::All(values)) } else { values.pop().map(Self::One) }
    }
}

/// `POST /translate` with LibreTranslate's parameters.
pub async fn translate(state: &Arc<AppState>, head: &Parts, parameters: Parameters) -> Response<Body> {
    match translation(state, head, &parameters).await {
        Ok((body, work)) => {
            let mut response = json(&body);
            response.extensions_mut().insert(work);
            response
        }
        Err(error) => in_libre_form(error),
    }
}

/// `/detect`.
pub async fn detect(State(state): State<Arc<AppState>>, request: Request) -> Response<Body> {
    if state.is_stopping() {
        return in_libre_form(ApiError::Stopping);
    }
    let (head, body) = request.into_parts();
    let detected = async {
        let parameters = read(&state, &head, body).await?;
        let client = client(&state, &head, &parameters)?;
        let request = DetectRequest::new(&parameters)?;
        state.charge(&client, request.q.chars().count())?;
        Ok(languages::detect(&request.q, &state.models.languages()))
    };
    match detected.await {
        Ok(found) => json(&found.into_iter().collect::<Vec<_>>()),
        Err(error) => in_libre_form(error),
    }
}

/// `/languages`.
pub async fn list_languages(State(state): State<Arc<AppState>>) -> Response<Body> {
    let models = &state.models;
    let languages = models.languages();
    let list = languages.iter().map(|source| {
        let is_target = |target: &&&str| **target == *source || models.route(source, target).is_some();
        let targets = languages.iter().filter(is_target).map(|target| target.to_string()).collect();
        Language { code: source.to_string(), name: languages::name(source).to_string(), targets }
    });
    json(&list.collect::<Vec<_>>())
}

/// `/frontend/settings`.
pub async fn settings(State(state): State<Arc<AppState>>) -> Response<Body> {
    let pair = state.models.specs().find_map(|spec| spec.pairs().next());
    let language = match pair {
        Some((source, target)) => {
            DefaultLanguages { source: NamedLanguage::new(source), target: Some(NamedLanguage::new(target)) }
        }
        None => {
            let source = NamedLanguage { code: "auto".to_string(), name: "Auto Detect".to_string() };
            DefaultLanguages { source, target: None }
        }
    };
    json(&FrontendSettings {
        api_keys: state.api_keys.is_some(),
        char_limit: -1,
        files_translation: false,
        frontend_timeout: 500,
        key_required: state.api_keys.is_some(),
        language,
        suggestions: false,
        supported_files_format: Vec::new(),
    })
}

/// The client of a request, by its parameter `api_key` or the key in its head.
fn client(state: &AppState, head: &Parts, parameters: &Parameters) -> Result<Client, ApiError> {
    let key = key(parameters)?;
    state.client(key.as_deref().or_else(|| bearer(&head.headers)), &head.extensions)
}

async fn translation(
    state: &Arc<AppState>,
    head: &Parts,
    parameters: &Parameters,
) -> Result<(LibreTranslateResponse, Work), ApiError> {
    let client = client(state, head, parameters)?;
    let request = LibreTranslateRequest::new(parameters)?;
    let alternatives = request.alternatives(state.limits.beam.saturating_sub(1))?;
    let LibreTranslateRequest { q, source, target, format, .. } = request;
    let (is_batch, texts) = match q {
        Texts::One(text) => (false, vec![text]),
        Texts::Several(texts) => (true, texts),
    };
    if texts.len() > state.limits.texts {
        return Err(ApiError::TooManyTexts { found: texts.len(), limit: state.limits.texts });
    }
    let format = match format {
        None | Some(LibreFormat::Text) => TextFormat::Text,
        Some(LibreFormat::Html) => TextFormat::Html,
    };
    state.charge(&client, characters(&texts))?;
    let languages = state.models.languages();
    let unknown = |found: &str| ApiError::UnknownLanguage { found: found.to_string(), known: languages.join(", ") };
    let detected = match &source[..] {
        "auto" => Some(languages::detect(&texts.join("\n"), &languages).ok_or_else(|| unknown("auto"))?),
        _ => None,
    };
    let source = detected.as_ref().map_or(source, |found| found.language.clone());
    if let Some(language) = [&source, &target].into_iter().find(|language| !languages.contains(&language.as_str())) {
        return Err(unknown(language));
    }
    let route = if source == target {
        Vec::new()
    } else {
        let route = state.models.route(&source, &target);
        route.ok_or_else(|| ApiError::UnknownPair { source_language: source.clone(), target })?
    };
    let (translated, others, work): (Vec<String>, Vec<Vec<String>>, Work) = if route.is_empty() {
        let others = vec![Vec::new(); texts.len()];
        (texts, others, Work::default())
    } else {
        let request = TranslateRequest::of_libre(format, &source, alternatives, state.limits.beam, state.too_long);
        let Translated { translations, work } =
            with_timeout(state, translate_texts(state, request, &route, texts)).await?;
        let (texts, others) = translations.into_iter().map(|translation| translation.into_texts()).unzip();
        (texts, others, work)
    };
    let detected = detected.and_then(|found| OneOrAll::new(is_batch, vec![found; translated.len()]));
    let others = (alternatives > 0).then_some(others).and_then(|others| OneOrAll::new(is_batch, others));
    let translated = OneOrAll::new(is_batch, translated);
    let translated = translated.ok_or_else(|| ApiError::Failed("a text has no translation".to_string()))?;
    Ok((LibreTranslateResponse { translated, detected, alternatives: others }, work))
}

/// An error in LibreTranslate's form: `{"error": MESSAGE}`, with the status 400 for invalid requests.
pub fn in_libre_form(error: ApiError) -> Response<Body> {
    let body = serde_json::to_string(&LibreErrorResponse { error: runs::format_chain(&error) }).unwrap_or_default();
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
