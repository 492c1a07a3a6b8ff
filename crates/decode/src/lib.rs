//! Decoding with a trained Transformer: engines, search, scoring and alignment.
//!
//! ```text
//! text ─▶ Translator ─▶ search (greedy, beam, sampling) ─▶ engine (CPU, network) ─▶ text
//!         tokenises,      chooses tokens by logits after    computes the logits
//!         batches         the logits processors             of the next token
//! ```
//!
//! [`TrainedModel`] opens a run folder, and [`Translator`] translates texts under [`Settings`]. [`engine`] has two
//! implementations of the network behind one trait, and [`search`] the algorithms that choose tokens. [`scoring`] computes
//! the log-probability of given translations, [`alignment`] the source token of each target token, and [`shortlist`]
//! restricts the target vocabulary. [`two_directions`] combines models that read and write tokens in different orders.

pub mod alignment;
mod batching;
pub mod engine;
pub mod error;
mod input;
mod prefix;
pub mod scoring;
pub mod search;
pub mod settings;
pub mod shortlist;
pub mod text_problem;
pub mod trained_model;
pub mod translation;
pub mod translator;
pub mod two_directions;

pub use engine::Engine;
pub use error::DecodeError;
pub use model::ConfigError;
pub use settings::Settings;
pub use text_problem::{Side, TextProblem, TooLong};
pub use trained_model::TrainedModel;
pub use translation::{Translation, TranslationResult};
pub use translator::{EncodedInput, Input, Translator};
