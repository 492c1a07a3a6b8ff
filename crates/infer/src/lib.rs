//! A trained folder put to work: [`TrainedModel`] opens it, [`Translator`] turns texts into texts, [`greedy`] and
//! [`beam`] are the decoders beneath, and [`stream`] connects it to lines of standard input. [`mod@attend`] shows what a
//! model looks at on the way.

#[cfg(not(any(feature = "flex", feature = "ndarray", feature = "wgpu", feature = "vulkan", feature = "cuda")))]
compile_error!(
    "no backend: build with `--features flex` (CPU, the default), `ndarray`, `wgpu`, `vulkan` or `cuda`, \
     for example `cargo run -p infer --no-default-features --features wgpu -- …`"
);

pub mod attend;
pub mod beam;
pub mod config;
pub mod decoded;
pub mod error;
pub mod greedy;
mod logits;
#[cfg(feature = "marian")]
pub mod marian;
pub mod stream;
pub mod trained;
pub mod translator;

pub use config::{DecodingConfig, LengthPenalty};
pub use error::InferError;
pub use trained::TrainedModel;
pub use translator::{Translation, Translator};
