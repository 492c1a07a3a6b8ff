//! The `[training]` table: optimizer, schedule, batch size, checkpoints.

use std::path::PathBuf;

use model::loss::Objective;
use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};

use super::at_least_one;
use super::lora::LoraConfig;
use super::precision::MatmulPrecision;
use super::regularization::{AnnealDropout, RDrop};
use super::schedule::Schedule;

/// The optimizer that updates the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Kingma and Ba 2015, with the paper's β₁, β₂ and ε.
    Adam,
    /// Adam with decoupled weight decay of matrices (Loshchilov and Hutter 2019); vectors, biases and norms do not decay.
    AdamW,
}

/// The weights that the run folder holds at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinalWeights {
    /// The weights of the best validation.
    Best,
    /// The mean of several validations' weights, chosen by `training.average`.
    Average,
    /// The exponential moving average of the weights, at its best validation; validations measure the average.
    Ema,
}

/// The validations whose weights are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { of = \"last\", count = 5 }")]
pub struct Average {
    /// The selection rule.
    pub of: AverageOf,
    /// Maximum number of validations.
    pub count: usize,
}

/// The rule that selects the validations to average.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AverageOf {
    /// The latest validations.
    Last,
    /// The validations with the best scores.
    Best,
}

/// The `[training]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Seed of all random numbers: initial weights, generated data, order of the data, dropout.
    pub seed: u64,
    /// Run folder with the initial weights and the vocabularies, for fine-tuning. `[model]`, `[tokenizer]` and
    /// `[decoding]` have its values where this file sets none; of `[model]` it may set dropout rates and, unless positions
    /// are learned, `max_length`. `schedule`, `learning_rate` and `warmup_steps` default to `"constant"`, 0.0001 and 100;
    /// with `schedule = "noam"` the latter two have their usual defaults. `--init-from RUN` is short for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_from: Option<PathBuf>,
    /// Weights that training does not change, each a name in `model.safetensors` or its beginning up to a dot, such as
    /// `["embeddings", "encoder", "decoder.layers.0"]`. `--freeze NAME,NAME` is short for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// LoRA (Hu et al. 2021), `{ rank = 8, alpha = 16, matrices = ["query", "value"] }` by default: fine-tuning trains two
    /// thin matrices for each adapted one, W + alpha / rank · B·A, and no other weight. `matrices` names matrices of linear
    /// layers, each by a part of its name between dots. `model.safetensors` has the merged weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraConfig>,
    /// Number of updates of the weights.
    pub steps: u64,
    /// Maximum target tokens per update, padding included. The same limit holds for source tokens.
    pub max_tokens: usize,
    /// Number of micro-batches per update, whose gradients are added. On a CPU they run in parallel, one per core: set it
    /// to the number of cores. More micro-batches than cores save memory.
    #[serde(alias = "accumulate")]
    pub micro_batches: usize,
    /// Type to which the operands of matrix products are rounded, on `flex` (without `"tfloat32"`) and on GPUs; weights and sums
    /// stay float32. `"bfloat16"` is faster on processors with AMX or AVX-512 BF16, and adds a pass that rounds on all others; on
    /// GPUs, neither is faster than `"float32"`.
    pub matmul_precision: MatmulPrecision,
    /// Whether layers are computed again in the backward pass, on GPUs alone: less memory for the computation of another forward
    /// pass. Only the input of each layer is kept. Not with `freeze` or `lora`.
    pub recompute: bool,
    /// Optimizer that updates the weights.
    pub optimizer: Optimizer,
    /// For `optimizer = "adamw"`: decoupled weight decay. Each update subtracts this fraction of every matrix, times the
    /// learning rate.
    pub weight_decay: f64,
    /// Shape of the learning rate over the updates.
    pub schedule: Schedule,
    /// Factor of the paper's formula for `schedule = "noam"`, where 1.0 is the paper; the peak rate, below 1, for all
    /// other schedules.
    pub learning_rate: f64,
    /// Updates during which the learning rate rises linearly; below `steps` for `schedule = "cosine"`.
    pub warmup_steps: u64,
    /// ε of label smoothing, at least 0 and below 1 (paper, section 5.4).
    pub label_smoothing: f64,
    /// R-Drop (Liang et al. 2021), `{ alpha = A, after = N }`: after N updates (0 by default), two forward passes per
    /// sentence with different dropout, and a consistency loss with weight A. It doubles the time and needs dropout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r_drop: Option<RDrop>,
    /// Annealed dropout (Rennie et al. 2014), `{ to = S, after = N }`: after N updates (0 by default), all dropout rates
    /// fall linearly to S times their value at the last update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anneal_dropout: Option<AnnealDropout>,
    /// Maximum global norm of the gradient; 0 disables clipping, as in the paper.
    pub clip_norm: f64,
    /// Weights that the run folder holds at the end.
    #[serde(alias = "export")]
    pub final_weights: FinalWeights,
    /// For `final_weights = "average"`, `{ of = "last" or "best", count = N }`: the validations whose weights are
    /// averaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<Average>,
    /// For `final_weights = "ema"`: decay of the moving average, below 1, such as 0.999. Update t uses at most
    /// (1 + t) / (10 + t).
    pub ema: f64,
    /// Updates between two logged lines.
    pub log_every: u64,
    /// Updates between two checkpoints.
    pub checkpoint_every: u64,
    /// Number of checkpoints to keep, the newest.
    #[serde(alias = "keep")]
    pub keep_checkpoints: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            init_from: None,
            freeze: Vec::new(),
            lora: None,
            steps: 100_000,
            max_tokens: 4096,
            micro_batches: 1,
            matmul_precision: MatmulPrecision::Float32,
            recompute: false,
            optimizer: Optimizer::Adam,
            weight_decay: 0.0,
            schedule: Schedule::Noam,
            learning_rate: 1.0,
            warmup_steps: 4000,
            label_smoothing: 0.1,
            r_drop: None,
            anneal_dropout: None,
            clip_norm: 0.0,
            final_weights: FinalWeights::Best,
            average: None,
            ema: 0.0,
            log_every: 50,
            checkpoint_every: 1000,
            keep_checkpoints: 2,
        }
    }
}

impl TrainingConfig {
    /// The objective of update number `step` (from 1).
    pub fn objective(&self, step: u64) -> Objective {
        let r_drop = self.r_drop.filter(|r_drop| step > r_drop.after).map_or(0.0, |r_drop| r_drop.alpha);
        Objective { label_smoothing: self.label_smoothing, r_drop }
    }

    /// The share of the model's dropout rates in update number `step` (from 1).
    pub fn dropout_share(&self, step: u64) -> f64 {
        let Some(AnnealDropout { to, after }) = self.anneal_dropout else { return 1.0 };
        let fallen = step.saturating_sub(after) as f64 / self.steps.saturating_sub(after).max(1) as f64;
        1.0 - (1.0 - to) * fallen
    }

    /// The decay of the moving average, if it is kept.
    pub fn ema_decay(&self) -> Option<f64> {
        (self.ema > 0.0).then_some(self.ema)
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("training.steps", self.steps as usize),
            ("training.max_tokens", self.max_tokens),
            ("training.micro_batches", self.micro_batches),
            ("training.warmup_steps", self.warmup_steps as usize),
            ("training.log_every", self.log_every as usize),
            ("training.checkpoint_every", self.checkpoint_every as usize),
            ("training.keep_checkpoints", self.keep_checkpoints),
        ] {
            at_least_one(field, value)?;
        }
        if self.micro_batches > self.max_tokens {
            return Err(ConfigError::new(
                "training.micro_batches",
                self.micro_batches,
                format!("at most training.max_tokens = {}", self.max_tokens),
                "split an update into fewer micro-batches",
            ));
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            let remedy = "1.0 is the paper's factor for \"noam\"; the other schedules need a rate such as 0.001";
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
            ("training.r_drop.alpha", self.r_drop.map_or(0.0, |it| it.alpha), "1 to 5 is usual; 0 turns it off"),
            ("training.weight_decay", self.weight_decay, "0.01 is usual; 0 turns it off"),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(ConfigError::new(field, value, "a number of at least 0", remedy));
            }
        }
        if let Some(anneal) = self.anneal_dropout {
            anneal.validate(self.steps)?;
        }
        self.validate_recompute()?;
        if let Some(lora) = &self.lora {
            lora.validate(self.init_from.is_some(), &self.freeze)?;
        }
        if self.optimizer == Optimizer::Adam && self.weight_decay != 0.0 {
            return Err(ConfigError::new(
                "training.weight_decay",
                self.weight_decay,
                "0, since training.optimizer = \"adam\" has none",
                "set training.optimizer = \"adamw\", or remove it",
            ));
        }
        self.validate_final_weights()
    }

    /// Extra checks for a new run: rejects a rate that neither reaches its peak nor falls, and options without effect.
    pub(crate) fn validate_new(&self, model: &ModelConfig) -> Result<(), ConfigError> {
        if self.schedule == Schedule::Cosine && self.warmup_steps >= self.steps {
            return Err(ConfigError::new(
                "training.warmup_steps",
                self.warmup_steps,
                format!("below training.steps = {}, at which \"cosine\" reaches zero", self.steps),
                "5 to 10 % of training.steps is usual",
            ));
        }
        if let Some(r_drop) = self.r_drop {
            r_drop.validate_new(self.steps, model)?;
        }
        self.anneal_dropout.map_or(Ok(()), |anneal| anneal.validate_new(model))
    }

    /// Checks that `final_weights` and the options that belong to it are given together.
    fn validate_final_weights(&self) -> Result<(), ConfigError> {
        if !(0.0..1.0).contains(&self.ema) {
            let expected = "at least 0 and below 1";
            return Err(ConfigError::new("training.ema", self.ema, expected, "0.999 is usual; 0 turns it off"));
        }
        if let Some(Average { count: 0, .. }) = self.average {
            return Err(ConfigError::new("training.average.count", 0, "at least 1", "5 or 10 is usual"));
        }
        let (ema, average) = (self.ema > 0.0, self.average.is_some());
        let missing = |field: &str, expected: &str, remedy: &str| {
            let expected = format!("{expected}, since training.final_weights requires it");
            Err(ConfigError::new(field, "nothing", expected, remedy))
        };
        let unused = |field: &str, value: &str| {
            let expected = format!("nothing, since only training.final_weights = \"{value}\" uses it");
            let remedy = format!("set training.final_weights = \"{value}\", or remove it");
            Err(ConfigError::new(field, "a value", expected, remedy))
        };
        match self.final_weights {
            FinalWeights::Ema if !ema => missing("training.ema", "a decay", "set training.ema = 0.999"),
            FinalWeights::Average if !average => {
                let remedy = "set training.average = { of = \"last\", count = 5 }";
                missing("training.average", "which validations to average", remedy)
            }
            FinalWeights::Best | FinalWeights::Average if ema => unused("training.ema", "ema"),
            FinalWeights::Best | FinalWeights::Ema if average => unused("training.average", "average"),
            FinalWeights::Best | FinalWeights::Average | FinalWeights::Ema => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
