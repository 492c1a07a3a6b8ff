//! Vocabulary shortlists: the target tokens that a source may need, so that no logits are computed for the others.
//!
//! A shortlist has a list of target tokens for each source token, and tokens that every source gets. The candidates of a
//! sentence are those of its tokens, its own tokens if both sides share a vocabulary, `</s>` and `<unk>`. Sentences of a
//! batch share one product, but each keeps its own candidates: a translation does not depend on its batch. Probabilities
//! are normalised over the candidates.

mod counts;
mod file;
mod restricted;

use std::ops::Range;
use std::path::Path;

use runs::SavedModel;
use text::{END_ID, UNKNOWN_ID};

pub use counts::AlignmentCounts;
pub(crate) use restricted::Restricted;

use crate::error::DecodeError;
use file::Lists;

/// Target tokens by source token.
#[derive(Clone, Debug)]
pub struct Shortlist {
    /// Target ids of every source.
    frequent: Vec<u32>,
    /// Place in `targets` of each source id's list.
    places: Vec<Range<usize>>,
    targets: Vec<u32>,
    /// Whether both sides have one vocabulary.
    joint: bool,
    /// `<pad>`, the last target id.
    pad: u32,
}

impl Shortlist {
    /// Reads a file in Marian's binary format (`lex.*.bin`), made for this model.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or has tokens that the model lacks.
    pub fn open(path: &Path, model: &SavedModel) -> Result<Self, DecodeError> {
        let wrong = |found: String, expected: &str| DecodeError::Shortlist {
            path: path.to_path_buf(),
            found,
            expected: expected.to_string(),
        };
        let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string(), "a file that can be read"))?;
        let lists = Lists::read(&bytes).map_err(|(found, expected)| wrong(found, expected))?;
        let [source, target] = [model.sizes.source, model.sizes.target];
        let sources = lists.offsets.len() - 1;
        if sources > source || lists.first > target {
            let expected = format!("at most the model's {source} and {target}");
            return Err(wrong(format!("{sources} source and {} target tokens", lists.first), &expected));
        }
        if let Some(id) = lists.targets.iter().find(|&&id| id as usize >= target) {
            return Err(wrong(format!("the target token {id}"), &format!("tokens below {target}, the model's")));
        }
        // Files have the ids of the program that the model comes from.
        let source_ids = model.source_tokenizer.special_ids().new_ids(source);
        let target_ids: Vec<u32> =
            model.target_tokenizer.special_ids().new_ids(target).into_iter().map(|id| id as u32).collect();
        let mut places = vec![0..0; source];
        for (id, ends) in lists.offsets.windows(2).enumerate() {
            places[source_ids[id]] = ends[0]..ends[1];
        }
        Ok(Self {
            frequent: target_ids[..lists.first].to_vec(),
            places,
            targets: lists.targets.iter().map(|&id| target_ids[id as usize]).collect(),
            joint: std::sync::Arc::ptr_eq(&model.source_tokenizer, &model.target_tokenizer),
            pad: target as u32 - 1,
        })
    }

    /// The candidates of a source sentence, ascending; `</s>`, `<unk>` and `<pad>` are among them.
    pub fn candidates(&self, source: &[u32]) -> Vec<u32> {
        let mut candidates = vec![END_ID, UNKNOWN_ID, self.pad];
        candidates.extend_from_slice(&self.frequent);
        for &id in source {
            candidates.extend_from_slice(&self.targets[self.places[id as usize].clone()]);
        }
        if self.joint {
            candidates.extend_from_slice(source);
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }
}
