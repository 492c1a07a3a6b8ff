//! Worker threads: take batches from the queue, decode them, and send each result to its request.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use decode::{DecodeError, EncodedInput};
use runs::format_chain;

use crate::app_state::AppState;
use crate::job::{AttendJob, Job, TranslateJob};
use crate::metrics::Metrics;
use crate::queue::BatchLimits;

/// Starts worker threads, which run until the process ends.
///
/// # Errors
/// A thread that cannot be started.
pub fn start(state: &Arc<AppState>, workers: usize) -> Result<(), rayon::ThreadPoolBuildError> {
    let limits = BatchLimits { tokens: state.models.batch_tokens(), rows: usize::MAX };
    for number in 1..=workers {
        let (queue, metrics) = (state.queue.clone(), state.metrics.clone());
        // Workers occupy all cores, so the operations of each run on its own thread: a pool of one.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| format!("worker-{number}"));
        pool.build()?.spawn(move || {
            loop {
                process_batch(&metrics, queue.take_batch(limits));
            }
        });
    }
    Ok(())
}

fn process_batch(metrics: &Metrics, batch: Vec<Job>) {
    let mut texts = Vec::with_capacity(batch.len());
    for job in batch {
        if job.is_cancelled() {
            metrics.count_cancelled(1);
            continue;
        }
        match job {
            Job::Translate(job) => texts.push(job),
            Job::Attend(job) => {
                let AttendJob { translator, source, target, max_tokens, reply } = *job;
                let attend = || views::attend_encoded(&translator, &source, target.as_ref(), max_tokens);
                let result = catch_panic(|| Ok(attend()?.to_json()));
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

/// Converts a panic to an error, so that the worker continues and its requests get a response.
fn catch_panic<T>(compute: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    panic::catch_unwind(AssertUnwindSafe(compute)).unwrap_or_else(|_| {
        Err(DecodeError::Device("the computation panicked; standard error has the place".to_string()))
    })
}
