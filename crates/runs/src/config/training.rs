//! The `[training]` table: how the weights are found.

use std::path::PathBuf;

use model::loss::Objective;
use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};

use super::at_least_one;
use super::precision::MatmulPrecision;
use super::regularization::{AnnealDropout, RDrop};
use super::schedule::Schedule;

/// The rule by which gradients change the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Kingma and Ba 2015; the paper's.
    Adam,
    /// Adam whose matrices also shrink by `learning_rate * weight_decay` at each update (Loshchilov and Hutter 2019).
    /// Biases and norms are vectors and do not shrink.
    AdamW,
}

/// Which weights the run folder holds in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Export {
    /// Those of the best validation.
    Best,
    /// The mean of those of several validations, as `training.average` says.
    Average,
    /// The exponential moving average of all updates' weights, at its best validation; validation measures it instead.
    Ema,
}

/// Which validations' weights are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Average {
    pub of: AverageOf,
    /// How many, if there are as many.
    pub count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AverageOf {
    /// The latest.
    Last,
    /// Those with the best scores.
    Best,
}

/// The `[training]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Everything random follows from it: weights, data, order, dropout.
    pub seed: u64,
    /// A run folder whose weights and vocabularies to start from, to fine-tune them; `--init-from` for short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_from: Option<PathBuf>,
    /// Updates of the weights.
    pub steps: u64,
    /// Target tokens per update, padding included (source tokens are bounded likewise).
    pub max_tokens: usize,
    /// Parts into which an update is split; their gradients add up to the whole update's. On a CPU as many parts as
    /// there are threads run side by side, which is faster; more parts than that save memory.
    pub accumulate: usize,
    /// For the CPU backend `flex` alone: `"bfloat16"` multiplies several times as fast where the processor has matrix
    /// registers (AMX), up to twice as fast with AVX-512's products of bfloat16, and slower than `"float32"` elsewhere.
    pub matmul_precision: MatmulPrecision,
    /// The rule by which gradients change the weights.
    pub optimizer: Optimizer,
    /// For `adamw` alone.
    pub weight_decay: f64,
    /// Shape of the learning rate over the steps.
    pub schedule: Schedule,
    /// Factor of the paper's formula for `noam` (1 = the paper), the peak rate for the others.
    pub learning_rate: f64,
    pub warmup_steps: u64,
    /// ε of label smoothing (paper, section 5.4).
    pub label_smoothing: f64,
    /// R-Drop: two passes over each sentence, which differ in their dropout, are asked to agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r_drop: Option<RDrop>,
    /// Dropout that fades: a small model that is nearly done learns more from what it sees whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anneal_dropout: Option<AnnealDropout>,
    /// Longest global gradient norm; 0 = no clipping (the paper).
    pub clip_norm: f64,
    /// Which weights the run folder holds in the end.
    pub export: Export,
    /// For `export = "average"` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<Average>,
    /// For `export = "ema"` alone: the share of the old average that an update keeps, such as 0.999; 0 = none.
    pub ema: f64,
    /// Steps between two logged lines.
    pub log_every: u64,
    /// Steps between two checkpoints.
    pub checkpoint_every: u64,
    /// Checkpoints to keep.
    pub keep: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            init_from: None,
            steps: 100_000,
            max_tokens: 4096,
            accumulate: 1,
            matmul_precision: MatmulPrecision::Float32,
            optimizer: Optimizer::Adam,
            weight_decay: 0.0,
            schedule: Schedule::Noam,
            learning_rate: 1.0,
            warmup_steps: 4000,
            label_smoothing: 0.1,
            r_drop: None,
            anneal_dropout: None,
            clip_norm: 0.0,
            export: Export::Best,
            average: None,
            ema: 0.0,
            log_every: 50,
            checkpoint_every: 1000,
            keep: 2,
        }
    }
}

impl TrainingConfig {
    /// What update number `step` (from 1) minimises.
    pub fn objective(&self, step: u64) -> Objective {
        let r_drop = self.r_drop.filter(|r_drop| step > r_drop.after).map_or(0.0, |r_drop| r_drop.alpha);
        Objective { label_smoothing: self.label_smoothing, r_drop }
    }

    /// The share of the model's dropout rates that update number `step` (from 1) drops.
    pub fn dropout_share(&self, step: u64) -> f64 {
        let Some(AnnealDropout { to, after }) = self.anneal_dropout else { return 1.0 };
        let fallen = step.saturating_sub(after) as f64 / self.steps.saturating_sub(after).max(1) as f64;
        1.0 - (1.0 - to) * fallen
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("training.steps", self.steps as usize),
            ("training.max_tokens", self.max_tokens),
            ("training.accumulate", self.accumulate),
            ("training.warmup_steps", self.warmup_steps as usize),
            ("training.log_every", self.log_every as usize),
            ("training.checkpoint_every", self.checkpoint_every as usize),
            ("training.keep", self.keep),
        ] {
            at_least_one(field, value)?;
        }
        if self.accumulate > self.max_tokens {
            return Err(ConfigError::new(
                "training.accumulate",
                self.accumulate,
                format!("at most training.max_tokens = {}", self.max_tokens),
                "split an update into fewer parts",
            ));
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            let remedy = "1.0 is the paper's factor for \"noam\"; the other schedules want a rate such as 0.001";
            return Err(ConfigError::new("training.learning_rate", self.learning_rate, "a positive number", remedy));
        }
        if self.schedule != Schedule::Noam && self.learning_rate >= 1.0 {
            return Err(ConfigError::new(
                "training.learning_rate",
                self.learning_rate,
                "a peak rate below 1, since only \"noam\" takes a factor",
                "0.001 is a usual peak",
            ));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let expected = "at least 0 and below 1";
            return Err(ConfigError::new("training.label_smoothing", self.label_smoothing, expected, "0.1 is usual"));
        }
        for (field, value, remedy) in [
            ("training.clip_norm", self.clip_norm, "1.0 is usual; 0 turns clipping off"),
            (
                "training.r_drop.alpha",
                self.r_drop.map_or(0.0, |r_drop| r_drop.alpha),
                "1 to 5 is usual; 0 turns it off",
            ),
            ("training.weight_decay", self.weight_decay, "0.01 is usual; 0 turns it off"),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(ConfigError::new(field, value, "a number of at least 0", remedy));
            }
        }
        if let Some(AnnealDropout { to, after }) = self.anneal_dropout {
            if !(0.0..=1.0).contains(&to) {
                let remedy = "0.2 is a fifth of the rates; 0 ends without dropout";
                return Err(ConfigError::new("training.anneal_dropout.to", to, "from 0 to 1", remedy));
            }
            if after >= self.steps {
                let expected = format!("less than training.steps = {}", self.steps);
                return Err(ConfigError::new("training.anneal_dropout.after", after, expected, "half of it is usual"));
            }
        }
        if self.optimizer == Optimizer::Adam && self.weight_decay != 0.0 {
            return Err(ConfigError::new(
                "training.weight_decay",
                self.weight_decay,
                "0, since training.optimizer = \"adam\" has none",
                "set training.optimizer = \"adamw\", or remove it",
            ));
        }
        self.validate_export()
    }

    /// Refuses a rate that would neither reach its peak nor fall, and what would have no effect.
    pub(crate) fn validate_new(&self, model: &ModelConfig) -> Result<(), ConfigError> {
        if self.schedule == Schedule::Cosine && self.warmup_steps >= self.steps {
            return Err(ConfigError::new(
                "training.warmup_steps",
                self.warmup_steps,
                format!("below training.steps = {}, at whose end \"cosine\" comes to zero", self.steps),
                "5 to 10 % of training.steps is usual",
            ));
        }
        if let Some(r_drop) = self.r_drop {
            r_drop.validate_new(self.steps, model)?;
        }
        self.anneal_dropout.map_or(Ok(()), |anneal| anneal.validate_new(model))
    }

    /// The exported weights and their settings belong together.
    fn validate_export(&self) -> Result<(), ConfigError> {
        if !(0.0..1.0).contains(&self.ema) {
            let expected = "at least 0 and below 1";
            return Err(ConfigError::new("training.ema", self.ema, expected, "0.999 is usual; 0 turns it off"));
        }
        if let Some(Average { count: 0, .. }) = self.average {
            return Err(ConfigError::new("training.average.count", 0, "at least 1", "5 or 10 is usual"));
        }
        let (ema, average) = (self.ema > 0.0, self.average.is_some());
        let wanting = |field: &str, expected: &str, remedy: &str| {
            Err(ConfigError::new(field, "nothing", format!("{expected}, since training.export asks for it"), remedy))
        };
        let idle = |field: &str, export: &str| {
            let expected = format!("nothing, since only training.export = \"{export}\" uses it");
            Err(ConfigError::new(
                field,
                "a value",
                expected,
                format!("set training.export = \"{export}\", or remove it"),
            ))
        };
        match self.export {
            Export::Ema if !ema => wanting("training.ema", "a decay", "set training.ema = 0.999"),
            Export::Average if !average => {
                let remedy = "set training.average = { of = \"last\", count = 5 }";
                wanting("training.average", "which validations to average", remedy)
            }
            Export::Best | Export::Average if ema => idle("training.ema", "ema"),
            Export::Best | Export::Ema if average => idle("training.average", "average"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_asked_to_agree_after_the_updates_without() {
        let mut training = TrainingConfig { label_smoothing: 0.2, ..TrainingConfig::default() };
        let asked = |training: &TrainingConfig, step| {
            let Objective { label_smoothing, r_drop } = training.objective(step);
            assert_eq!(label_smoothing, 0.2);
            r_drop
        };
        assert_eq!(asked(&training, 1), 0.0);
        training.r_drop = Some(RDrop { alpha: 3.0, after: 7 });
        assert_eq!([1, 7, 8, 100].map(|step| asked(&training, step)), [0.0, 0.0, 3.0, 3.0]);
    }

    #[test]
    fn dropout_falls_as_a_line_after_its_beginning() {
        let mut training = TrainingConfig { steps: 100, ..TrainingConfig::default() };
        assert_eq!((training.dropout_share(1), training.dropout_share(100)), (1.0, 1.0));
        training.anneal_dropout = Some(AnnealDropout { to: 0.2, after: 60 });
        for (step, share) in [(1, 1.0), (60, 1.0), (70, 0.8), (80, 0.6), (100, 0.2)] {
            assert!((training.dropout_share(step) - share).abs() < 1e-12, "step {step}");
        }
    }
}
