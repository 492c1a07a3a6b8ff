//! What a logged line tells, gathered on the device, so that no step waits for another.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor};
use model::Batch;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::learner::Found;

/// Sums since the last logged line.
#[derive(Debug)]
pub struct Meter {
    loss: Option<Tensor<1>>,
    nll: Option<Tensor<1>>,
    /// Of the last update, `[1]`.
    gradient_norm: Option<Tensor<1>>,
    tokens: usize,
    /// Target positions, real or padding.
    padded: usize,
    /// Of the tokens, those of a run that this one goes on from, counted before `since`.
    earlier_tokens: usize,
    since: Instant,
    /// Of that time, what was spent waiting for data.
    waited: Duration,
}

/// The same as plain numbers, for a checkpoint between two lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    pub loss: f32,
    pub nll: f32,
    /// Real target tokens.
    pub tokens: usize,
    /// Target positions, real or padding.
    pub padded: usize,
}

/// A logged line's numbers.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// What is minimised, per real target token: the label-smoothed cross-entropy in nats, and with R-Drop how far the
    /// two passes disagree.
    pub loss: f64,
    /// Without smoothing.
    pub nll: f64,
    pub gradient_norm: f64,
    /// Share of target positions that were padding.
    pub padding: f64,
    pub seconds: f64,
    /// Share of that time in which training waited for data.
    pub waiting: f64,
    /// Real target tokens per second.
    pub tokens_per_second: f64,
}

impl Meter {
    /// Goes on counting where a checkpoint was taken, its clock at zero.
    pub fn resume(counted: Counted, device: &Device) -> Self {
        let tensor = |sum: f32| (counted.tokens > 0).then(|| Tensor::from_floats([sum], device));
        Self {
            loss: tensor(counted.loss),
            nll: tensor(counted.nll),
            gradient_norm: None,
            tokens: counted.tokens,
            padded: counted.padded,
            earlier_tokens: counted.tokens,
            since: Instant::now(),
            waited: Duration::ZERO,
        }
    }

    /// Counts an update over the parts of a batch.
    pub fn add(&mut self, found: Found, parts: &[Batch]) {
        let sum = |old: Option<Tensor<1>>, new: Tensor<1>| match old {
            Some(old) => old + new,
            None => new,
        };
        self.loss = Some(sum(self.loss.take(), found.loss));
        self.nll = Some(sum(self.nll.take(), found.nll));
        self.gradient_norm = Some(found.gradient_norm);
        self.tokens += parts.iter().map(|part| part.target_tokens).sum::<usize>();
        self.padded += parts.iter().map(|part| part.target_output.dims().iter().product::<usize>()).sum::<usize>();
    }

    /// Counts time spent waiting for data.
    pub fn waited(&mut self, time: Duration) {
        self.waited += time;
    }

    /// Leaves out the time since `started`, in which nothing was trained.
    pub fn pause(&mut self, started: Instant) {
        self.since += started.elapsed();
    }

    /// What has been counted so far.
    ///
    /// # Errors
    /// A device that fails.
    pub fn counted(&self) -> Result<Counted, TrainError> {
        let (loss, nll) = (scalar(&self.loss)?, scalar(&self.nll)?);
        Ok(Counted { loss, nll, tokens: self.tokens, padded: self.padded })
    }

    /// The line's numbers; counting starts anew.
    ///
    /// # Errors
    /// A device that fails.
    pub fn read(&mut self, device: &Device) -> Result<Reading, TrainError> {
        let Counted { loss, nll, tokens, padded } = self.counted()?;
        let gradient_norm = scalar(&self.gradient_norm)?.into();
        let seconds = self.since.elapsed().as_secs_f64().max(1e-9);
        let waiting = self.waited.as_secs_f64() / seconds;
        let tokens_per_second = (tokens - self.earlier_tokens) as f64 / seconds;
        let tokens = tokens.max(1) as f64;
        *self = Self::resume(Counted::default(), device);
        Ok(Reading {
            loss: f64::from(loss) / tokens,
            nll: f64::from(nll) / tokens,
            gradient_norm,
            padding: 1.0 - tokens / padded.max(1) as f64,
            seconds,
            waiting,
            tokens_per_second,
        })
    }
}

fn scalar(tensor: &Option<Tensor<1>>) -> Result<f32, TrainError> {
    match tensor {
        Some(tensor) => tensor.clone().try_into_scalar().map_err(|error| TrainError::Device(error.to_string())),
        None => Ok(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_the_run_gone_on_from_count_for_the_loss_and_not_for_the_speed() {
        let device = Device::default();
        let counted = Counted { loss: 20.0, nll: 10.0, tokens: 10, padded: 20 };
        let reading = Meter::resume(counted, &device).read(&device).unwrap();
        assert_eq!((reading.loss, reading.nll, reading.padding), (2.0, 1.0, 0.5));
        assert_eq!(reading.tokens_per_second, 0.0);
    }

    #[test]
    fn waiting_is_a_share_of_the_time_since_the_line_before_and_speed_is_over_all_of_it() {
        let device = Device::default();
        let counted = Counted { loss: 20.0, nll: 10.0, tokens: 10, padded: 20 };
        let mut meter = Meter::resume(counted, &device);
        std::thread::sleep(Duration::from_millis(20));
        meter.waited(Duration::from_millis(3));
        meter.waited(Duration::from_millis(5));
        meter.tokens += 90;
        let reading = meter.read(&device).unwrap();
        assert!(reading.seconds >= 0.02, "{reading:?}");
        assert!((reading.waiting * reading.seconds - 0.008).abs() < 1e-9, "{reading:?}");
        assert!((reading.tokens_per_second * reading.seconds - 90.0).abs() < 1e-6, "{reading:?}");

        let next = meter.read(&device).unwrap();
        assert_eq!((next.waiting, next.tokens_per_second), (0.0, 0.0));
    }
}
