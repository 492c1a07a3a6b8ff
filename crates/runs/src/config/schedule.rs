//! `training.schedule`: the shape of the learning rate over time.

use serde::{Deserialize, Serialize};

/// How the learning rate moves after (or with) its linear warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// factor · d_model^-½ · min(step^-½, step · warmup^-1.5): the paper's equation 3.
    Noam,
    /// The same curve, given by its peak: rate · min(step / warmup, √(warmup / step)).
    InverseSqrt,
    /// Up to the peak, then down to zero at the last step along half a cosine.
    Cosine,
    /// Up to the peak, then level.
    Constant,
}
