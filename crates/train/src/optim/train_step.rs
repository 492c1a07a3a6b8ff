//! One update of the weights: forward and backward for each micro-batch, then one step of the optimizer.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use model::loss::Objective;
use model::{Batch, Pass, Transformer};

use super::{Adam, Ema, Lora, Workers};
use super::{gradients, lora};

/// The model, the optimizer and the moving average of the weights.
pub struct TrainState {
    model: Option<Transformer>,
    optimizer: Adam,
    ema: Option<Ema>,
    lora: Option<Lora>,
    workers: Workers,
    device: Device,
}

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

impl TrainState {
    /// A state on `device`, which does not differentiate; graphs are created per micro-batch.
    pub fn new(model: Transformer, optimizer: Adam, workers: Workers, device: Device) -> Self {
        Self { model: Some(model), optimizer, ema: None, lora: None, workers, device }
    }

    /// Keeps a moving average of the weights too, unless `None`.
    pub fn with_ema(self, ema: Option<Ema>) -> Self {
        Self { ema, ..self }
    }

    /// Trains the factors of LoRA alone, unless `None`; the model has merged matrices and is otherwise frozen.
    pub fn with_lora(self, lora: Option<Lora>) -> Self {
        Self { lora, ..self }
    }

    /// The model, whose device differentiates.
    pub fn model(&self) -> &Transformer {
        self.model.as_ref().expect("the model is away only within an update")
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &Adam {
        &self.optimizer
    }

    /// The moving average, if it is kept.
    pub fn ema(&self) -> Option<&Ema> {
        self.ema.as_ref()
    }

    /// The factors of LoRA, if it is used.
    pub fn lora(&self) -> Option<&Lora> {
        self.lora.as_ref()
    }

    /// Returns the model to decode with, without a graph: the moving average of the weights if it is kept.
    pub fn eval_model(&self) -> Transformer {
        let model = self.model().valid();
        match &self.ema {
            Some(ema) => ema.averaged(model),
            None => model,
        }
    }

    /// Updates the weights on micro-batches, which run in parallel and whose gradients add up to the whole update's.
    ///
    /// # Panics
    /// Without a micro-batch.
    pub fn step(&mut self, micro_batches: &[Batch], options: StepOptions) -> StepOutput {
        let StepOptions { step, learning_rate, seed, dropout_share, objective, clip_norm } = options;
        let tokens: usize = micro_batches.iter().map(|batch| batch.target_tokens).sum();
        let backward = |i: usize, batch: &Batch| {
            let model = self.model().clone().fork(&self.device.clone().autodiff()); // the same weights, another graph
            let mut pass = Pass::training(seed, step - 1, i as u64).with_dropout_scale(dropout_share);
            let sums = model.loss(batch, objective, &mut pass);
            // Divided by the tokens of the whole update, so that the micro-batches add up to it.
            let gradients = (sums.smoothed.clone() / tokens as f64).backward();
            (GradientsParams::from_grads(gradients, &model), sums.smoothed.without_autodiff(), sums.nll)
        };
        let mut total = None;
        self.workers.map_in_order(micro_batches, backward, |_, part| {
            total = Some(match total.take() {
                None => part,
                Some((gradients, loss, nll)) => {
                    (gradients::add(self.model(), gradients, part.0), loss + part.1, nll + part.2)
                }
            });
        });
        let (mut gradients, loss, nll) = total.expect("at least one micro-batch");
        // Moved, not cloned, so that the optimizer can write in place.
        let model = self.model.take().expect("the model is away only within an update");
        let (model, gradient_norm) = match &mut self.lora {
            None => {
                model.embeddings.zero_padding_gradients(&mut gradients);
                let norm = gradients::global_norm(&model, &gradients);
                let factor = (clip_norm > 0.0).then(|| gradients::clip_factor(norm.clone(), clip_norm));
                (self.optimizer.step(model, gradients, factor, self.ema.as_mut(), learning_rate, step), norm)
            }
            Some(factors) => {
                let mut gradients = factors.gradients(&model, &gradients);
                let norm = lora::global_norm(&gradients);
                if clip_norm > 0.0 {
                    gradients = lora::scale(gradients, &gradients::clip_factor(norm.clone(), clip_norm));
                }
                (factors.step(model, gradients, &mut self.optimizer, learning_rate, step), norm)
            }
        };
        if let Some(ema) = &mut self.ema {
            ema.update(&model, step);
        }
        self.model = Some(model);
        StepOutput { loss, nll, gradient_norm }
    }
}
