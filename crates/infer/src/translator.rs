//! Texts in, texts out: encodes, sorts by length into batches, decodes, restores the order.

use serde::Serialize;
use text::{END_ID, UNKNOWN_ID};

use crate::beam::{BeamSearch, beam_search};
use crate::decoded::{Decoded, Hypothesis, Source};
use crate::error::InferError;
use crate::greedy::greedy;
use crate::trained::TrainedModel;

/// What became of one text. Serialises as one line of `--format jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Translation {
    pub source: String,
    pub text: String,
    /// The target tokens that make up `text`.
    pub tokens: Vec<String>,
    /// Whether the model ended the sentence itself, rather than the length limit.
    pub finished: bool,
    /// Source tokens that the vocabulary lacks.
    pub unknown: usize,
}

/// Decodes texts with a trained model.
pub struct Translator<'a> {
    trained: &'a TrainedModel,
    batch_tokens: usize,
}

/// However short the sources, no more hypotheses decode together: each may grow to its limit.
const MOST_ROWS: usize = 256;

/// A source ready for the model, with its place in the input.
pub(crate) struct Encoded {
    at: usize,
    pub(crate) ids: Vec<u32>,
    pub(crate) limit: usize,
}

impl<'a> Translator<'a> {
    /// `batch_tokens` bounds the source tokens of a batch, padding included.
    ///
    /// # Errors
    /// A bound of zero.
    pub fn new(trained: &'a TrainedModel, batch_tokens: usize) -> Result<Self, InferError> {
        if batch_tokens == 0 {
            return Err(InferError::Option {
                option: "--batch-tokens",
                found: "0".to_string(),
                expected: "at least 1".to_string(),
            });
        }
        Ok(Self { trained, batch_tokens })
    }

    /// Translates texts, one result per text, in order; an empty text gives an empty one.
    ///
    /// `first_line` numbers the texts in error messages.
    ///
    /// # Errors
    /// A text longer than the model's positions, or a device that fails.
    pub fn translate(&self, texts: &[String], first_line: usize) -> Result<Vec<Translation>, InferError> {
        let mut outputs: Vec<Option<Decoded>> = vec![None; texts.len()];
        let mut unknown = vec![0; texts.len()];
        let mut encoded = self.encode(texts, first_line)?;
        for source in &encoded {
            unknown[source.at] = source.ids.iter().filter(|&&id| id == UNKNOWN_ID).count();
        }
        encoded.sort_by_key(|source| source.ids.len());
        let mut rest = &encoded[..];
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(self.batch_size(rest));
            rest = others;
            let sources: Vec<Source> =
                batch.iter().map(|source| Source { ids: &source.ids, limit: source.limit }).collect();
            for (source, decoded) in batch.iter().zip(self.decode(&sources)?) {
                outputs[source.at] = Some(decoded);
            }
        }
        let all = texts.iter().zip(outputs).zip(unknown);
        all.map(|((source, decoded), unknown)| self.translation(source, decoded, unknown)).collect()
    }

    /// The best translation of each source, greedily or by beam search.
    pub(crate) fn decode(&self, sources: &[Source]) -> Result<Vec<Decoded>, InferError> {
        let TrainedModel { model, sizes, device, decoding, .. } = self.trained;
        if decoding.beam == 1 {
            return greedy(model, *sizes, sources, device);
        }
        let search = BeamSearch { beam: decoding.beam, length_penalty: decoding.length_penalty };
        let found = beam_search(model, *sizes, sources, search, device)?;
        let best = |hypotheses: Vec<Hypothesis>| hypotheses.into_iter().next().map(|best| best.decoded);
        Ok(found.into_iter().filter_map(best).collect())
    }

    /// Encodes the texts that are not empty.
    pub(crate) fn encode(&self, texts: &[String], first_line: usize) -> Result<Vec<Encoded>, InferError> {
        let mut encoded = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let mut ids = self.trained.source_tokenizer.encode(text)?;
            if ids.is_empty() {
                continue;
            }
            ids.push(END_ID);
            if ids.len() > self.trained.config.max_length {
                return Err(InferError::TooLong {
                    number: first_line + at,
                    found: ids.len(),
                    limit: self.trained.config.max_length,
                });
            }
            let limit = self.trained.decoding.limit(ids.len(), &self.trained.config);
            encoded.push(Encoded { at, ids, limit });
        }
        Ok(encoded)
    }

    /// How many of the sources, sorted by length, fit into one batch; at least one.
    fn batch_size(&self, sorted: &[Encoded]) -> usize {
        let most = (MOST_ROWS / self.trained.decoding.beam).max(1);
        let fits = |count: &usize| count * sorted[count - 1].ids.len() <= self.batch_tokens && *count <= most;
        (2..=sorted.len()).take_while(fits).last().unwrap_or(1)
    }

    fn translation(&self, source: &str, decoded: Option<Decoded>, unknown: usize) -> Result<Translation, InferError> {
        let decoded = decoded.unwrap_or(Decoded { ids: Vec::new(), finished: true });
        let tokenizer = &self.trained.target_tokenizer;
        Ok(Translation {
            source: source.to_string(),
            text: tokenizer.decode(&decoded.ids)?,
            tokens: decoded.ids.iter().map(|&id| tokenizer.token(id).unwrap_or_default().to_string()).collect(),
            finished: decoded.finished,
            unknown,
        })
    }
}
