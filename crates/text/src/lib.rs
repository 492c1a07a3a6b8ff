//! From text to ids and back: tokenizers, parallel corpora, quality metrics.
//!
//! A [`Tokenizer`] converts a line of text to ids and back, a [`ParallelReader`] yields sentence pairs from files, and
//! [`metrics`] compares translations with their references. This crate has no tensors and no networks.
//!
//! ```
//! use text::{Tokenizer, END_ID, UNKNOWN_ID};
//!
//! // The vocabulary of a generated task: `</s>`, `<unk>`, the symbols in order, `<pad>`.
//! let digits = Tokenizer::from_words(&["0", "1", "2"]);
//! assert_eq!((END_ID, UNKNOWN_ID, digits.pad_id()), (0, 1, 5));
//! assert_eq!(digits.encode("2 0 7").unwrap(), [4, 2, UNKNOWN_ID]);
//! assert_eq!(digits.decode(&[4, 2, END_ID]).unwrap(), "2 0");
//! ```

mod blank;
mod case;
pub mod corpus;
mod error;
mod frame;
pub mod metrics;
mod special_ids;
mod special_tokens;
pub mod tokenizer;

pub use blank::is_blank;
pub use case::lowercase;
pub use corpus::{Pair, ParallelPath, ParallelReader, Shards, read_parallel, reject_shared_pipes};
pub use error::{FieldError, TextError};
pub use frame::{Frame, Frames, LanguageNames, Languages, Role, Template};
pub use metrics::{exact_match, token_error_rate};
pub use special_ids::SpecialIds;
pub use special_tokens::{END_ID, UNKNOWN_ID};
pub use tokenizer::sentencepiece::{Normalization, PieceKind, SentencePieces};
pub use tokenizer::{Direction, NormalizationRule, Tokenizer, TokenizerConfig, TokenizerKind};
