//! What workers do: take what waits, decode it, and hand each answer to the request that waits for it.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;
use crate::queue::{Bounds, Company, Queue};
use crate::translation_service::Decoder;
use decode::DecodeError;
use decode::settings::Settings;
use decode::translation::Translation;
use decode::translator::Item;
use runs::format_chain;

/// One thing to do for a request.
pub enum Work {
    Translate(Text),
    Attend(Look),
}

/// A text to translate.
pub struct Text {
    pub text: String,
    /// Its place among the texts of its request, counted from 1.
    pub place: usize,
    /// Source tokens.
    pub tokens: usize,
    pub settings: Arc<Settings>,
    pub answer: mpsc::UnboundedSender<(usize, Result<Translation, String>)>,
}

/// A text whose attention is to be shown.
pub struct Look {
    pub text: String,
    pub target: Option<String>,
    pub tokens: usize,
    /// Most tokens of a translation to show.
    pub most: usize,
    /// The attention as JSON, or why there is none.
    pub answer: oneshot::Sender<Result<String, DecodeError>>,
}

impl Work {
    /// Whether somebody waits for the answer. A request may have been given up after it left the queue.
    fn is_wanted(&self) -> bool {
        match self {
            Work::Translate(text) => !text.answer.is_closed(),
            Work::Attend(look) => !look.answer.is_closed(),
        }
    }
}

impl Company for Work {
    fn tokens(&self) -> usize {
        match self {
            Work::Translate(text) => text.tokens,
            Work::Attend(look) => look.tokens,
        }
    }

    fn rows(&self) -> usize {
        match self {
            Work::Translate(text) => text.settings.rows_per_sentence(),
            Work::Attend(_) => 1,
        }
    }

    fn joins(&self, first: &Self) -> bool {
        match (self, first) {
            (Work::Translate(text), Work::Translate(first)) => text.settings == first.settings,
            _ => false,
        }
    }
}

/// Starts workers, which go on until the program ends.
///
/// # Errors
/// A thread that cannot be started.
pub fn start(
    decoder: &Arc<Decoder>,
    queue: &Arc<Queue<Work>>,
    metrics: &Arc<Metrics>,
    workers: usize,
) -> Result<(), rayon::ThreadPoolBuildError> {
    let bounds = Bounds { tokens: decoder.batch_tokens, rows: decoder.trained.engine.most_rows() };
    for number in 1..=workers {
        let (decoder, queue, metrics) = (decoder.clone(), queue.clone(), metrics.clone());
        // Workers fill the cores already, so within each of them operations stay on its thread: the only one of a pool.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| format!("worker-{number}"));
        pool.build()?.spawn(move || {
            loop {
                work(&decoder, &metrics, queue.take(bounds));
            }
        });
    }
    Ok(())
}

fn work(decoder: &Decoder, metrics: &Metrics, batch: Vec<Work>) {
    let mut texts = Vec::with_capacity(batch.len());
    for work in batch {
        if !work.is_wanted() {
            metrics.forgotten(1);
            continue;
        }
        match work {
            Work::Translate(text) => texts.push(text),
            Work::Attend(look) => {
                let seen = guarded(|| Ok(decoder.attend(&look.text, look.target.as_deref(), look.most)?.to_json()));
                // Whoever asked may be gone.
                drop(look.answer.send(seen));
            }
        }
    }
    if !texts.is_empty() {
        metrics.batch(texts.len());
        translate(decoder, metrics, texts);
    }
}

fn translate(decoder: &Decoder, metrics: &Metrics, texts: Vec<Text>) {
    let items: Vec<Item> = texts.iter().map(|text| Item { text: &text.text, place: text.place }).collect();
    match guarded(|| decoder.translate(&texts[0].settings, &items)) {
        Ok(translations) => {
            for (text, translation) in texts.into_iter().zip(translations) {
                metrics.text(text.tokens, translation.best.tokens.len());
                drop(text.answer.send((text.place, Ok(translation))));
            }
        }
        // One text's failure is not another's.
        Err(_) if texts.len() > 1 => texts.into_iter().for_each(|text| translate(decoder, metrics, vec![text])),
        Err(error) => {
            let reason = format_chain(&error);
            for text in texts {
                drop(text.answer.send((text.place, Err(reason.clone()))));
            }
        }
    }
}

/// Keeps a worker alive whatever happens within: a worker that is lost would leave requests waiting.
fn guarded<T>(work: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(DecodeError::Device("it stopped in the middle; standard error tells where".to_string()))
    })
}
