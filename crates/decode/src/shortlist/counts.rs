//! Shortlists from a corpus: the model's own alignments, counted.

use std::cmp::Reverse;
use std::collections::HashMap;

use runs::SavedModel;
use text::Pair;

use super::file::Lists;
use crate::alignment::AlignmentHeads;
use crate::error::DecodeError;
use crate::scoring::score;
use crate::search::hypothesis::DecodeInput;
use crate::search::options::SearchOptions;
use crate::text_problem::TextProblem;
use crate::translator::{EncodedInput, Translator};

/// How often each target token is aligned with each source token.
#[derive(Clone, Debug, Default)]
pub struct AlignmentCounts {
    /// By source and target id.
    counts: HashMap<(u32, u32), u64>,
    pairs: usize,
}

impl AlignmentCounts {
    /// Aligns pairs with the cross-attention of the given heads and counts. Blank pairs, and those that the settings skip, do
    /// not count.
    ///
    /// # Errors
    /// A text longer than the model's positions, unless the settings crop or skip it, or a device that fails.
    pub fn add(
        &mut self,
        translator: &Translator,
        pairs: &[Pair],
        first_line: usize,
        heads: AlignmentHeads,
    ) -> Result<(), DecodeError> {
        let mut encoded: Vec<(EncodedInput, Vec<u32>)> = Vec::with_capacity(pairs.len());
        let skipped = |problem: &Option<TextProblem>| problem.as_ref().is_some_and(TextProblem::is_skipped);
        for (line, pair) in (first_line..).zip(pairs) {
            let source = translator.encode_line(&pair.source, line)?;
            let (target, problem) = translator.encode_target(&pair.target, line)?;
            if !(skipped(&source.problem) || skipped(&problem) || source.ids.is_empty() || target.is_empty()) {
                encoded.push((source, target));
            }
        }
        encoded.sort_by_key(|(source, target)| source.ids.len().max(target.len() + 1));
        let lengths: Vec<usize> =
            encoded.iter().map(|(source, target)| source.ids.len().max(target.len() + 1)).collect();
        let batches = translator.split_into_batches(&lengths, 1).into_iter().map(|batch| &encoded[batch]).collect();
        let start = Some(translator.frames().target.start);
        let options = SearchOptions { start, alignment: Some(heads), ..SearchOptions::default() };
        let engine = &*translator.model().engine;
        let aligned = translator.parallel_map(batches, |batch: &[(EncodedInput, Vec<u32>)]| {
            let pairs: Vec<(DecodeInput, &[u32])> =
                batch.iter().map(|(source, target)| (translator.input(source), &target[..])).collect();
            let found = score(engine, &pairs, &options)?;
            let mut links = Vec::new();
            for ((input, _), hypothesis) in pairs.iter().zip(found) {
                for (position, &target) in hypothesis.aligned.iter().zip(&hypothesis.ids) {
                    links.extend(position.map(|position| (input.ids[position], target)));
                }
            }
            Ok(links)
        })?;
        aligned.into_iter().flatten().for_each(|link| *self.counts.entry(link).or_default() += 1);
        self.pairs += encoded.len();
        Ok(())
    }

    /// The number of pairs counted.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// A file in Marian's binary format: for each source token the `best` targets most often aligned with it, and the first
    /// `first` tokens of the vocabulary for every source.
    pub fn to_file(&self, model: &SavedModel, first: usize, best: usize) -> Vec<u8> {
        let source_ids = model.source_tokenizer.special_ids().original_ids(model.sizes.source);
        let target_ids = model.target_tokenizer.special_ids().original_ids(model.sizes.target);
        let mut by_source: Vec<Vec<(Reverse<u64>, u32)>> = vec![Vec::new(); model.sizes.source];
        for (&(source, target), &count) in &self.counts {
            by_source[source_ids[source as usize]].push((Reverse(count), target_ids[target as usize] as u32));
        }
        let first = first.min(model.sizes.target);
        let mut lists = Lists { first, best, offsets: vec![0], targets: Vec::new() };
        for targets in &mut by_source {
            targets.sort_unstable();
            targets.truncate(best);
            let mut targets: Vec<u32> = targets.iter().map(|&(_, target)| target).collect();
            targets.sort_unstable();
            lists.targets.extend(targets);
            lists.offsets.push(lists.targets.len());
        }
        lists.write()
    }
}
