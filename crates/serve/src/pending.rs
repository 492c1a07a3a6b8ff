//! The sentences of a request on their way through the queue.

use std::sync::Arc;

use decode::{EncodedInput, TranslationResult, Translator};
use tokio::sync::mpsc;

use crate::app_state::AppState;
use crate::error::ApiError;
use crate::job::{Job, TranslateJob};

/// Decodes sentences: one result each, in order. Their lines count from 1.
///
/// Of a long document, only as many sentences as a request may have texts are in the queue at a time, so that it delays
/// others no more than such a request.
///
/// # Errors
/// A full queue, or a model that fails.
pub async fn decode(
    state: &AppState,
    translator: &Arc<Translator<'static>>,
    inputs: Vec<EncodedInput>,
) -> Result<Vec<TranslationResult>, ApiError> {
    let count = inputs.len();
    let (sender, mut replies) = mpsc::unbounded_channel();
    let job = |input| Job::Translate(TranslateJob { input, translator: translator.clone(), reply: sender.clone() });
    let mut waiting = inputs.into_iter();
    let mut results: Vec<Option<TranslationResult>> = vec![None; count];
    let mut tickets = vec![state.enqueue(waiting.by_ref().take(state.limits.texts).map(job).collect())?];
    let half = (state.limits.texts / 2).max(1);
    for received in 1..=count {
        let Some((line, result)) = replies.recv().await else { break };
        results[line - 1] = Some(result.map_err(ApiError::Failed)?);
        // The next sentences follow when half of those in the queue are done. A full queue delays them, but not all.
        let outstanding = count - waiting.len() - received;
        let has_room = state.queue.waiting() + half <= state.limits.queue;
        if waiting.len() > 0 && (outstanding == 0 || outstanding <= half && has_room) {
            tickets.push(state.enqueue(waiting.by_ref().take(half).map(job).collect())?);
        }
    }
    let all: Option<Vec<TranslationResult>> = results.into_iter().collect();
    all.ok_or_else(|| ApiError::Failed("a text has no translation".to_string()))
}
