//! Hugging Face folders by `model_type`: models that transformers reads and writes.
//!
//! [`import()`] writes a run folder from one, [`export()`] one from a run folder. A [`Family`] has a table in a file of its
//! own: the keys of `config.json` with their options here, the names of weights, and the layout of special tokens. All
//! families share the rest: `keys` reads `config.json` and rejects keys that no table has, `stored` reads tensors by name,
//! and `tokenizer` reads vocabularies.
//!
//! | [`Family`] | `model_type` | file |
//! |---|---|---|
//! | [`T5`](Family::T5) | `t5` (ByT5 too), `mt5`, `umt5` | `t5.rs` |
//! | [`Bart`](Family::Bart), [`MBart`](Family::MBart), [`M2m100`](Family::M2m100), [`Pegasus`](Family::Pegasus) | `bart`, `mbart`, `m2m_100` (NLLB too), `pegasus` | `bart.rs` |
//!
//! `roles` has the tokens around texts, and `fairseq` the vocabularies with language tokens.
//!
//! Marian's folders, older than these families here, are in [`marian`](crate::marian).

mod added_tokens;
mod bart;
mod bytes;
mod export;
mod fairseq;
mod import;
pub(crate) mod keys;
mod roles;
mod stored;
mod t5;
mod tokenizer;
mod tokenizer_files;
mod tokenizers_file;
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
    /// BART.
    Bart,
    /// mBART of 25 languages, and mBART-50.
    MBart,
    /// M2M100 and NLLB.
    M2m100,
    /// Pegasus.
    Pegasus,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 5] = [Family::T5, Family::Bart, Family::MBart, Family::M2m100, Family::Pegasus];

    /// The values of `model_type`.
    pub fn model_types(self) -> &'static [&'static str] {
        match self {
            Family::T5 => &t5::MODEL_TYPES,
            Family::Bart => &["bart"],
            Family::MBart => &["mbart"],
            Family::M2m100 => &["m2m_100"],
            Family::Pegasus => &["pegasus"],
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
            Family::Bart | Family::MBart | Family::M2m100 | Family::Pegasus => bart::read(self, config),
        }
    }

    /// Returns the contents of `config.json`.
    fn write(self, network: &Network) -> Result<Value, ConfigError> {
        match self {
            Family::T5 => t5::write(network),
            Family::Bart | Family::MBart | Family::M2m100 | Family::Pegasus => bart::write(self, network),
        }
    }

    /// Returns the name in transformers of a weight of the network, if the family has it.
    fn name(self, ours: &str, model: &ModelConfig) -> Option<String> {
        match self {
            Family::T5 => t5::name(ours, model),
            Family::Bart | Family::MBart | Family::M2m100 | Family::Pegasus => bart::name(ours),
        }
    }

    /// Names under which a file may hold the matrix of the embeddings, and that of the output.
    fn matrices(self) -> (&'static [&'static str], &'static str) {
        match self {
            Family::T5 => (&t5::EMBEDDINGS, t5::OUTPUT),
            Family::Bart | Family::MBart | Family::M2m100 | Family::Pegasus => (&bart::EMBEDDINGS, bart::OUTPUT),
        }
    }

    /// `model_type` and class of an exported model of the family of BART.
    fn architecture(self) -> [&'static str; 2] {
        match self {
            Family::T5 => ["t5", "T5ForConditionalGeneration"],
            Family::Bart => ["bart", "BartForConditionalGeneration"],
            Family::MBart => ["mbart", "MBartForConditionalGeneration"],
            Family::M2m100 => ["m2m_100", "M2M100ForConditionalGeneration"],
            Family::Pegasus => ["pegasus", "PegasusForConditionalGeneration"],
        }
    }

    /// Whether files of the family have a bias of the output, zeros if the network has none.
    fn has_output_bias(self) -> bool {
        match self {
            Family::T5 | Family::M2m100 => false,
            Family::Bart | Family::MBart | Family::Pegasus => true,
        }
    }

    /// Tensors that the network does not read.
    fn unused(self) -> &'static [&'static str] {
        match self {
            Family::T5 => &t5::UNUSED,
            Family::Bart | Family::MBart | Family::M2m100 | Family::Pegasus => &bart::UNUSED,
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
    /// The id of `<pad>` in the folder.
    padding: u32,
    /// The id of the decoder's start in the folder, if `config.json` names it.
    start: Option<u32>,
    /// The id of the token that the decoder is forced to begin with, if `config.json` names it.
    forced: Option<u32>,
}
