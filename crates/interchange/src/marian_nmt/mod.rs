//! Marian's own files: a model (`.npz` or `.bin`) with its configuration inside, and vocabularies (SentencePiece or YAML).
//!
//! [`import()`] reads Transformers of any depth, and the students of Bergamot and Firefox Translations, whose decoder has
//! recurrent cells in place of self-attention (Kim et al. 2019). Quantised weights are read as the numbers that they stand
//! for. [`config`] has the options, `names` the names of weights. There is no export in this format.
//!
//! Marian's decoder starts from a vector of zeros. Here that is the embedding of `<pad>`, which an import adds as the last
//! entry of each vocabulary.

mod bin;
pub mod config;
mod import;
mod locate;
mod model_file;
mod names;
mod npz;
mod vocabulary;
mod yaml;

pub use import::{import, import_in};
pub use locate::recognises;

/// Name of the configuration among the tensors.
const CONFIGURATION: &str = "special:model.yml";
