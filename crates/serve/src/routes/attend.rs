//! `POST /attend`.

use std::sync::Arc;

use axum::extract::{Request, State};
use decode::Input;
use decode::error::DecodeError;
use runs::DecodingOverrides;
use tokio::sync::oneshot;
use views::EncodedTarget;

use super::translate::{characters, select};
use super::{ApiResult, bearer, respond, run_blocking, with_timeout};
use crate::app_state::AppState;
use crate::body;
use crate::error::ApiError;
use crate::job::{AttendJob, Job};
use crate::models::Step;
use crate::observe::Work;
use crate::request::AttendRequest;
use crate::translation_service::TranslationService;

/// `POST /attend`: the attention weights of a pair.
pub async fn handle(State(state): State<Arc<AppState>>, request: Request) -> ApiResult {
    if state.is_stopping() {
        return Err(ApiError::Stopping);
    }
    let (parts, body) = request.into_parts();
    let client = state.client(bearer(&parts.headers), &parts.extensions)?;
    let mut request: AttendRequest = body::read_json(&parts.headers, body, &state.limits).await?;
    let pair = request.pair.as_ref();
    let (source, target) = (pair.map(|pair| &pair.source[..]), pair.map(|pair| &pair.target[..]));
    let route = select(&state, request.model.as_deref(), source, target)?;
    let [Step { model, pair }] = &route[..] else {
        let message = "pair: expected languages with a model of their own, not over a third; give one of the two steps";
        return Err(ApiError::InvalidOption(message.to_string()));
    };
    let characters = characters(std::slice::from_ref(&request.text));
    state.charge(&client, characters)?;
    let attention = async {
        let (sender, reply) = oneshot::channel();
        let prepare_state = state.clone();
        let service = state.models.get(*model).await?;
        let tokens = pair.as_ref().map(|pair| service.language_tokens(pair)).unwrap_or_default();
        request.source_lang = request.source_lang.or(tokens.source);
        request.target_lang = request.target_lang.or(tokens.target);
        let job = run_blocking(move || attend_job(&prepare_state, &service, request, sender)).await??;
        let _ticket = state.enqueue(vec![job])?;
        match reply.await {
            Ok(result) => result.map_err(attend_error),
            Err(_) => Err(ApiError::Failed("the text has no attention".to_string())),
        }
    };
    let mut response = respond("application/json", with_timeout(&state, attention).await?);
    let models = vec![state.models.name(*model).to_string()];
    response.extensions_mut().insert(Work { models, texts: 1, sentences: 1, characters });
    Ok(response)
}

fn attend_error(error: DecodeError) -> ApiError {
    if let DecodeError::TooLongToShow { found, limit } = error {
        return ApiError::TooLongToShow { side: "translation", found, limit };
    }
    if matches!(error, DecodeError::NoTokens { .. } | DecodeError::TargetTooLong { .. }) {
        return ApiError::InvalidText(error);
    }
    ApiError::Failed(runs::format_chain(&error))
}

/// Encodes the text and the target of a request, and checks their lengths.
fn attend_job(
    state: &AppState,
    service: &TranslationService,
    request: AttendRequest,
    reply: oneshot::Sender<Result<String, DecodeError>>,
) -> Result<Job, ApiError> {
    let AttendRequest { text, target, source_lang, target_lang, .. } = request;
    let mut settings = service.defaults.clone();
    DecodingOverrides { source_lang, target_lang, ..DecodingOverrides::default() }.apply(&mut settings.decoding);
    let translator = service.translator(settings).map_err(ApiError::from_settings)?;
    let source = translator.encode(&Input { text: &text, line: 1 }).map_err(ApiError::InvalidText)?;
    let target = target.as_deref().map(|target| EncodedTarget::new(&translator, target)).transpose();
    let target = target.map_err(ApiError::InvalidText)?;
    let limit = state.limits.attend_tokens;
    let target_tokens = target.as_ref().map_or(0, |target| target.ids.len());
    for (side, found) in [("text", source.ids.len()), ("target", target_tokens)] {
        if found > limit {
            return Err(ApiError::TooLongToShow { side, found, limit });
        }
    }
    Ok(Job::Attend(Box::new(AttendJob { translator, source, target, max_tokens: limit, reply })))
}
