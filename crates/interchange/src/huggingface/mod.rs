//! Hugging Face folders by `model_type`: models that transformers reads and writes.
//!
//! [`import()`] writes a run folder from one, [`export()`] one from a run folder. A [`Family`] is a table of its own file: the keys of `config.json` with their
//! options here, the names of weights, and the layout of special tokens. All families share the rest: `keys` reads
//! `config.json` and rejects keys that no table has, `stored` hands out tensors, `tokenizer` reads vocabularies.
//!
//! | [`Family`] | `model_type` | file |
//! |---|---|---|
//! | [`T5`](Family::T5) | `t5` (ByT5 too), `mt5`, `umt5` | `t5.rs` |
//!
//! Marian's folders, older than these families here, are in [`marian`](crate::marian).

mod bytes;
mod export;
mod import;
pub(crate) mod keys;
mod stored;
mod t5;
mod tokenizer;
mod tokenizer_files;
mod unigram;

pub use export::export;
pub use import::import;
use model::{ConfigError, ModelConfig};
use serde_json::Value;

/// Kinds of models with a table of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// T5, mT5, UMT5 and ByT5.
    T5,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 1] = [Family::T5];

    /// The values of `model_type`.
    pub fn model_types(self) -> &'static [&'static str] {
        match self {
            Family::T5 => &t5::MODEL_TYPES,
        }
    }

    /// Returns the family of a `model_type`.
    pub fn of(model_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.model_types().contains(&model_type))
    }

    /// Reads the contents of `config.json`.
    fn read(self, config: &Value) -> Result<Network, ConfigError> {
        match self {
            Family::T5 => t5::read(config),
        }
    }

    /// Returns the contents of `config.json`.
    fn write(self, network: &Network) -> Result<Value, ConfigError> {
        match self {
            Family::T5 => t5::write(network),
        }
    }

    /// Returns the name in transformers of a weight of the network, if the family has it.
    fn name(self, ours: &str, model: &ModelConfig) -> Option<String> {
        match self {
            Family::T5 => t5::name(ours, model),
        }
    }

    /// Names under which a file may hold the matrix of the embeddings, and that of the output.
    fn matrices(self) -> (&'static [&'static str], &'static str) {
        match self {
            Family::T5 => (&t5::EMBEDDINGS, t5::OUTPUT),
        }
    }

    /// Tensors that the network does not read.
    fn unused(self) -> &'static [&'static str] {
        match self {
            Family::T5 => &t5::UNUSED,
        }
    }
}

/// The network that `config.json` describes.
#[derive(Clone, Debug, PartialEq)]
struct Network {
    /// Its options, `tie` as far as the weights do not decide it.
    model: ModelConfig,
    /// Entries of its vocabulary.
    vocab_size: usize,
    /// Whether the output has the matrix of the embeddings; `None` if the weights decide.
    tied: Option<bool>,
    /// The id of `</s>` in the folder.
    end: u32,
    /// The id of `<pad>` in the folder, from which the decoder starts.
    padding: u32,
}
