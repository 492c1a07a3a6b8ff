//! Decoding with a trained Transformer: engines, search, scoring and alignment.
//!
//! ```text
//! text ─▶ Translator ─▶ search (greedy, beam, sampling) ─▶ engine (CPU, network) ─▶ text
//!         tokenises,      chooses tokens among the          computes the logits
//!         batches         logits that constraints process   of the next token
//! ```
//!
//! [`TrainedModel`] opens a run folder; [`Translator`] turns texts into texts under [`Settings`]. [`engine`] holds the
//! network in two forms behind one trait, [`search`] the ways to choose tokens, [`scoring`] the log-probability of given
//! translations, and [`alignment`] the source token of each target token. No part depends on a command line.

pub mod alignment;
mod batching;
pub mod engine;
pub mod error;
pub mod scoring;
pub mod search;
pub mod settings;
pub mod trained_model;
pub mod translation;
pub mod translator;

pub use engine::Engine;
pub use error::DecodeError;
pub use model::ConfigError;
pub use settings::Settings;
pub use trained_model::TrainedModel;
pub use translation::{Translation, TranslationResult};
pub use translator::{EncodedInput, Input, Translator};
