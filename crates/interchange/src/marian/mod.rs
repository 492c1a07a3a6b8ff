//! Hugging Face Marian folders: the form in which OPUS-MT models are published, and which transformers and CTranslate2
//! read. [`export()`] writes one from a run folder, [`import()`] makes a run folder of one.
//!
//! The two networks are the same function of the same weights, up to two things. Marian's sinusoids are all sines, then
//! all cosines ([`positions`]); and what this program can do beyond Marian is refused by name ([`config`]).

pub mod config;
mod error;
mod export;
mod folder;
mod generation;
mod import;
mod names;
pub mod positions;
mod sentencepiece;
pub(crate) mod tensors;
mod vocabulary;

pub use error::MarianError;
pub use export::export;
pub use generation::beam_differs;
pub use import::{Imported, import};

/// File names inside a Marian folder.
mod files {
    pub const CONFIG: &str = "config.json";
    pub const GENERATION: &str = "generation_config.json";
    pub const WEIGHTS: &str = "model.safetensors";
    pub const PYTORCH_WEIGHTS: &str = "pytorch_model.bin";
    pub const VOCABULARY: &str = "vocab.json";
    pub const TARGET_VOCABULARY: &str = "target_vocab.json";
    pub const SOURCE_PIECES: &str = "source.spm";
    pub const TARGET_PIECES: &str = "target.spm";
    pub const TOKENIZER: &str = "tokenizer.json";
    pub const TARGET_TOKENIZER: &str = "target_tokenizer.json";
    pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
}
