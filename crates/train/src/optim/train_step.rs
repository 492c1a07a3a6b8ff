//! One update of the weights: forward and backward for each micro-batch, then one step of the optimizer.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorReadError};
use cluster::{Cluster, share};
use model::recompute::Recomputation;
use model::weights::NamedTensor;
use model::{Batch, Pass, Transformer};
use runs::config::TrainingConfig;

use super::gradient_exchange::{self, SummedSlice};
use super::host_gradients::{self, HostGradients};
use super::update::{MicroBatches, StepOptions, StepOutput};
use super::{Adam, Division, Ema, Lora, Workers, gradients, lora};
use crate::error::TrainError;

/// The model, the optimizer and the moving average of the weights.
pub struct TrainState {
    model: Option<Transformer>,
    optimizer: Adam,
    ema: Option<Ema>,
    lora: Option<Lora>,
    /// With other processes, the parts that each has of the optimizer's work.
    division: Option<Division>,
    workers: Workers,
    device: Device,
    /// Whether layers are computed again in the backward pass.
    recomputes: bool,
}

/// The gradients of an update or of one of its micro-batches, with the sums of the objective and of the nll, `[1]` each.
struct SummedGradients {
    gradients: GradientsParams,
    loss: Tensor<1>,
    nll: Tensor<1>,
}

impl TrainState {
    /// A state on `device`, which does not differentiate; graphs are created per micro-batch.
    pub fn new(model: Transformer, optimizer: Adam, workers: Workers, device: Device) -> Self {
        let model = Some(model);
        Self { model, optimizer, ema: None, lora: None, division: None, workers, device, recomputes: false }
    }

    /// A state with the tensors of a checkpoint. Without factors of LoRA, those of `training.lora` are drawn.
    pub fn restore(
        model: Transformer,
        optimizer: Vec<NamedTensor>,
        ema: Vec<NamedTensor>,
        lora: Option<Vec<NamedTensor>>,
        training: &TrainingConfig,
        workers: Workers,
        device: Device,
    ) -> Self {
        let ema = training.ema_decay().map(|decay| Ema::from_tensors(decay, ema, &device));
        let optimizer = Adam::from_tensors(optimizer, &device).with_weight_decay(training.weight_decay);
        let lora = training.lora.as_ref().map(|config| match lora {
            Some(factors) => Lora::from_tensors(config, factors, &device),
            None => Lora::new(&model, config, training.seed),
        });
        Self::new(model, optimizer, workers, device).with_ema(ema).with_lora(lora).recomputing(training.recompute)
    }

    /// Keeps a moving average of the weights too, unless `None`.
    pub fn with_ema(self, ema: Option<Ema>) -> Self {
        Self { ema, ..self }
    }

    /// Trains the factors of LoRA alone, unless `None`; the model has merged matrices and is otherwise frozen.
    pub fn with_lora(self, lora: Option<Lora>) -> Self {
        Self { lora, ..self }
    }

    /// Computes layers again in the backward pass instead of keeping their intermediate values; all weights must be trained.
    ///
    /// # Panics
    /// On another device than a GPU.
    pub fn recomputing(self, recomputes: bool) -> Self {
        assert!(!recomputes || Recomputation::supported(&self.device), "layers are recomputed on a GPU");
        Self { recomputes, ..self }
    }

    /// Divides the optimizer's work among processes. The optimizer has the moments of this process's slice if they are
    /// divided.
    pub fn with_division(self, division: Division) -> Self {
        Self { division: Some(division), ..self }
    }

    /// As [`with_division`](Self::with_division), for an optimizer that has all moments; those of other slices are dropped.
    pub fn divided(self, division: Division, rank: usize) -> Self {
        let optimizer = match division.divides_moments() {
            true => self.optimizer.restricted(&division.slices, rank, &self.device),
            false => self.optimizer,
        };
        Self { optimizer, division: Some(division), ..self }
    }

    /// The division of the optimizer's work among processes.
    ///
    /// # Panics
    /// Without a division, as in a process alone.
    pub fn division(&self) -> &Division {
        self.division.as_ref().expect("several processes have divided the work")
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
        self.step_alone(MicroBatches::all(micro_batches), options)
    }

    /// As [`step`](Self::step), in all processes of a cluster at the same time, each with its share of the micro-batches.
    ///
    /// # Errors
    /// A device that fails.
    ///
    /// # Panics
    /// Without a micro-batch.
    pub fn step_together(
        &mut self,
        micro_batches: MicroBatches<'_>,
        options: StepOptions,
        cluster: &Cluster,
    ) -> Result<StepOutput, TrainError> {
        if cluster.size() == 1 {
            return Ok(self.step_alone(micro_batches, options));
        }
        let sum = self.summed_slice(micro_batches, options, cluster)?;
        Ok(match self.division().divides_moments() {
            true => self.apply_slice(sum, options, cluster),
            false => {
                let gradients = self.gathered(sum, cluster);
                self.apply(gradients, options)
            }
        })
    }

    /// Updates the weights on the micro-batches of this process alone.
    fn step_alone(&mut self, micro_batches: MicroBatches<'_>, options: StepOptions) -> StepOutput {
        let (device, inside) = (self.device.clone(), self.workers.stays_here(micro_batches.batches.len()));
        if kernels::upload::transfers(&device) && self.lora.is_none() {
            // Created amid the tensors of an update, they would take memory in pieces that no later update can use.
            self.optimizer.reserve(self.model.as_ref().expect("the model is away only within an update"), &device);
        }
        let mut step = || {
            let gradients = self.gradients(micro_batches, options);
            self.apply(gradients, options)
        };
        // Workers have pools of their own.
        if inside { kernels::in_pool(&device, step) } else { step() }
    }

    /// Updates the weights by the gradients of the whole update.
    fn apply(&mut self, gradients: SummedGradients, options: StepOptions) -> StepOutput {
        let StepOptions { step, learning_rate, clip_norm, .. } = options;
        let SummedGradients { mut gradients, loss, nll } = gradients;
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

    /// Updates the weights by the gradients of the whole update, each process those of its slice.
    fn apply_slice(&mut self, sum: SummedSlice, options: StepOptions, cluster: &Cluster) -> StepOutput {
        let [loss, nll] = sum.sums.map(|sum| Tensor::from_floats([sum], &self.device));
        let model = self.model.take().expect("the model is away only within an update");
        let division = self.division.as_ref().expect("several processes have divided the work");
        let (model, gradient_norm) = division.step(model, &mut self.optimizer, sum, options, cluster, &self.device);
        if let Some(ema) = &mut self.ema {
            ema.update(&model, options.step);
        }
        self.model = Some(model);
        StepOutput { loss, nll, gradient_norm }
    }

    /// Returns the gradients of the update, summed over the micro-batches of this process.
    fn gradients(&self, micro_batches: MicroBatches<'_>, options: StepOptions) -> SummedGradients {
        let mut total: Option<SummedGradients> = None;
        self.backward(micro_batches, 0, options, |part| {
            total = Some(match total.take() {
                None => part,
                Some(sum) => SummedGradients {
                    gradients: gradients::add(self.model(), sum.gradients, part.gradients),
                    loss: sum.loss + part.loss,
                    nll: sum.nll + part.nll,
                },
            });
        });
        total.expect("at least one micro-batch")
    }

    /// Returns this process's slice of the gradients of the update, summed over the micro-batches of all processes.
    fn summed_slice(
        &self,
        micro_batches: MicroBatches<'_>,
        options: StepOptions,
        cluster: &Cluster,
    ) -> Result<SummedSlice, TrainError> {
        let first = share(micro_batches.count, cluster.size(), cluster.rank()).start;
        let mut parts = Vec::with_capacity(micro_batches.batches.len());
        self.backward(micro_batches, first, options, |part| parts.push(part));
        let scalar = |tensor: Tensor<1>| {
            tensor.try_into_scalar().map_err(|error: TensorReadError| TrainError::of_device(&error))
        };
        let to_host = |SummedGradients { mut gradients, loss, nll }: SummedGradients| {
            if self.division().divides_moments() {
                self.model().embeddings.zero_padding_gradients(&mut gradients);
            }
            Ok(HostGradients::from_device(self.model(), gradients, [scalar(loss)?, scalar(nll)?]))
        };
        let local: Vec<HostGradients> = parts.into_iter().map(to_host).collect::<Result<_, TrainError>>()?;
        Ok(gradient_exchange::sum(cluster, &self.division().slices, &local, micro_batches.count))
    }

    /// Returns the gradients of the update as a whole, on the device.
    fn gathered(&self, sum: SummedSlice, cluster: &Cluster) -> SummedGradients {
        let whole = gradient_exchange::gather(cluster, &self.division().slices, &sum.pieces, &sum.present);
        let gradients = host_gradients::to_device(whole, self.model(), &self.device);
        let [loss, nll] = sum.sums.map(|sum| Tensor::from_floats([sum], &self.device));
        SummedGradients { gradients, loss, nll }
    }

    /// Computes the gradients of each micro-batch, of which the first has the number `first` in its update, and passes them
    /// to `take` in order.
    fn backward(
        &self,
        micro_batches: MicroBatches<'_>,
        first: usize,
        options: StepOptions,
        mut take: impl FnMut(SummedGradients),
    ) {
        let StepOptions { step, seed, dropout_share, objective, .. } = options;
        let tokens = micro_batches.tokens;
        let backward = |i: usize, batch: &Batch| {
            let model = self.model().clone().fork(&self.device.clone().autodiff()); // the same weights, another graph
            let mut pass = Pass::training(seed, step - 1, (first + i) as u64).with_dropout_scale(dropout_share);
            let recomputation = Recomputation::default();
            if self.recomputes {
                pass = pass.recomputing(recomputation.clone());
            }
            let sums = model.loss(batch, objective, &mut pass);
            // Divided by the tokens of the whole update, so that the micro-batches add up to it.
            let gradients = (sums.smoothed.clone() / tokens as f64).backward();
            let gradients = recomputation.with_others(&model, GradientsParams::from_grads(gradients, &model));
            SummedGradients { gradients, loss: sums.smoothed.without_autodiff(), nll: sums.nll }
        };
        self.workers.map_in_order(micro_batches.batches, backward, |_, part| take(part));
    }
}
