//! What decoders drive: a model that reads sources, then one token of each row at a time.
//!
//! There are two of them. On the CPU (`flex`) a [plain](cpu::PlainModel) one computes over slices, without tensors and
//! their bookkeeping; every other device runs the [network itself](network::TensorModel). Both say the same, up to
//! rounding.

pub mod cpu;
pub mod network;

use burn::tensor::Device;
use model::summary::Summary;
use model::{ModelConfig, Transformer, VocabularySizes, backend};

use self::cpu::{PlainModel, PlainState};
use self::network::{TensorModel, TensorState};
use crate::error::DecodeError;

/// Weights of four bytes each that the last cache of a usual processor holds beside other things.
const CACHED_PARAMETERS: usize = 4 << 20;

/// A model to decode with.
#[derive(Debug)]
pub enum Engine {
    Plain(Box<PlainModel>),
    Tensors(Box<TensorModel>),
}

/// What an engine remembers of a batch: its rows, each with what it has read so far.
#[derive(Debug)]
pub enum State {
    Plain(Box<PlainState>),
    Tensors(Box<TensorState>),
}

impl Engine {
    /// The fastest engine for this network on this device.
    pub fn of(network: &Transformer, config: &ModelConfig, sizes: VocabularySizes, device: &Device) -> Self {
        if backend::is_flex(device) {
            return Self::Plain(Box::new(PlainModel::of(network, config, sizes)));
        }
        Self::tensors(network.clone(), sizes, device)
    }

    /// The network as it is.
    pub fn tensors(network: Transformer, sizes: VocabularySizes, device: &Device) -> Self {
        Self::Tensors(Box::new(TensorModel { network, sizes, device: device.clone() }))
    }

    /// How many weights the model has.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Plain(model) => model.parameters(),
            Self::Tensors(model) => Summary::new(&model.network).total(),
        }
    }

    /// Whether batches that are decoded at the same time, each on a thread of its own, are decoded faster.
    pub fn gains_by_workers(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Tensors(_) => false,
        }
    }

    /// However short the sources, no more hypotheses decode together: each may grow to its limit.
    ///
    /// On a CPU rows share the reading of the weights. Weights that the cache holds are read fast enough for a few rows;
    /// more would only drive each other's memory out of it.
    pub fn most_rows(&self) -> usize {
        match self {
            Self::Plain(model) if model.parameters() <= CACHED_PARAMETERS => 12,
            Self::Plain(_) => 24,
            Self::Tensors(_) => 256,
        }
    }

    /// What every row reads first: `<pad>`, the last id of the target's vocabulary.
    pub fn start_token(&self) -> u32 {
        match self {
            Self::Plain(model) => model.vocabulary() as u32 - 1,
            Self::Tensors(model) => model.sizes.target_pad() as u32,
        }
    }

    /// Reads the sources, each ended by `</s>`: one row each, which has not read a target token yet.
    ///
    /// # Panics
    /// A source of more tokens than `model.max_length`.
    pub fn start(&self, sources: &[&[u32]]) -> State {
        match self {
            Self::Plain(model) => State::Plain(Box::new(model.start(sources))),
            Self::Tensors(model) => State::Tensors(Box::new(model.start(sources))),
        }
    }

    /// Every row reads one token more (the first is `<pad>`), and `logits` becomes what each says next: one row of
    /// `[vocabulary]` after the other.
    ///
    /// # Errors
    /// A device that fails.
    ///
    /// # Panics
    /// More steps than `model.max_length`.
    pub fn step(&self, tokens: &[u32], state: &mut State, logits: &mut Vec<f32>) -> Result<(), DecodeError> {
        match (self, state) {
            (Self::Plain(model), State::Plain(state)) => {
                model.step(tokens, state, logits);
                Ok(())
            }
            (Self::Tensors(model), State::Tensors(state)) => model.step(tokens, state, logits),
            _ => unreachable!("a state goes back to the engine that made it"),
        }
    }
}

impl State {
    /// Keeps the given rows, in the given order: finished rows leave, beams move, repeat or vanish.
    pub fn select(&mut self, rows: &[usize]) {
        match self {
            Self::Plain(state) => state.select(rows),
            Self::Tensors(state) => state.select(rows),
        }
    }
}
