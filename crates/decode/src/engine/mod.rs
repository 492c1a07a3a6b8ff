//! Engines: the network for search, one target token of each row at a time.
//!
//! [`NetworkEngine`] runs the [`Transformer`] itself, on any device; it is the reference. [`CpuEngine`] computes the same
//! over slices, without tensors and their bookkeeping, and is used for `flex`. Both agree up to rounding. An [`Ensemble`]
//! is several of them as one. Search uses only the traits [`Engine`] and [`State`]; [`from_network`] and [`open`] alone
//! choose the engine.

pub mod cpu;
pub mod ensemble;
pub mod network;
mod outputs;
pub mod recording;

use std::fmt::Debug;
use std::path::Path;

use burn::tensor::Device;
use model::weights::{self, NamedTensor, WeightsError};
use model::{ModelConfig, Transformer, VocabularySizes, backend};
use runs::config::DecodingPrecision;

pub use self::cpu::CpuEngine;
pub use self::ensemble::Ensemble;
pub use self::network::{NetworkEngine, read_network};
pub use self::outputs::Outputs;
pub use self::recording::{LayerRecording, Matrix, Recording};
use crate::alignment::AlignmentHeads;
use crate::error::DecodeError;

/// A network to decode with.
pub trait Engine: Debug + Send + Sync {
    /// The number of weights.
    fn parameters(&self) -> usize;

    /// The bytes of the weights in memory, as the engine lays them out.
    fn bytes(&self) -> usize {
        self.parameters() * size_of::<f32>()
    }

    /// The type in which weights are multiplied.
    fn precision(&self) -> DecodingPrecision;

    /// Whether batches on several threads at once decode faster than one after the other.
    fn supports_workers(&self) -> bool;

    /// The maximum number of hypotheses to decode together if a sentence has `rows_each`, however short the sources: each may
    /// grow to its limit.
    fn max_rows(&self, rows_each: usize) -> usize;

    /// The token that every row reads first, unless search has another: `<pad>`, the last id of the target's vocabulary.
    fn start_token(&self) -> u32;

    /// Encodes the sources, each ended by `</s>`, to one row each, without target tokens. With `alignment`, every step also
    /// aligns its tokens.
    ///
    /// # Panics
    /// A source of more tokens than `model.max_length`.
    fn start<'a>(&'a self, sources: &[&[u32]], alignment: Option<AlignmentHeads>) -> Box<dyn State + 'a>;

    /// As [`start`](Self::start), with the logits of these target tokens alone.
    ///
    /// # Panics
    /// As [`start`](Self::start); a token that the vocabulary lacks.
    fn start_for<'a>(
        &'a self,
        sources: &[&[u32]],
        alignment: Option<AlignmentHeads>,
        outputs: &Outputs,
    ) -> Box<dyn State + 'a>;

    /// Reads a source and a target, both ended by `</s>`, and records the attention of every layer and head. The decoder
    /// reads the token `start` first.
    ///
    /// # Errors
    /// A device that fails.
    ///
    /// # Panics
    /// A source or target of more tokens than `model.max_length`, or none.
    fn record_from(&self, start: u32, source: &[u32], target: &[u32]) -> Result<Recording, DecodeError>;

    /// As [`record_from`](Self::record_from), from the [`start_token`](Self::start_token).
    ///
    /// # Errors
    /// As [`record_from`](Self::record_from).
    fn record(&self, source: &[u32], target: &[u32]) -> Result<Recording, DecodeError> {
        self.record_from(self.start_token(), source, target)
    }
}

/// The rows of a batch, each with the target tokens that it has read.
pub trait State {
    /// Appends one token to each row and writes the logits of the next to `output`.
    ///
    /// # Errors
    /// A device that fails.
    ///
    /// # Panics
    /// More steps than `model.max_length`.
    fn step(&mut self, tokens: &[u32], output: &mut StepOutput) -> Result<(), DecodeError>;

    /// As [`step`](Self::step), but writes the `count` most probable tokens of each row instead of all logits, row after row
    /// and best first; fewer if the vocabulary has fewer. Returns `false`, without a step, if it would save no transfer.
    ///
    /// # Errors
    /// A device that fails, or logits that are not finite.
    ///
    /// # Panics
    /// As [`step`](Self::step).
    fn step_best(&mut self, _tokens: &[u32], _count: usize, _best: &mut Vec<RankedToken>) -> Result<bool, DecodeError> {
        Ok(false)
    }

    /// Takes `steps` steps, of which each but the first reads the most probable tokens after the one before, and writes
    /// these with their log-probabilities to `best`: step after step, one for each row. A log-probability that is NaN
    /// follows from logits that are not finite. Returns `false`, without a step, if it would save no transfer.
    ///
    /// # Errors
    /// A device that fails.
    ///
    /// # Panics
    /// As [`step`](Self::step).
    fn step_greedily(
        &mut self,
        _tokens: &[u32],
        _steps: usize,
        _best: &mut Vec<RankedToken>,
    ) -> Result<bool, DecodeError> {
        Ok(false)
    }

    /// Keeps the given rows, in the given order. Rows that are not given are removed; a row may repeat.
    fn select(&mut self, rows: &[usize]);
}

/// A token that may be the next of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankedToken {
    /// Its id; of a state with some [`Outputs`], its index among them.
    pub token: u32,
    /// Its log-probability in nats, normalised over all possible tokens.
    pub log_probability: f64,
}

/// The output of one step. The next step reuses its buffers.
#[derive(Debug, Default)]
pub struct StepOutput {
    /// `[rows, vocabulary]`, row after row; of a state with some [`Outputs`], `[rows, outputs]`.
    pub logits: Vec<f32>,
    /// With alignment, for each row the source position that its next token comes from, `</s>` excepted; `None` for a
    /// source without others. Empty without alignment.
    pub aligned: Vec<Option<usize>>,
}

/// The fastest engine for this network on this device.
pub fn from_network(
    network: &Transformer,
    config: &ModelConfig,
    sizes: VocabularySizes,
    device: &Device,
) -> Box<dyn Engine> {
    from_collected(network, &weights::collect(network), config, sizes, device)
}

/// As [`from_network`], with the network's weights, which the caller has collected already.
pub fn from_collected(
    network: &Transformer,
    tensors: &[NamedTensor],
    config: &ModelConfig,
    sizes: VocabularySizes,
    device: &Device,
) -> Box<dyn Engine> {
    match backend::is_flex(device) {
        true => Box::new(CpuEngine::from_tensors(tensors, config, sizes, DecodingPrecision::Float32)),
        false => Box::new(NetworkEngine::new(network.clone(), sizes, device)),
    }
}

/// The fastest engine for a weights file on this device. Without a precision, a quantised file decodes in int8, others in
/// float32. Only `flex` computes in others than float32.
///
/// # Errors
/// A file that cannot be read, is damaged, or belongs to another configuration or vocabulary; on other devices than `flex`,
/// a quantised one.
pub fn open(
    path: &Path,
    config: &ModelConfig,
    sizes: VocabularySizes,
    device: &Device,
    precision: Option<DecodingPrecision>,
) -> Result<Box<dyn Engine>, WeightsError> {
    Ok(match backend::is_flex(device) {
        true => Box::new(CpuEngine::open(path, config, sizes, precision)?),
        false => {
            kernels::allocator::allow_huge_pages(); // the other one does so itself for models that are large
            Box::new(NetworkEngine::new(read_network(path, config, sizes, device)?, sizes, device))
        }
    })
}
