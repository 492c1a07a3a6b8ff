//! The Transformer of *Attention Is All You Need* (Vaswani et al. 2017), tensors in, tensors out.
//!
//! The modules in the order in which data passes through them; each names its section of the paper:
//!
//! | module | paper | what it holds |
//! |---|---|---|
//! | [`embedding`] | 3.4 | token embeddings, √d scaling, weight tying, the output projection |
//! | [`position`] | 3.5 | sinusoids or learned positions |
//! | [`attention`] | 3.2 | scaled dot-product and multi-head attention |
//! | [`feed_forward`] | 3.3 | the position-wise network |
//! | [`residual`] | 3.1, 5.4 | dropout, add, norm: the pre/post order is decided there alone |
//! | [`encoder`], [`decoder`] | 3.1 | the two stacks |
//! | [`transformer`] | figure 1 | the whole: `encode`, `decode`, `forward`, `step` |
//! | [`loss`] | 5.4 | label-smoothed cross-entropy over real tokens |
//!
//! Beside them: [`config`] (sizes and options), [`mask`], [`cache`] (incremental decoding), [`forward_pass`]
//! (dropout of one pass), [`recorder`] (its attention), [`batch`] (ids to padded tensors), `linear` and [`norm`] (the smallest layers), `init` (the
//! first weights), [`random`], [`weights`] and [`safetensors_reader`] (to files and back), [`summary`], [`error`] and [`backend`]
//! (which devices this build can use).
//!
//! Shapes are written `[batch, len, d_model]`; masks say `true` = hidden.

pub mod attention;
pub mod backend;
pub mod batch;
pub mod cache;
pub mod config;
pub mod decoder;
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
pub mod position;
pub mod random;
pub mod recorder;
pub mod residual;
pub mod safetensors_reader;
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
