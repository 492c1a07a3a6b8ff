//! The Transformer of *Attention Is All You Need* (Vaswani et al. 2017), tensors in, tensors out.
//!
//! The modules in the order in which data pass through them, with their sections of the paper:
//!
//! | module | paper | content |
//! |---|---|---|
//! | [`embedding`] | 3.4 | token embeddings, √d scaling, weight tying, the output projection |
//! | [`position`] | 3.5 | sinusoids or learned positions |
//! | [`relative_position`] | – | terms of the scores by distance (T5) |
//! | [`attention`] | 3.2 | scaled dot-product and multi-head attention |
//! | [`feed_forward`] | 3.3 | the position-wise network |
//! | [`residual`] | 3.1, 5.4 | dropout, add, norm; the only place that distinguishes pre-norm and post-norm |
//! | [`encoder`], [`decoder`] | 3.1 | the two stacks |
//! | [`transformer`] | figure 1 | the whole model: `encode`, `decode`, `forward`, `step` |
//! | [`loss`] | 5.4 | label-smoothed cross-entropy over real tokens |
//!
//! Beside them:
//!
//! - [`config`] (sizes and options), [`batch`] (ids to padded tensors), [`mask`], [`cache`] (incremental decoding);
//! - [`forward_pass`] (dropout of one pass) and [`recorder`] (its attention);
//! - `linear` and [`norm`] (the smallest layers), `init` (initial weights), [`random`];
//! - [`parameters`] (visitors by name), [`weights`] and [`safetensors_reader`] (files), [`summary`];
//! - [`error`], and [`backend`] (the devices of this build).
//!
//! Shapes are written `[batch, len, d_model]`; in a mask `true` = hidden. Layers are plain structs of parameters with a
//! `forward` function and no hidden state; each module shows one with numbers that can be checked by hand.

pub mod attention;
pub mod backend;
pub mod batch;
pub mod cache;
pub mod config;
pub mod decoder;
pub mod device_index;
pub mod embedding;
pub mod encoder;
pub mod error;
pub mod feed_forward;
pub mod forward_pass;
mod init;
mod linear;
pub mod loss;
pub mod mask;
pub mod norm;
mod options;
pub mod parameters;
pub mod position;
pub mod quantised;
pub mod random;
pub mod recompute;
pub mod recorder;
pub mod relative_position;
pub mod residual;
pub mod safetensors_reader;
pub mod safetensors_writer;
pub mod ssru;
pub mod summary;
pub mod transformer;
pub mod weights;

pub use batch::Batch;
pub use cache::DecoderCache;
pub use config::{ModelConfig, VocabularySizes};
pub use error::ConfigError;
pub use forward_pass::Pass;
pub use mask::Mask;
pub use recorder::{AttentionKind, ByAttention};
pub use transformer::{Memory, Transformer};
