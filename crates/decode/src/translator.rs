//! The translator: texts in, texts out. It tokenises, sorts by length into batches, decodes and restores the order.

use std::ops::{Deref, Range};
use std::sync::Arc;

use model::ConfigError;
use text::Frames;

use crate::batching::{self, Limits};
use crate::engine::Engine;
use crate::error::DecodeError;
pub use crate::input::{EncodedInput, Input};
use crate::prefix;
use crate::search::beam::beam_search;
use crate::search::greedy::greedy;
use crate::search::hypothesis::{DecodeInput, Hypothesis};
use crate::search::logits_processor::Constraints;
use crate::search::options::SearchOptions;
use crate::search::sampling::sample;
use crate::settings::Settings;
use crate::shortlist::Restricted;
use crate::text_problem::{Place, TextProblem, fit};
use crate::trained_model::TrainedModel;
use crate::translation::{Translation, TranslationResult};
use crate::two_directions;

/// Decodes texts with a trained model. A text's translation does not depend on the texts decoded with it.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use decode::{TrainedModel, Translator};
/// let device = model::backend::choose(None)?.open()?;
/// let model = TrainedModel::open("runs/tiny".as_ref(), &device)?;
/// let translator = Translator::new(&model, model.settings())?;
/// for result in translator.translate(&["3 1 4", "1 5 9"])? {
///     println!("{}", result.best.text);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Translator<'a> {
    model: ModelRef<'a>,
    settings: Settings,
    /// The tokens around texts.
    frames: Frames,
    /// The first ids of every target: those of its frame, and those of `settings.prefix`.
    prefix: Vec<u32>,
    batch_tokens: usize,
    workers: usize,
}

/// The model of a translator: borrowed, or shared with other threads.
enum ModelRef<'a> {
    Borrowed(&'a TrainedModel),
    Shared(Arc<TrainedModel>),
}

impl Deref for ModelRef<'_> {
    type Target = TrainedModel;

    fn deref(&self) -> &TrainedModel {
        match self {
            Self::Borrowed(model) => model,
            Self::Shared(model) => model,
        }
    }
}

/// The default bound of a batch, in source tokens, padding included.
pub const BATCH_TOKENS: usize = 2048;

impl Translator<'static> {
    /// A translator that other threads can hold as long as they need it. Otherwise as [`new`](Self::new).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn new_shared(model: Arc<TrainedModel>, settings: Settings) -> Result<Self, DecodeError> {
        Self::with_model(ModelRef::Shared(model), settings)
    }
}

impl<'a> Translator<'a> {
    /// A translator with the default bound of a batch and a worker for each core.
    ///
    /// # Errors
    /// Settings that are out of range or contradict each other or the model, such as an unknown language; a prefix that
    /// leaves no room for more tokens or that the vocabulary lacks.
    pub fn new(model: &'a TrainedModel, settings: Settings) -> Result<Self, DecodeError> {
        Self::with_model(ModelRef::Borrowed(model), settings)
    }

    fn with_model(model: ModelRef<'a>, settings: Settings) -> Result<Self, DecodeError> {
        settings.validate(&model.config)?;
        two_directions::check(&settings, &model)?;
        let frames = model.frames(settings.decoding.languages())?;
        let prefix = prefix::ids(&settings.prefix, &model, &frames)?;
        let workers = rayon::current_num_threads();
        Ok(Self { model, settings, frames, prefix, batch_tokens: BATCH_TOKENS, workers })
    }

    /// Bounds the source tokens of a batch, padding included.
    ///
    /// # Errors
    /// A bound of zero.
    pub fn with_batch_tokens(mut self, batch_tokens: usize) -> Result<Self, DecodeError> {
        if batch_tokens == 0 {
            let remedy = format!("{BATCH_TOKENS} is the default");
            return Err(ConfigError::new("batch_tokens", 0, "at least 1", remedy).into());
        }
        self.batch_tokens = batch_tokens;
        Ok(self)
    }

    /// Decodes up to this many batches at once, each on a thread of its own.
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Translates texts: one result per text, in order. A blank text ([`text::is_blank`]) has the empty translation, and a
    /// line break in a text is a space.
    ///
    /// # Errors
    /// A text longer than the model's positions, unless the settings crop or skip it, or a device that fails.
    pub fn translate(&self, texts: &[impl AsRef<str>]) -> Result<Vec<TranslationResult>, DecodeError> {
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
    ) -> Result<Vec<TranslationResult>, DecodeError> {
        let lines = texts.iter().zip(first_line..);
        let inputs = lines.map(|(text, line)| self.encode_line(text.as_ref(), line)).collect::<Result<Vec<_>, _>>()?;
        self.translate_encoded(&inputs)
    }

    /// Tokenises a text. No other step of a translation can reject a text.
    ///
    /// # Errors
    /// A text longer than the model's positions, or one that the tokenizer rejects, unless the settings crop or skip it.
    pub fn encode(&self, input: &Input) -> Result<EncodedInput, DecodeError> {
        self.encode_line(input.text, input.line)
    }

    pub(crate) fn encode_line(&self, text: &str, line: usize) -> Result<EncodedInput, DecodeError> {
        let limit = self.model.config.max_length;
        let error = |found| DecodeError::TooLong { number: line, found, limit };
        let ids = self.model.source_tokenizer.encode_text(&self.settings.decoding.prefixed(text));
        let (ids, problem) = fit(ids, Place::Source(&self.frames.source), limit, self.settings.too_long, error)?;
        Ok(EncodedInput { text: text.to_string(), line, ids, problem })
    }

    /// The ids of a given target with those before its text and without `</s>`, and why they are not the whole text.
    /// `number` is that of its pair, from 1.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub(crate) fn encode_target(
        &self,
        text: &str,
        number: usize,
    ) -> Result<(Vec<u32>, Option<TextProblem>), DecodeError> {
        let limit = self.model.config.max_length;
        let error = |found| DecodeError::TargetTooLong { number: Some(number), found, limit };
        let ids = self.model.target_tokenizer.encode_text(text);
        fit(ids, Place::Target(&self.frames.target), limit, self.settings.too_long, error)
    }

    /// Translates texts that are tokenised already: one result per text, in order.
    ///
    /// # Errors
    /// A device that fails, or a model whose logits are not finite.
    pub fn translate_encoded(&self, inputs: &[EncodedInput]) -> Result<Vec<TranslationResult>, DecodeError> {
        let mut sorted: Vec<(usize, &EncodedInput)> =
            inputs.iter().enumerate().filter(|(_, input)| !input.ids.is_empty()).collect();
        sorted.sort_by_key(|(_, input)| input.ids.len());
        let lengths: Vec<usize> = sorted.iter().map(|(_, input)| input.ids.len()).collect();
        let rows = self.rows_per_sentence();
        let batches = self.split_into_batches(&lengths, rows).into_iter().map(|batch| &sorted[batch]).collect();
        let found = self.parallel_map(batches, |batch: &[(usize, &EncodedInput)]| self.translate_batch(batch))?;

        let mut translations: Vec<Option<Vec<Translation>>> = inputs.iter().map(|_| None).collect();
        for ((at, _), found) in sorted.iter().zip(found.into_iter().flatten()) {
            translations[*at] = Some(found);
        }
        let results = inputs.iter().zip(translations).map(|(input, translations)| {
            let mut translations = translations.unwrap_or_default().into_iter();
            let aligned = self.settings.alignment.is_some();
            let best = translations.next().unwrap_or_else(|| match &input.problem {
                Some(problem) if problem.is_skipped() => Translation::skipped(String::new(), aligned),
                Some(_) | None => Translation::empty(aligned),
            });
            let (source, unknown, problem) = (input.text.clone(), input.unknown(), input.problem.clone());
            TranslationResult { source, unknown, problem, best, alternatives: translations.collect() }
        });
        Ok(results.collect())
    }

    /// The hypotheses of each input, best first.
    ///
    /// # Errors
    /// A device that fails, or a model whose logits are not finite.
    pub fn decode(&self, inputs: &[DecodeInput]) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
        let mut found = match &self.model.opposite {
            None => self.search(&*self.model.engine, inputs)?,
            Some(opposite) => self.decode_both(opposite, inputs)?,
        };
        found.iter_mut().for_each(|hypotheses| hypotheses.truncate(self.settings.n_best));
        Ok(found)
    }

    /// The hypotheses of each input that search finds with one engine, best first.
    pub(crate) fn search(
        &self,
        engine: &dyn Engine,
        inputs: &[DecodeInput],
    ) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
        let Settings { decoding, sampling, n_best, alignment, .. } = &self.settings;
        let shortlist = self.model.shortlist.as_ref();
        let (start, forced) = (self.frames.target.start, &self.prefix[..]);
        let restricted =
            shortlist.map(|shortlist| Restricted::new(engine, shortlist, inputs, &[forced, &[start]].concat()));
        let (engine, start, prefix): (&dyn Engine, _, _) = match &restricted {
            Some(restricted) => (restricted, restricted.index(start), restricted.indices(forced)),
            None => (engine, start, forced.to_vec()),
        };
        let start_counts = self.frames.target.start != self.model.target_tokenizer.pad_id();
        let (given, counted) = (self.frames.target.before.len(), start_counts.then_some(start));
        let options = SearchOptions {
            start: Some(start),
            constraints: Constraints::new(&prefix, given, counted, decoding),
            length_penalty: decoding.length_penalty,
            alignment: *alignment,
        };
        let mut found = match (sampling, decoding.beam) {
            (Some(sampling), _) => sample(engine, inputs, *n_best, sampling, &options)?,
            (None, 1) => greedy(engine, inputs, &options)?.into_iter().map(|best| vec![best]).collect(),
            (None, beam) => beam_search(engine, inputs, beam, &options)?,
        };
        if let Some(restricted) = &restricted {
            found.iter_mut().flatten().for_each(|hypothesis| restricted.restore(&mut hypothesis.ids));
        }
        Ok(found)
    }

    /// A source as search takes it, with its limits on length.
    pub fn input<'s>(&self, encoded: &'s EncodedInput) -> DecodeInput<'s> {
        let (ids, decoding) = (&encoded.ids[..], &self.settings.decoding);
        // A prefix has room, and one token after it.
        let max_len = decoding.max_len(ids.len(), &self.model.config).max(self.prefix.len() + 1);
        DecodeInput { ids, min_len: decoding.min_len(ids.len()), max_len, index: encoded.line }
    }

    /// The text of a hypothesis, with its tokens and scores.
    pub(crate) fn translation(&self, found: Hypothesis) -> Result<Translation, DecodeError> {
        Translation::new(found, self.settings.alignment.is_some(), &self.model.target_tokenizer)
    }

    /// Batches of sentences that are sorted by these lengths and take this many rows each.
    pub(crate) fn split_into_batches(&self, sorted_lengths: &[usize], rows_per_sentence: usize) -> Vec<Range<usize>> {
        let sentences = self.model.max_rows(rows_per_sentence) / rows_per_sentence;
        let limits = Limits { tokens: self.batch_tokens, sentences, workers: self.workers() };
        batching::split_into_batches(sorted_lengths, limits)
    }

    /// Maps all batches, several at a time.
    pub(crate) fn parallel_map<T: Send, R: Send>(
        &self,
        batches: Vec<T>,
        map: impl Fn(T) -> Result<R, DecodeError> + Sync,
    ) -> Result<Vec<R>, DecodeError> {
        batching::parallel_map(batches, self.workers(), map)
    }

    /// The model that translates.
    pub fn model(&self) -> &TrainedModel {
        &self.model
    }

    /// The tokens around texts.
    pub fn frames(&self) -> &Frames {
        &self.frames
    }

    /// The settings of every translation.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn translate_batch(&self, batch: &[(usize, &EncodedInput)]) -> Result<Vec<Vec<Translation>>, DecodeError> {
        let inputs: Vec<DecodeInput> = batch.iter().map(|(_, encoded)| self.input(encoded)).collect();
        let found = self.decode(&inputs)?;
        found.into_iter().map(|all| all.into_iter().map(|found| self.translation(found)).collect()).collect()
    }

    fn workers(&self) -> usize {
        if self.model.engine.supports_workers() { self.workers } else { 1 }
    }
}
