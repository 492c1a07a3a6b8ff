//! A trained folder put to work: [`TrainedModel`] opens it, [`Translator`] turns texts into texts as [`Settings`] say, and
//! [`stream`] connects it to lines of standard input. [`mod@attend`] shows what a model looks at on the way.
//!
//! Beneath are the decoders, [`greedy`], [`mod@sample`] and [`beam`], which choose among what the [`rules`] allow, and the
//! [`engine`] that they drive. [`scoring`] asks how probable given translations are, and [`alignment`] from which source
//! token each target token comes.

#[cfg(not(any(feature = "flex", feature = "ndarray", feature = "wgpu", feature = "vulkan", feature = "cuda")))]
compile_error!(
    "no backend: build with `--features flex` (CPU, the default), `ndarray`, `wgpu`, `vulkan` or `cuda`, \
     for example `cargo run -p infer --no-default-features --features wgpu -- …`"
);

pub mod alignment;
pub mod attend;
mod batches;
pub mod beam;
pub mod config;
pub mod decoded;
pub mod engine;
pub mod error;
pub mod greedy;
#[cfg(feature = "marian")]
pub mod marian;
pub mod place;
pub mod rules;
pub mod sample;
pub mod scoring;
#[cfg(feature = "serve")]
pub mod serve;
pub mod settings;
pub mod stream;
pub mod trained;
pub mod translation;
pub mod translator;
pub mod whole;

pub use config::{DecodingConfig, LengthPenalty};
pub use error::InferError;
pub use settings::Settings;
pub use trained::TrainedModel;
pub use translation::{Target, Translation};
pub use translator::Translator;
