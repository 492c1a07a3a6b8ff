//! The numbers of a logged step, summed on the device, so that no update waits for the one before.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::optim::StepOutput;

/// Sums since the last logged step.
#[derive(Debug)]
pub struct StepMetrics {
    loss: Option<Tensor<1>>,
    nll: Option<Tensor<1>>,
    /// Of the last update, `[1]`.
    gradient_norm: Option<Tensor<1>>,
    tokens: usize,
    /// Target positions, padding included.
    padded: usize,
    /// The part of `tokens` that was counted before a checkpoint was resumed, and so before `since`.
    earlier_tokens: usize,
    since: Instant,
    /// The part of the time since `since` that was spent waiting for data.
    waited: Duration,
}

/// The sums as plain numbers, for a checkpoint between two logged steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sums {
    /// The objective, summed over the target tokens.
    pub loss: f32,
    /// The negative log-likelihood in nats, likewise.
    pub nll: f32,
    /// Target tokens, padding not counted.
    pub tokens: usize,
    /// Target positions, padding included.
    pub padded: usize,
    /// Global gradient norm of the last update.
    #[serde(default)]
    pub gradient_norm: f32,
}

/// The numbers of a logged step.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    /// The objective per target token: label-smoothed cross-entropy in nats, and with R-Drop the consistency loss.
    pub loss: f64,
    /// Negative log-likelihood in nats per target token, without smoothing.
    pub nll: f64,
    /// Global gradient norm of the last update.
    pub gradient_norm: f64,
    /// Share of target positions that were padding.
    pub padding: f64,
    /// Seconds since the last logged step.
    pub seconds: f64,
    /// Share of the time that was spent waiting for data.
    pub waiting: f64,
    /// Target tokens per second, padding not counted.
    pub tokens_per_second: f64,
}

impl StepMetrics {
    /// Continues the sums of a checkpoint, with the clock at zero.
    pub fn resume(sums: Sums, device: &Device) -> Self {
        let tensor = |sum: f32| (sums.tokens > 0).then(|| Tensor::from_floats([sum], device));
        Self {
            loss: tensor(sums.loss),
            nll: tensor(sums.nll),
            gradient_norm: tensor(sums.gradient_norm),
            tokens: sums.tokens,
            padded: sums.padded,
            earlier_tokens: sums.tokens,
            since: Instant::now(),
            waited: Duration::ZERO,
        }
    }

    /// Adds an update over `tokens` target tokens in `positions` positions, padding included.
    pub fn add(&mut self, output: StepOutput, tokens: usize, positions: usize) {
        let sum = |old: Option<Tensor<1>>, new: Tensor<1>| match old {
            Some(old) => old + new,
            None => new,
        };
        self.loss = Some(sum(self.loss.take(), output.loss));
        self.nll = Some(sum(self.nll.take(), output.nll));
        self.gradient_norm = Some(output.gradient_norm);
        self.tokens += tokens;
        self.padded += positions;
    }

    /// Adds time spent waiting for data.
    pub fn add_waiting(&mut self, time: Duration) {
        self.waited += time;
    }

    /// Excludes the time since `started`, in which nothing was trained.
    pub fn exclude_since(&mut self, started: Instant) {
        self.since += started.elapsed();
    }

    /// Returns the sums so far.
    ///
    /// # Errors
    /// A device that fails.
    pub fn sums(&self) -> Result<Sums, TrainError> {
        let [loss, nll, gradient_norm] = [&self.loss, &self.nll, &self.gradient_norm].map(scalar);
        let (tokens, padded) = (self.tokens, self.padded);
        Ok(Sums { loss: loss?, nll: nll?, tokens, padded, gradient_norm: gradient_norm? })
    }

    /// Returns the means since the last logged step, and resets the sums.
    ///
    /// # Errors
    /// A device that fails.
    pub fn take(&mut self, device: &Device) -> Result<Means, TrainError> {
        let Sums { loss, nll, tokens, padded, gradient_norm } = self.sums()?;
        let seconds = self.since.elapsed().as_secs_f64().max(1e-9);
        let waiting = self.waited.as_secs_f64() / seconds;
        let tokens_per_second = (tokens - self.earlier_tokens) as f64 / seconds;
        let tokens = tokens.max(1) as f64;
        *self = Self::resume(Sums::default(), device);
        Ok(Means {
            loss: f64::from(loss) / tokens,
            nll: f64::from(nll) / tokens,
            gradient_norm: gradient_norm.into(),
            padding: 1.0 - tokens / padded.max(1) as f64,
            seconds,
            waiting,
            tokens_per_second,
        })
    }
}

fn scalar(tensor: &Option<Tensor<1>>) -> Result<f32, TrainError> {
    match tensor {
        Some(tensor) => tensor.clone().try_into_scalar().map_err(|error| TrainError::of_device(&error)),
        None => Ok(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_before_a_resume_do_not_count_for_the_speed() {
        let device = Device::default();
        let sums = Sums { loss: 20.0, nll: 10.0, tokens: 10, padded: 20, gradient_norm: 3.0 };
        let means = StepMetrics::resume(sums, &device).take(&device).unwrap();
        assert_eq!((means.loss, means.nll, means.padding, means.gradient_norm), (2.0, 1.0, 0.5, 3.0));
        assert_eq!(means.tokens_per_second, 0.0);
    }

    #[test]
    fn waiting_is_a_share_of_the_time() {
        let device = Device::default();
        let sums = Sums { loss: 20.0, nll: 10.0, tokens: 10, padded: 20, gradient_norm: 3.0 };
        let mut metrics = StepMetrics::resume(sums, &device);
        std::thread::sleep(Duration::from_millis(20));
        metrics.add_waiting(Duration::from_millis(3));
        metrics.add_waiting(Duration::from_millis(5));
        metrics.tokens += 90;
        let means = metrics.take(&device).unwrap();
        assert!(means.seconds >= 0.02, "{means:?}");
        assert!((means.waiting * means.seconds - 0.008).abs() < 1e-9, "{means:?}");
        assert!((means.tokens_per_second * means.seconds - 90.0).abs() < 1e-6, "{means:?}");

        let next = metrics.take(&device).unwrap();
        assert_eq!((next.waiting, next.tokens_per_second), (0.0, 0.0));
    }
}
