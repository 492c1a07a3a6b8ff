//! The whole Transformer (paper, section 3; figure 1).
//!
//! > "Here, the encoder maps an input sequence of symbol representations (x₁, …, xₙ) to a sequence of continuous
//! > representations z = (z₁, …, zₙ). Given z, the decoder then generates an output sequence (y₁, …, yₘ) of symbols one
//! > element at a time."
//!
//! ```
//! use burn::tensor::Device;
//! use model::{Batch, ModelConfig, Pass, Transformer, VocabularySizes};
//!
//! let device = Device::flex();
//! let config = ModelConfig { d_model: 8, n_heads: 2, d_ff: 16, max_length: 8, ..ModelConfig::default() };
//! let sizes = VocabularySizes::joint(6);
//! let model = Transformer::blank(&config, sizes, &device).unwrap(); // embeddings zero: all logits are zero
//! let batch = Batch::new(&[(&[2, 4, 0], &[3, 0])], sizes, &device);
//! assert_eq!(model.forward(&batch, &mut Pass::inference()).dims(), [2, 6]); // two target tokens, six words
//! let nll = model.score(&batch, &mut Pass::inference()).nll.into_scalar::<f32>();
//! assert!((nll - 2.0 * 6f32.ln()).abs() < 1e-5); // each word has the probability 1/6
//! ```

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

use crate::batch::{Batch, SourceBatch};
use crate::cache::DecoderCache;
use crate::config::{ModelConfig, VocabularySizes};
use crate::decoder::Decoder;
use crate::embedding::Embeddings;
use crate::encoder::Encoder;
use crate::error::ConfigError;
use crate::forward_pass::Pass;
use crate::loss::{LabelSmoothing, LossSums, Objective, label_smoothed_cross_entropy};
use crate::mask::Mask;
use crate::norm::Norm;
use crate::position::Positions;

/// An encoded source, to which the decoder attends.
#[derive(Clone, Debug)]
pub struct Memory {
    /// `[batch, source_len, d_model]`.
    pub states: Tensor<3>,
    /// Hides the source's padding.
    pub mask: Option<Mask>,
}

/// Scores of a batch under teacher forcing.
#[derive(Clone, Debug)]
pub struct Scores {
    /// Negative log-likelihood in nats, summed over real tokens, `[1]`.
    pub nll: Tensor<1>,
    /// Real tokens that are the model's most probable choice, `[1]`.
    pub correct: Tensor<1, Int>,
}

/// Encoder and decoder with their embeddings.
#[derive(Module, Debug)]
pub struct Transformer {
    /// Embeddings of both sides and the output projection.
    pub embeddings: Embeddings,
    /// Positions of the source.
    pub source_positions: Positions,
    /// Positions of the target.
    pub target_positions: Positions,
    /// The norm of the source's embedding and position (`embedding_norm`).
    pub source_embedding_norm: Option<Norm>,
    /// The norm of the target's embedding and position (`embedding_norm`).
    pub target_embedding_norm: Option<Norm>,
    /// The stack of the source side.
    pub encoder: Encoder,
    /// The stack of the target side.
    pub decoder: Decoder,
    dropout: f64,
    target_pad: usize,
}

impl Transformer {
    /// A network of the given sizes whose weights are a function of `seed`, the options and each parameter's name.
    ///
    /// # Errors
    /// An invalid configuration, or one that the vocabularies do not fit.
    pub fn new(config: &ModelConfig, sizes: VocabularySizes, seed: u64, device: &Device) -> Result<Self, ConfigError> {
        Ok(crate::init::initialise(Self::blank(config, sizes, device)?, config, seed))
    }

    /// A network of the given sizes with all matrices zero, into which weights are [loaded](crate::weights::load).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn blank(config: &ModelConfig, sizes: VocabularySizes, device: &Device) -> Result<Self, ConfigError> {
        config.validate()?;
        config.validate_vocabularies(sizes)?;
        Ok(Self {
            embeddings: Embeddings::new(config, sizes, device),
            source_positions: Positions::new(config, device),
            target_positions: Positions::new(config, device),
            source_embedding_norm: config.embedding_norm.then(|| Norm::new(config, device)),
            target_embedding_norm: config.embedding_norm.then(|| Norm::new(config, device)),
            encoder: Encoder::new(config, device),
            decoder: Decoder::new(config, device),
            dropout: config.dropout,
            target_pad: sizes.target_pad(),
        })
    }

    /// Encodes source ids `[batch, source_len]` to states `[batch, source_len, d_model]`.
    ///
    /// # Panics
    /// If the source is longer than `max_length`; callers check the length of their input first.
    pub fn encode(&self, source: SourceBatch, pass: &mut Pass) -> Memory {
        let embedded = self.source_positions.forward(self.embeddings.embed_source(source.ids), 0);
        let embedded = normalised(&self.source_embedding_norm, embedded);
        let embedded = pass.dropout(embedded, self.dropout);
        Memory { states: self.encoder.forward(embedded, source.mask.as_ref(), pass), mask: source.mask }
    }

    /// Hidden states `[batch, target_len, d_model]` for a whole target input `[batch, target_len]` at once.
    ///
    /// # Panics
    /// If the target is longer than `max_length`.
    pub fn decode(&self, target_input: Tensor<2, Int>, memory: &Memory, pass: &mut Pass) -> Tensor<3> {
        let embedded = self.target_positions.forward(self.embeddings.embed_target(target_input), 0);
        let embedded = normalised(&self.target_embedding_norm, embedded);
        let embedded = pass.dropout(embedded, self.dropout);
        self.decoder.forward(embedded, memory.states.clone(), memory.mask.as_ref(), pass)
    }

    /// Logits of a batch, one row per target position: `[batch * target_len, vocabulary]`.
    ///
    /// # Panics
    /// If either side is longer than `max_length`; so do [`loss`](Self::loss) and [`score`](Self::score).
    pub fn forward(&self, batch: &Batch, pass: &mut Pass) -> Tensor<2> {
        self.embeddings.logits(self.hidden(batch, pass))
    }

    /// The training objective of a batch, summed over its real tokens.
    pub fn loss(&self, batch: &Batch, objective: Objective, pass: &mut Pass) -> LossSums {
        let smoothing = LabelSmoothing { epsilon: objective.label_smoothing, pad_id: self.target_pad };
        match objective.r_drop {
            0.0 => self.embeddings.loss(self.hidden(batch, pass), batch.targets(), smoothing),
            // Both passes as one batch; dropout differs by row.
            alpha => {
                let hidden = self.hidden(&batch.repeat_batch(2), pass);
                self.embeddings.r_drop_loss(hidden, batch.targets(), smoothing, alpha)
            }
        }
    }

    /// The decoder's states for a batch, one row per target position: `[batch * target_len, d_model]`.
    fn hidden(&self, batch: &Batch, pass: &mut Pass) -> Tensor<2> {
        let memory = self.encode(batch.source.clone(), pass);
        let hidden = self.decode(batch.target_input.clone(), &memory, pass);
        let [rows, len, d_model] = hidden.dims();
        hidden.reshape([rows * len, d_model])
    }

    /// Scores a batch's targets, each given the true tokens before it (teacher forcing).
    pub fn score(&self, batch: &Batch, pass: &mut Pass) -> Scores {
        let logits = self.forward(batch, pass);
        let (targets, [rows, vocabulary]) = (batch.targets(), logits.dims());
        // `<pad>` is the last id and never chosen, so a padded position is never correct.
        let smoothing = LabelSmoothing { epsilon: 0.0, pad_id: self.target_pad };
        let chosen = logits.clone().slice([0..rows, 0..vocabulary - 1]).argmax(1).squeeze_dim::<1>(1);
        let correct = chosen.equal(targets.clone()).int().sum();
        Scores { nll: label_smoothed_cross_entropy(logits, targets, smoothing).nll, correct }
    }

    /// An empty cache for decoding over `memory`.
    pub fn cache(&self, memory: &Memory) -> DecoderCache {
        self.decoder.cache(memory.states.clone(), memory.mask.clone())
    }

    /// Decodes one more token per row (`[batch]`; the first is the decoder's start) to the logits of the next,
    /// `[batch, vocabulary]`.
    ///
    /// # Panics
    /// If the cache already holds `max_length` tokens.
    pub fn step(&self, tokens: Tensor<1, Int>, cache: &mut DecoderCache, pass: &mut Pass) -> Tensor<2> {
        self.embeddings.logits(self.step_hidden(tokens, cache, pass))
    }

    /// As [`step`](Self::step), to the hidden states that the logits are computed from, `[batch, d_model]`.
    ///
    /// # Panics
    /// As [`step`](Self::step).
    pub fn step_hidden(&self, tokens: Tensor<1, Int>, cache: &mut DecoderCache, pass: &mut Pass) -> Tensor<2> {
        let embedded = self.embeddings.embed_target(tokens.unsqueeze_dim(1));
        let embedded = self.target_positions.forward(embedded, cache.len());
        let embedded = normalised(&self.target_embedding_norm, embedded);
        let hidden = self.decoder.step(embedded, cache, pass);
        let [rows, _, d_model] = hidden.dims();
        hidden.reshape([rows, d_model])
    }
}

/// `x`, through the norm if there is one.
fn normalised(norm: &Option<Norm>, x: Tensor<3>) -> Tensor<3> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}
