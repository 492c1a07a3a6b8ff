//! How probable given translations are.

use text::{END_ID, Pair, UNKNOWN_ID};

use crate::engine::Engine;
use crate::error::DecodeError;
use crate::search::greedy::row_by_row;
use crate::search::hypothesis::{Hypothesis, Source};
use crate::search::logits_processor::Rules;
use crate::translation::{Target, Translation};
use crate::translator::{Item, Translator};
use runs::config::LengthPenalty;

/// Scores each target (ids without `</s>`) given its source, as if the decoder had found it, `</s>` included.
///
/// # Errors
/// A device that fails, or a model whose logits are not finite.
pub fn score(
    engine: &Engine,
    pairs: &[(Source, &[u32])],
    length_penalty: LengthPenalty,
) -> Result<Vec<Hypothesis>, DecodeError> {
    let sources: Vec<Source> =
        pairs.iter().map(|(source, target)| Source { least: 0, limit: target.len() + 1, ..*source }).collect();
    let rows: Vec<usize> = (0..sources.len()).collect();
    row_by_row(engine, &sources, &rows, &Rules::default(), length_penalty, |row, said, _| {
        pairs[row].1.get(said).copied().unwrap_or(END_ID)
    })
}

impl Translator<'_> {
    /// How probable given translations are, as the decoder would score them: one result per pair, in order. `first_line`
    /// numbers the pairs. An empty source counts as a bare `</s>`. A target is cut into tokens as in training, and ended with
    /// `</s>`: a decoder may have said the same text in other tokens.
    ///
    /// # Errors
    /// A text longer than the model's positions, or a device that fails.
    pub fn score(&self, pairs: &[Pair], first_line: usize) -> Result<Vec<Translation>, DecodeError> {
        let trained = self.trained();
        let mut encoded = Vec::with_capacity(pairs.len());
        for (at, pair) in pairs.iter().enumerate() {
            let place = first_line + at;
            let mut source = self.encode(&Item { text: &pair.source, place })?;
            if source.is_empty() {
                source.push(END_ID);
            }
            let target = trained.target_tokenizer.encode(&pair.target)?;
            let (found, limit) = (target.len() + 1, trained.config.max_length);
            if found > limit {
                return Err(DecodeError::TargetTooLong { place: format!("target {place}"), found, limit });
            }
            encoded.push((at, source, target));
        }
        encoded.sort_by_key(|(_, source, target)| source.len().max(target.len() + 1));
        let lengths: Vec<usize> =
            encoded.iter().map(|(_, source, target)| source.len().max(target.len() + 1)).collect();
        let batches = self.cut(&lengths, 1).into_iter().map(|batch| &encoded[batch]).collect();
        let scored = self.share(batches, |batch: &[(usize, Vec<u32>, Vec<u32>)]| {
            let pairs: Vec<(Source, &[u32])> =
                batch.iter().map(|(at, source, target)| (self.source(source, first_line + at), &target[..])).collect();
            let scored = score(&trained.engine, &pairs, self.settings().decoding.length_penalty)?;
            let targets = pairs.iter().zip(scored).map(|((source, _), found)| self.target(source, found));
            targets.collect::<Result<Vec<Target>, DecodeError>>()
        })?;
        let mut results: Vec<Option<Translation>> = pairs.iter().map(|_| None).collect();
        for ((at, source, _), mut best) in encoded.iter().zip(scored.into_iter().flatten()) {
            let unknown = source.iter().filter(|&&id| id == UNKNOWN_ID).count();
            best.text.clone_from(&pairs[*at].target);
            let source = pairs[*at].source.clone();
            results[*at] = Some(Translation { source, unknown, best, alternatives: Vec::new() });
        }
        Ok(results.into_iter().flatten().collect())
    }
}
