//! `training.schedule`: the shape of the learning rate over the updates.

use serde::{Deserialize, Serialize};

/// The shape of the learning rate; all shapes begin with a linear warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// learning_rate · d_model^-½ · min(step^-½, step · warmup_steps^-1.5), the paper's equation 3.
    Noam,
    /// The same curve given by its peak: learning_rate · min(step / warmup_steps, √(warmup_steps / step)).
    InverseSqrt,
    /// Up to the peak, then down along half a cosine to zero at the last step.
    Cosine,
    /// Up to the peak, then constant.
    Constant,
}
