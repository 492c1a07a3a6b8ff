//! Texts in, texts out: encodes, sorts by length into batches, decodes, restores the order.

use std::ops::Range;

use model::ConfigError;
use text::{END_ID, UNKNOWN_ID};

use crate::alignment::align;
use crate::batching::{self, Limits};
use crate::error::DecodeError;
use crate::search::beam::{BeamSearch, beam_search};
use crate::search::greedy::greedy;
use crate::search::hypothesis::{Hypothesis, Source};
use crate::search::logits_processor::Rules;
use crate::search::sampling::sample;
use crate::settings::Settings;
use crate::trained_model::TrainedModel;
use crate::translation::{Target, Translation};

/// Decodes texts with a trained model. What becomes of a text does not depend on what it is decoded with.
pub struct Translator<'a> {
    trained: &'a TrainedModel,
    settings: Settings,
    /// The ids of `settings.prefix`.
    prefix: Vec<u32>,
    batch_tokens: usize,
    workers: usize,
}

/// Source tokens of a batch, padding included, unless `with_batch_tokens` sets another bound.
pub const BATCH_TOKENS: usize = 2048;

/// A text to translate.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub text: &'a str,
    /// Its place in its input, counted from 1: names it in errors, and keys what is drawn at random for it.
    pub place: usize,
}

/// A source ready for the model, with its place among the items.
pub(crate) struct Encoded {
    at: usize,
    place: usize,
    pub(crate) ids: Vec<u32>,
}

impl<'a> Translator<'a> {
    /// A translator with the default bound of a batch and a worker for each core.
    ///
    /// # Errors
    /// Settings that are out of range or contradict each other or the model; a prefix that leaves no room for more tokens
    /// or that the vocabulary lacks.
    pub fn new(trained: &'a TrainedModel, settings: Settings) -> Result<Self, DecodeError> {
        settings.validate(trained)?;
        let prefix = trained.target_tokenizer.encode(&settings.prefix)?;
        let (found, limit) = (prefix.len() + 1, trained.config.max_length);
        if found > limit {
            return Err(DecodeError::PrefixTooLong { field: "prefix".to_string(), found, limit });
        }
        if prefix.contains(&UNKNOWN_ID) {
            let expected = "text that the target's vocabulary has tokens for";
            return Err(ConfigError::new("prefix", settings.prefix, expected, "choose other words").into());
        }
        let workers = rayon::current_num_threads();
        Ok(Self { trained, settings, prefix, batch_tokens: BATCH_TOKENS, workers })
    }

    /// Bounds the source tokens of a batch, padding included.
    ///
    /// # Errors
    /// A bound of zero.
    pub fn with_batch_tokens(mut self, batch_tokens: usize) -> Result<Self, DecodeError> {
        if batch_tokens == 0 {
            return Err(
                ConfigError::new("batch_tokens", 0, "at least 1", format!("{BATCH_TOKENS} is the default")).into()
            );
        }
        self.batch_tokens = batch_tokens;
        Ok(self)
    }

    /// Decodes up to so many batches at the same time, each on a thread of its own.
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Translates texts: one result per text, in order. An empty text gives an empty translation.
    ///
    /// # Errors
    /// A text longer than the model's positions, or a device that fails.
    pub fn translate(&self, texts: &[impl AsRef<str>]) -> Result<Vec<Translation>, DecodeError> {
        self.translate_from(texts, 1)
    }

    /// Translates texts that are lines `first_line`, `first_line + 1`, … of an input.
    ///
    /// # Errors
    /// As [`translate`](Self::translate).
    pub fn translate_from(
        &self,
        texts: &[impl AsRef<str>],
        first_line: usize,
    ) -> Result<Vec<Translation>, DecodeError> {
        let items = texts.iter().zip(first_line..).map(|(text, place)| Item { text: text.as_ref(), place });
        self.translate_items(&items.collect::<Vec<Item>>())
    }

    /// The same for texts of several inputs.
    ///
    /// # Errors
    /// As [`translate`](Self::translate).
    pub fn translate_items(&self, items: &[Item]) -> Result<Vec<Translation>, DecodeError> {
        let mut encoded = Vec::with_capacity(items.len());
        let mut unknown = vec![0; items.len()];
        for (at, item) in items.iter().enumerate() {
            let ids = self.encode(item)?;
            unknown[at] = ids.iter().filter(|&&id| id == UNKNOWN_ID).count();
            if !ids.is_empty() {
                encoded.push(Encoded { at, place: item.place, ids });
            }
        }
        encoded.sort_by_key(|source| source.ids.len());
        let lengths: Vec<usize> = encoded.iter().map(|source| source.ids.len()).collect();
        let rows = self.settings.rows_per_sentence();
        let batches = self.cut(&lengths, rows).into_iter().map(|batch| &encoded[batch]).collect();
        let found = self.share(batches, |batch: &[Encoded]| self.batch(batch))?;

        let mut targets: Vec<Option<Vec<Target>>> = items.iter().map(|_| None).collect();
        for (source, found) in encoded.iter().zip(found.into_iter().flatten()) {
            targets[source.at] = Some(found);
        }
        let empty = || vec![Target::empty(self.settings.alignment.is_some())];
        let all = items.iter().zip(targets).zip(unknown).map(|((item, targets), unknown)| {
            let mut targets = targets.unwrap_or_else(empty).into_iter();
            let best = targets.next().unwrap_or_else(|| Target::empty(false));
            Translation { source: item.text.to_string(), unknown, best, alternatives: targets.collect() }
        });
        Ok(all.collect())
    }

    /// The source ids of a text, `</s>` included; none of an empty one. This is all that can go wrong with a text.
    ///
    /// # Errors
    /// A text longer than the model's positions.
    pub fn encode(&self, item: &Item) -> Result<Vec<u32>, DecodeError> {
        let mut ids = self.trained.source_tokenizer.encode(item.text)?;
        if !ids.is_empty() {
            ids.push(END_ID);
        }
        match (ids.len(), self.trained.config.max_length) {
            (found, limit) if found > limit => Err(DecodeError::TooLong { number: item.place, found, limit }),
            _ => Ok(ids),
        }
    }

    /// The hypotheses of each source, best first.
    pub fn decode(&self, sources: &[Source]) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
        let Settings { decoding, sampling, n_best, .. } = &self.settings;
        let (engine, beam, length_penalty) = (&self.trained.engine, decoding.beam, decoding.length_penalty);
        let rules = Rules {
            prefix: &self.prefix,
            no_repeat_ngram: decoding.no_repeat_ngram,
            repetition_penalty: decoding.repetition_penalty,
        };
        let mut found = match (sampling, beam) {
            (Some(sampling), _) => sample(engine, sources, *n_best, sampling, &rules, length_penalty)?,
            (None, 1) => greedy(engine, sources, &rules, length_penalty)?.into_iter().map(|best| vec![best]).collect(),
            (None, _) => beam_search(engine, sources, &rules, BeamSearch { beam, length_penalty })?,
        };
        found.iter_mut().for_each(|hypotheses| hypotheses.truncate(*n_best));
        Ok(found)
    }

    /// A source as the decoders take it.
    pub fn source<'s>(&self, ids: &'s [u32], place: usize) -> Source<'s> {
        let decoding = &self.settings.decoding;
        // A prefix has room, and what follows it too.
        let limit = decoding.limit(ids.len(), &self.trained.config).max(self.prefix.len() + 1);
        Source { ids, least: decoding.least(ids.len()), limit, place }
    }

    /// What is made of a hypothesis for its reader.
    pub(crate) fn target(&self, source: &Source, found: Hypothesis) -> Result<Target, DecodeError> {
        let alignment = match self.settings.alignment {
            Some(heads) => Some(align(self.trained, source.ids, &found.ids, heads)?),
            None => None,
        };
        Target::new(found, alignment, &self.trained.target_tokenizer)
    }

    /// Batches of sentences that are sorted by these lengths and take so many rows each.
    pub(crate) fn cut(&self, sorted_lengths: &[usize], rows_per_sentence: usize) -> Vec<Range<usize>> {
        let sentences = self.trained.engine.most_rows() / rows_per_sentence;
        batching::cut(sorted_lengths, Limits { tokens: self.batch_tokens, sentences, workers: self.workers() })
    }

    /// Does the same to all batches, several at a time.
    pub(crate) fn share<T: Send, R: Send>(
        &self,
        batches: Vec<T>,
        work: impl Fn(T) -> Result<R, DecodeError> + Sync,
    ) -> Result<Vec<R>, DecodeError> {
        batching::share(batches, self.workers(), work)
    }

    pub(crate) fn trained(&self) -> &TrainedModel {
        self.trained
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    fn batch(&self, batch: &[Encoded]) -> Result<Vec<Vec<Target>>, DecodeError> {
        let sources: Vec<Source> = batch.iter().map(|source| self.source(&source.ids, source.place)).collect();
        let found = self.decode(&sources)?;
        let targets = |(source, hypotheses): (&Source, Vec<Hypothesis>)| {
            hypotheses.into_iter().map(|found| self.target(source, found)).collect()
        };
        sources.iter().zip(found).map(targets).collect()
    }

    fn workers(&self) -> usize {
        if self.trained.engine.gains_by_workers() { self.workers } else { 1 }
    }
}
