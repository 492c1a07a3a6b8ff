//! A job of the queue: one text of a request.

use std::sync::Arc;

use decode::{DecodeError, EncodedInput, TranslationResult, Translator};
use tokio::sync::{mpsc, oneshot};
use views::EncodedTarget;

use crate::queue::Batchable;

/// One text of a request.
pub enum Job {
    Translate(TranslateJob),
    Attend(Box<AttendJob>),
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
    /// The translator of the request.
    pub translator: Translator<'static>,
    /// The encoded source.
    pub source: EncodedInput,
    /// The encoded target, if one is given.
    pub target: Option<EncodedTarget>,
    /// Maximum tokens of the translation.
    pub max_tokens: usize,
    /// Receives the attention as JSON.
    pub reply: oneshot::Sender<Result<String, DecodeError>>,
}

impl Job {
    /// Whether the request has ended, for example by a timeout after the job left the queue.
    pub fn is_cancelled(&self) -> bool {
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
            Job::Attend(job) => job.source.ids.len(),
        }
    }

    fn rows(&self) -> usize {
        match self {
            Job::Translate(job) => job.translator.rows_per_sentence(),
            Job::Attend(_) => 1,
        }
    }

    fn max_rows(&self) -> usize {
        match self {
            Job::Translate(job) => job.translator.model().max_rows(self.rows()),
            Job::Attend(job) => job.translator.model().max_rows(self.rows()),
        }
    }

    fn fits_with(&self, first: &Self) -> bool {
        match (self, first) {
            (Job::Translate(job), Job::Translate(first)) => {
                std::ptr::eq(job.translator.model(), first.translator.model())
                    && job.translator.settings().decodes_as(first.translator.settings())
            }
            (Job::Attend(_), _) | (_, Job::Attend(_)) => false,
        }
    }
}
