//! The inputs and results of one update.

use burn::tensor::Tensor;
use model::Batch;
use model::loss::Objective;

/// The options of one update.
#[derive(Clone, Copy, Debug)]
pub struct StepOptions {
    /// The number of the update, from 1.
    pub step: u64,
    /// The learning rate.
    pub learning_rate: f64,
    /// The seed of dropout, whose masks are a function of seed, step and position.
    pub seed: u64,
    /// Share of the model's dropout rates; 0 turns dropout off.
    pub dropout_share: f64,
    /// The loss.
    pub objective: Objective,
    /// Maximum global gradient norm; 0 disables clipping.
    pub clip_norm: f64,
}

/// The micro-batches of an update that one process computes.
#[derive(Clone, Copy, Debug)]
pub struct MicroBatches<'a> {
    /// The micro-batches of this process.
    pub batches: &'a [Batch],
    /// The number of micro-batches of the update, those of other processes included.
    pub count: usize,
    /// Target tokens of the whole update, padding not counted.
    pub tokens: usize,
}

impl<'a> MicroBatches<'a> {
    /// An update that this process computes alone.
    pub fn all(batches: &'a [Batch]) -> Self {
        Self { batches, count: batches.len(), tokens: batches.iter().map(|batch| batch.target_tokens).sum() }
    }
}

/// The results of one update, left on the device.
#[derive(Clone, Debug)]
pub struct StepOutput {
    /// The objective summed over the real target tokens, `[1]`: label-smoothed cross-entropy in nats, and with R-Drop the
    /// consistency loss.
    pub loss: Tensor<1>,
    /// Negative log-likelihood in nats without smoothing, summed likewise, `[1]`.
    pub nll: Tensor<1>,
    /// Global norm of the gradient of the mean loss, before clipping, `[1]`.
    pub gradient_norm: Tensor<1>,
}
