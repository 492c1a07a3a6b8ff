//! Hugging Face Marian folders: the format of published OPUS-MT models, read by transformers and CTranslate2.
//!
//! [`export()`] writes one from a run folder, [`import()`] writes a run folder from one. Both networks compute the same
//! function of the same weights, with two differences: Marian's sinusoids are all sines, then all cosines
//! ([`positions`]), and Marian has fewer options; exporting rejects the others by name ([`config`]).

pub mod config;
mod export;
pub(crate) mod generation;
mod import;
pub(crate) mod names;
pub mod positions;
pub(crate) mod sentencepiece;
pub(crate) mod vocabulary;
pub(crate) mod weights_file;

pub use export::export;
pub use generation::beam_differs;
pub use import::import;

/// File names inside a Marian folder.
pub(crate) mod files {
    pub const CONFIG: &str = "config.json";
    pub const GENERATION: &str = "generation_config.json";
    pub const WEIGHTS: &str = "model.safetensors";
    pub const WEIGHTS_INDEX: &str = "model.safetensors.index.json";
    pub const PYTORCH_WEIGHTS: &str = "pytorch_model.bin";
    pub const PYTORCH_WEIGHTS_INDEX: &str = "pytorch_model.bin.index.json";
    pub const VOCABULARY: &str = "vocab.json";
    pub const TARGET_VOCABULARY: &str = "target_vocab.json";
    pub const SOURCE_PIECES: &str = "source.spm";
    pub const TARGET_PIECES: &str = "target.spm";
    pub const TOKENIZER: &str = "tokenizer.json";
    pub const TARGET_TOKENIZER: &str = "target_tokenizer.json";
    pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
}
