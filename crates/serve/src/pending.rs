//! The sentences of a request on their way through the queue.

use std::sync::Arc;

use decode::{EncodedInput, TranslationResult, Translator};
use tokio::sync::mpsc;

use crate::app_state::AppState;
use crate::error::ApiError;
use crate::job::{Job, TranslateJob};

/// Whether sentences may be rejected because the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// They are the first of their request.
    Checked,
    /// Earlier ones of their request are translated already.
    Granted,
}

/// Decodes sentences: one result each, in order. Their lines count from 1.
///
/// A long document never has more sentences in the queue than a request may have texts, so that it delays other requests
/// no more than such a request. Once the first sentences are in the queue, the others follow, even if it is full.
///
/// # Errors
/// A full queue at the beginning, or a model that fails.
pub async fn decode(
    state: &AppState,
    translator: &Arc<Translator<'static>>,
    inputs: Vec<EncodedInput>,
    admission: Admission,
) -> Result<Vec<TranslationResult>, ApiError> {
    let count = inputs.len();
    let (sender, mut replies) = mpsc::unbounded_channel();
    let job = |input| Job::Translate(TranslateJob { input, translator: translator.clone(), reply: sender.clone() });
    let mut waiting = inputs.into_iter();
    let mut results: Vec<Option<TranslationResult>> = vec![None; count];
    let ticket = match admission {
        Admission::Checked => state.enqueue(waiting.by_ref().take(state.limits.texts).map(job).collect())?,
        Admission::Granted => state.admitted(),
    };
    let half = (state.limits.texts / 2).max(1);
    let mut received = 0;
    while received < count {
        // The next sentences follow when half of those in the queue are done: as many as there is room for. Without room,
        // one at a time follows, so that the queue exceeds its capacity by one sentence of each admitted request at most.
        let outstanding = count - waiting.len() - received;
        if waiting.len() > 0 && outstanding <= half {
            let next = half.min(state.queue.room()).max(usize::from(outstanding == 0));
            if next > 0 {
                ticket.push(waiting.by_ref().take(next).map(job).collect());
            }
        }
        let Some((line, result)) = replies.recv().await else { break };
        results[line - 1] = Some(result.map_err(ApiError::Failed)?);
        received += 1;
    }
    let all: Option<Vec<TranslationResult>> = results.into_iter().collect();
    all.ok_or_else(|| ApiError::Failed("a text has no translation".to_string()))
}
