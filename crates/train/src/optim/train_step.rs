//! One update of the weights: forward and backward for each part of a batch, then one step of the optimizer.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use model::loss::Objective;
use model::{Batch, Pass, Transformer};

use crate::adam::Adam;
use crate::ema::Ema;
use crate::gradients;
use crate::workers::Workers;

/// A model that learns.
pub struct Learner {
    model: Option<Transformer>,
    optimizer: Adam,
    ema: Option<Ema>,
    workers: Workers,
    device: Device,
}

/// What an update is asked to be.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// The number of the update, from 1.
    pub step: u64,
    pub learning_rate: f64,
    /// Dropout follows from it, the step and the place.
    pub seed: u64,
    /// Share of the model's dropout rates; 0 turns dropout off.
    pub dropout_share: f64,
    pub objective: Objective,
    /// Longest global gradient norm; 0 = no clipping.
    pub clip_norm: f64,
}

/// What an update found, left on the device.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is minimised, summed over the real tokens: the label-smoothed cross-entropy in nats, and with R-Drop how
    /// far the two passes disagree, `[1]`.
    pub loss: Tensor<1>,
    /// Negative log-likelihood in nats without smoothing, likewise.
    pub nll: Tensor<1>,
    /// Global norm of the gradient of the mean loss, before clipping, `[1]`.
    pub gradient_norm: Tensor<1>,
}

impl Learner {
    /// `device` without gradients; the model's graphs are made as needed.
    pub fn new(model: Transformer, optimizer: Adam, workers: Workers, device: Device) -> Self {
        Self { model: Some(model), optimizer, ema: None, workers, device }
    }

    /// Keeps a moving average of the weights too.
    pub fn with_ema(self, ema: Option<Ema>) -> Self {
        Self { ema, ..self }
    }

    pub fn model(&self) -> &Transformer {
        self.model.as_ref().expect("the model is away only within an update")
    }

    pub fn optimizer(&self) -> &Adam {
        &self.optimizer
    }

    pub fn ema(&self) -> Option<&Ema> {
        self.ema.as_ref()
    }

    /// The weights to decode with: their moving average where there is one. Without a graph.
    pub fn usable(&self) -> Transformer {
        let model = self.model().valid();
        match &self.ema {
            Some(ema) => ema.averaged(model),
            None => model,
        }
    }

    /// One update for a batch in parts, which are computed side by side and add up to the whole.
    ///
    /// # Panics
    /// Without parts.
    pub fn update(&mut self, parts: &[Batch], update: Update) -> Found {
        let tokens: usize = parts.iter().map(|part| part.target_tokens).sum();
        let backward = |i: usize, part: &Batch| {
            let model = self.model().clone().fork(&self.device.clone().autodiff()); // the same weights, a graph of its own
            let mut pass =
                Pass::training(update.seed, update.step - 1, i as u64).with_dropout_scale(update.dropout_share);
            let sums = model.loss(part, update.objective, &mut pass);
            // Divided by the whole update's tokens, so that its parts add up to it.
            let gradients = (sums.smoothed.clone() / tokens as f64).backward();
            (GradientsParams::from_grads(gradients, &model), sums.smoothed.without_autodiff(), sums.nll)
        };
        let mut whole = None;
        self.workers.each(parts, backward, |_, part| {
            whole = Some(match whole.take() {
                None => part,
                Some((gradients, loss, nll)) => {
                    (gradients::add(self.model(), gradients, part.0), loss + part.1, nll + part.2)
                }
            });
        });
        let (mut gradients, loss, nll) = whole.expect("at least one part");
        self.model().embeddings.zero_padding_gradients(&mut gradients);
        let gradient_norm = gradients::global_norm(self.model(), &gradients);
        if update.clip_norm > 0.0 {
            gradients::clip(self.model(), &mut gradients, gradient_norm.clone(), update.clip_norm);
        }
        // Moved, not cloned, so that the optimizer can write in place.
        let model = self.model.take().expect("the model is away only within an update");
        let model = self.optimizer.step(model, gradients, update.learning_rate, update.step);
        if let Some(ema) = &mut self.ema {
            ema.update(&model, update.step);
        }
        self.model = Some(model);
        Found { loss, nll, gradient_norm }
    }
}
