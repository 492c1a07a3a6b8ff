//! Worker threads: take batches from the queue, decode them, and send each result to its request.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use decode::{DecodeError, EncodedInput, TranslationResult, Translator};
use runs::format_chain;
use tokio::sync::{mpsc, oneshot};

use crate::app_state::AppState;
use crate::metrics::Metrics;
use crate::queue::{BatchLimits, Batchable};
use crate::translation_service::TranslationService;

/// One text of a request.
pub enum Job {
    Translate(TranslateJob),
    Attend(AttendJob),
}

/// A text to translate.
pub struct TranslateJob {
    /// The encoded text. Its line is its index among the texts of the request, counted from 1.
    pub input: EncodedInput,
    /// The translator of the request, shared by its texts.
    pub translator: Arc<Translator<'static>>,
    /// Receives the index with the translation, or with the reason of its failure.
    pub reply: mpsc::UnboundedSender<(usize, Result<TranslationResult, String>)>,
}

/// A text whose attention is computed.
pub struct AttendJob {
    pub text: String,
    pub target: Option<String>,
    /// Number of source tokens.
    pub tokens: usize,
    /// Maximum tokens of the translation.
    pub max_tokens: usize,
    /// Receives the attention as JSON.
    pub reply: oneshot::Sender<Result<String, DecodeError>>,
}

impl Job {
    /// Whether the request has ended, for example by a timeout after the job left the queue.
    fn is_cancelled(&self) -> bool {
        match self {
            Job::Translate(job) => job.reply.is_closed(),
            Job::Attend(job) => job.reply.is_closed(),
        }
    }
}

impl Batchable for Job {
    fn tokens(&self) -> usize {
        match self {
            Job::Translate(job) => job.input.ids.len(),
            Job::Attend(job) => job.tokens,
        }
    }

    fn rows(&self) -> usize {
        match self {
            Job::Translate(job) => job.translator.settings().rows_per_sentence(),
            Job::Attend(_) => 1,
        }
    }

    fn fits_with(&self, first: &Self) -> bool {
        match (self, first) {
            (Job::Translate(job), Job::Translate(first)) => job.translator.settings() == first.translator.settings(),
            (Job::Attend(_), _) | (_, Job::Attend(_)) => false,
        }
    }
}

/// Starts worker threads, which run until the process ends.
///
/// # Errors
/// A thread that cannot be started.
pub fn start(state: &Arc<AppState>, workers: usize) -> Result<(), rayon::ThreadPoolBuildError> {
    let limits = BatchLimits { tokens: state.service.batch_tokens, rows: state.service.trained.engine.max_rows() };
    for number in 1..=workers {
        let (service, queue, metrics) = (state.service.clone(), state.queue.clone(), state.metrics.clone());
        // Workers occupy all cores, so the operations of each run on its own thread: a pool of one.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| format!("worker-{number}"));
        pool.build()?.spawn(move || {
            loop {
                process_batch(&service, &metrics, queue.take_batch(limits));
            }
        });
    }
    Ok(())
}

fn process_batch(service: &TranslationService, metrics: &Metrics, batch: Vec<Job>) {
    let mut texts = Vec::with_capacity(batch.len());
    for job in batch {
        if job.is_cancelled() {
            metrics.count_cancelled(1);
            continue;
        }
        match job {
            Job::Translate(job) => texts.push(job),
            Job::Attend(AttendJob { text, target, max_tokens, reply, .. }) => {
                let result = catch_panic(|| Ok(service.attend(&text, target.as_deref(), max_tokens)?.to_json()));
                // The request may have ended meanwhile.
                drop(reply.send(result));
            }
        }
    }
    if !texts.is_empty() {
        metrics.count_batch(texts.len());
        translate(metrics, texts);
    }
}

fn translate(metrics: &Metrics, jobs: Vec<TranslateJob>) {
    let (inputs, requests): (Vec<EncodedInput>, Vec<_>) =
        jobs.into_iter().map(|TranslateJob { input, translator, reply }| (input, (translator, reply))).unzip();
    match catch_panic(|| requests[0].0.translate_encoded(&inputs)) {
        Ok(translations) => {
            for ((input, (_, reply)), translation) in inputs.iter().zip(requests).zip(translations) {
                metrics.count_text(input.ids.len(), translation.best.tokens.len());
                drop(reply.send((input.line, Ok(translation))));
            }
        }
        // The failure of one text must not fail the others of its batch.
        Err(_) if inputs.len() > 1 => {
            for (input, (translator, reply)) in inputs.into_iter().zip(requests) {
                translate(metrics, vec![TranslateJob { input, translator, reply }]);
            }
        }
        Err(error) => {
            let reason = format_chain(&error);
            for (input, (_, reply)) in inputs.iter().zip(requests) {
                drop(reply.send((input.line, Err(reason.clone()))));
            }
        }
    }
}

/// Turns a panic into an error. A worker that died would leave requests without a response.
fn catch_panic<T>(compute: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    panic::catch_unwind(AssertUnwindSafe(compute)).unwrap_or_else(|_| {
        Err(DecodeError::Device("the computation panicked; standard error has the place".to_string()))
    })
}
