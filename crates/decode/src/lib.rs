//! A trained folder put to work: [`TrainedModel`] opens it, [`Translator`] turns texts into texts as [`Settings`] say, and
//! [`stream`] connects it to lines of standard input. [`mod@attend`] shows what a model looks at on the way.
//!
//! Beneath are the decoders, [`greedy`], [`mod@sample`] and [`beam`], which choose among what the [`rules`] allow, and the
//! [`engine`] that they drive. [`scoring`] asks how probable given translations are, and [`alignment`] from which source
//! token each target token comes.

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

pub use error::DecodeError;
pub use model::ConfigError;
pub use settings::Settings;
pub use trained_model::TrainedModel;
pub use translation::{Target, Translation};
pub use translator::Translator;
