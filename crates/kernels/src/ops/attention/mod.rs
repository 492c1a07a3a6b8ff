//! Scaled dot-product attention (paper, section 3.2.1).
//!
//! **Why fused:** heads are read and written in place. Scores exist for a few queries at a time, so memory is linear in the
//! length, not quadratic. Hidden keys are skipped instead of computed and masked. The backward pass recomputes the weights
//! instead of storing them, as FlashAttention does (Dao et al. 2022). A bias by distance is one row of numbers per head
//! instead of a matrix of scores, and so is its gradient.

#[cfg(feature = "cube")]
mod bias_gradient;
#[cfg(feature = "flex")]
pub(crate) mod cpu;
#[cfg(feature = "cube")]
mod gpu;
#[cfg(feature = "flex")]
mod layout;
mod portable;
#[cfg(feature = "flex")]
mod visible_keys;

use burn::tensor::Tensor;
pub use portable::{attention_weights, portable};

#[cfg(feature = "flex")]
use crate::autodiff;
use crate::dropout::Dropout;
use crate::mask::Mask;

/// The computation of scores from queries and keys, before the mask and the softmax.
#[derive(Clone, Debug)]
pub struct Scoring {
    /// The divisor of q·kᵀ: √d_k in equation 1.
    pub divisor: f64,
    /// A term of each score by head and distance, `[head, query_len + key_len - 1]`. The score of query i and key j gets
    /// the term at column j − i + `query_len` − 1.
    pub bias: Option<Tensor<2>>,
}

impl Scoring {
    /// q·kᵀ / √d_k, the scores of equation 1, for heads of width `head_size`.
    pub fn scaled(head_size: usize) -> Self {
        Self { divisor: (head_size as f64).sqrt(), bias: None }
    }
}

/// dropout(softmax(scores)) · v (equation 1), `[batch, head, query, head_size]`.
///
/// `queries` is `[batch, head, query, head_size]`; `keys` and `values` are `[batch, head, key, head_size]`.
pub fn attention(
    queries: Tensor<4>,
    keys: Tensor<4>,
    values: Tensor<4>,
    scoring: Scoring,
    mask: Option<&Mask>,
    dropout: Option<Dropout>,
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&queries)
        && let Some(visible) = visible_keys::VisibleKeys::from_mask(mask, &queries, &keys)
    {
        return cpu::attention(queries, keys, values, scoring, visible, dropout);
    }
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&queries)
        && let Some(visible) = gpu::Visible::from_mask(mask, &queries)
    {
        return gpu::attention(queries, keys, values, scoring, visible, dropout);
    }
    portable(queries, keys, values, scoring, mask, dropout)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::{Bool, Device, TensorData};

    use super::*;

    /// One query with one visible key or none, and scores of any size.
    #[test]
    fn any_visible_score_is_above_a_hidden_one() {
        let device = Device::flex();
        let hidden = |keys: [bool; 2]| {
            Mask::from(Tensor::<4, Bool>::from_data(TensorData::new(keys.to_vec(), [1, 1, 1, 2]), &device))
        };
        let one = |value: f32| Tensor::<4>::from_floats([[[[value]]]], &device);
        for score in [-1e30f32, -1e5, 0.0, 1e30] {
            let keys = Tensor::<4>::from_floats([[[[score], [1.0]]]], &device);
            let weights =
                |seen| attention_weights(one(1.0), keys.clone(), Scoring::scaled(1), Some(&hidden(seen))).into_data();
            weights([false, true]).assert_eq(&TensorData::from([[[[1f32, 0.0]]]]), true);
            weights([true, true]).assert_eq(&TensorData::from([[[[0f32, 0.0]]]]), true);
            let scoring = Scoring::scaled(1);
            let gathered = attention(one(1.0), keys.clone(), keys.clone(), scoring, Some(&hidden([false, true])), None);
            gathered.into_data().assert_eq(&TensorData::from([[[[score]]]]), true);
        }
    }
}
