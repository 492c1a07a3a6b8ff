//! The settings that every search has in common.

use runs::config::LengthPenalty;

use super::logits_processor::Constraints;
use crate::alignment::AlignmentHeads;

/// Settings that every search has in common.
#[derive(Debug, Default)]
pub struct SearchOptions<'a> {
    /// The token that the decoder reads first; `None` for that of the engine.
    pub start: Option<u32>,
    /// The forced prefix and the logits processors.
    pub constraints: Constraints<'a>,
    /// The divisor of scores.
    pub length_penalty: LengthPenalty,
    /// The heads that align target tokens, if they are aligned.
    pub alignment: Option<AlignmentHeads>,
}
