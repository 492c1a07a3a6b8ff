//! `POST /translate`, in the native form and in LibreTranslate's.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Response, header};
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::Serialize;

use super::{ApiResult, bearer, json, run_blocking, with_timeout};
use crate::app_state::AppState;
use crate::body;
use crate::error::ApiError;
use crate::libre;
use crate::libre_request;
use crate::models::Step;
use crate::observe::Work;
use crate::pending::{Admission, decode};
use crate::prepared::Prepared;
use crate::request::TranslateRequest;
use crate::translated_text::TranslatedText;

/// The response of `/translate`.
#[derive(Serialize, JsonSchema)]
pub struct TranslateResponse {
    /// A translation per text, in order.
    translations: Vec<TranslatedText>,
}

/// Selects the form by the content type and the fields.
pub async fn handle(State(state): State<Arc<AppState>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let query = parts.uri.query().unwrap_or_default();
    // LibreTranslate's forms need languages; a server without them has no such clients.
    let is_form = libre_request::is_form(content_type, query) && !state.models.languages().is_empty();
    let rejected = |error: ApiError| if is_form { libre::in_libre_form(error) } else { error.into_response() };
    if state.is_stopping() {
        return rejected(ApiError::Stopping);
    }
    let text = match is_form {
        true => body::read_text(&parts.headers, body, &state.limits).await,
        false => body::read_json_text(&parts.headers, body, &state.limits).await,
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => return rejected(error),
    };
    if is_form {
        let is_json = content_type.is_some_and(|found| found.to_ascii_lowercase().contains("json"));
        let form = if is_json { "" } else { &text };
        let parsed = libre_request::parse_form(query).and_then(|first| Ok((first, libre_request::parse_form(form)?)));
        let mut parameters: libre_request::Parameters = match parsed {
            Ok((query, form)) => query.into_iter().chain(form).collect(),
            Err(error) => return libre::in_libre_form(error),
        };
        if is_json && !text.trim().is_empty() {
            match body::parse_json::<libre_request::Parameters>(&text) {
                Ok(others) => parameters.extend(others),
                Err(error) => return libre::in_libre_form(error),
            }
        }
        return libre::translate(&state, &parts, parameters).await;
    }
    if let Some(parameters) =
        serde_json::from_str::<libre_request::Parameters>(&text).ok().filter(|body| body.contains_key("q"))
    {
        return libre::translate(&state, &parts, parameters).await;
    }
    native_translation(&state, &parts, &text).await.unwrap_or_else(IntoResponse::into_response)
}

async fn native_translation(state: &Arc<AppState>, parts: &Parts, text: &str) -> ApiResult {
    let client = state.client(bearer(&parts.headers), &parts.extensions)?;
    let mut request: TranslateRequest = body::parse_json(text)?;
    let texts = request.take_texts(&state.limits)?;
    let (source, target) = (request.source.as_deref(), request.target.as_deref());
    let route = select(state, request.model.as_deref(), source, target)?;
    state.charge(&client, characters(&texts))?;
    let Translated { translations, work } = with_timeout(state, translate_texts(state, request, &route, texts)).await?;
    let mut response = json(&TranslateResponse { translations });
    response.extensions_mut().insert(work);
    Ok(response)
}

/// The number of characters of texts.
pub fn characters(texts: &[String]) -> usize {
    texts.iter().map(|text| text.chars().count()).sum()
}

/// The models of a request: by name, by languages, or the only one.
///
/// # Errors
/// A model or languages that the server does not have, or neither of them where there are several models.
pub fn select(
    state: &AppState,
    model: Option<&str>,
    source: Option<&str>,
    target: Option<&str>,
) -> Result<Vec<Step>, ApiError> {
    let models = &state.models;
    match (model, source, target) {
        (Some(name), None, None) => {
            let unknown = || ApiError::UnknownModel { found: name.to_string(), known: models.names().join(", ") };
            Ok(vec![Step { model: models.named(name).ok_or_else(unknown)?, pair: None }])
        }
        (None, Some(source), Some(target)) => models
            .route(source, target)
            .ok_or_else(|| ApiError::UnknownPair { source_language: source.to_string(), target: target.to_string() }),
        (None, None, None) if models.names().len() == 1 => Ok(vec![Step { model: 0, pair: None }]),
        _ => {
            let names = models.names().join(", ");
            let message = format!(
                "expected either `model`, or `source` and `target` (in /attend, `pair` with both); the models are {names}"
            );
            Err(ApiError::InvalidRequest(message))
        }
    }
}

/// Translations, and what they have cost.
pub struct Translated {
    pub translations: Vec<TranslatedText>,
    pub work: Work,
}

/// Translates texts with one model after the other. The results are those of the last one, with what the others report.
///
/// # Errors
/// A model that cannot be opened or fails, a full queue at the first model, or an invalid request.
pub async fn translate_texts(
    state: &Arc<AppState>,
    request: TranslateRequest,
    route: &[Step],
    mut texts: Vec<String>,
) -> Result<Translated, ApiError> {
    request.check_search(&state.limits)?;
    let mut work = Work { texts: texts.len(), characters: characters(&texts), ..Work::default() };
    let mut translations: Vec<TranslatedText> = Vec::new();
    for (at, step) in route.iter().enumerate() {
        let service = state.models.get(step.model).await?;
        let start = Instant::now();
        let tokens = step.pair.as_ref().map(|pair| service.language_tokens(pair)).unwrap_or_default();
        let request = request.of_step(step, route.len() - at - 1, at > 0, tokens);
        let prepare_state = state.clone();
        let prepared = run_blocking(move || Prepared::new(&prepare_state, &service, &request, &texts)).await??;
        let admission = if at == 0 { Admission::Checked } else { Admission::Granted };
        let inputs = prepared.inputs();
        let sentences = inputs.len();
        let results = decode(state, &prepared.translator, inputs, admission).await?;
        let name = state.models.name(step.model);
        state.metrics.count_model(name, sentences, start.elapsed());
        work.models.push(name.to_string());
        work.sentences += sentences;
        let mut earlier = translations.into_iter();
        let translated = prepared.responses(results).into_iter();
        translations = translated.map(|text| text.after(earlier.next())).collect();
        texts = translations.iter().map(|translation| translation.text().to_string()).collect();
    }
    Ok(Translated { translations, work })
}
