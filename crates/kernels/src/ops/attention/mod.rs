//! Scaled dot-product attention (paper, section 3.2.1).
//!
//! **Why fused:** heads are read and written where they stand, the scores of a few queries exist at a time (so memory
//! grows with the length, not its square, apart from the mask itself, a byte per pair), hidden keys are skipped instead of
//! computed and masked, and the backward pass computes the weights again instead of having stored them, as
//! FlashAttention does (Dao et al. 2022).

use burn::tensor::{Tensor, activation};

#[cfg(feature = "flex")]
use crate::autodiff;
#[cfg(feature = "flex")]
pub(crate) mod cpu;
use crate::dropout::{Dropout, dropout};
use crate::mask::Mask;

/// What each query gathers: dropout(softmax(q·kᵀ / √d_k)) · v, `[batch, head, query, head_size]`.
///
/// `queries` is `[batch, head, query, head_size]`, `keys` and `values` are `[batch, head, key, head_size]`.
pub fn attention(
    queries: Tensor<4>,
    keys: Tensor<4>,
    values: Tensor<4>,
    mask: Option<&Mask>,
    dropout: Option<Dropout>,
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&queries)
        && let Some(visible) = cpu::VisibleKeys::from_mask(mask, &queries, &keys)
    {
        return cpu::attention(queries, keys, values, visible, dropout);
    }
    portable(queries, keys, values, mask, dropout)
}

/// The definition.
pub fn portable(
    queries: Tensor<4>,
    keys: Tensor<4>,
    values: Tensor<4>,
    mask: Option<&Mask>,
    dropped: Option<Dropout>,
) -> Tensor<4> {
    let weights = attention_weights(queries, keys, mask);
    let weights = match dropped {
        Some(dropped) => dropout(weights, dropped),
        None => weights,
    };
    weights.matmul(values)
}

/// Attention weights softmax(q·kᵀ / √d_k) (equation 1): `[batch, head, query, key]`, each row summing to one over the
/// visible keys, exactly zero at hidden ones, and all zero where every key is hidden.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let device = Device::flex();
/// let queries = Tensor::<4>::from_floats([[[[2.0]]]], &device);
/// let keys = Tensor::<4>::from_floats([[[[0.0], [0.5]]]], &device);
/// let weights = kernels::attention::attention_weights(queries, keys, None);
/// let weights: Vec<f32> = weights.into_data().iter().collect();
/// assert!((weights[1] - 1.0 / (1.0 + (-1f32).exp())).abs() < 1e-6);
/// ```
pub fn attention_weights(queries: Tensor<4>, keys: Tensor<4>, mask: Option<&Mask>) -> Tensor<4> {
    let ([_, _, query_len, head_size], [_, _, key_len, _]) = (queries.dims(), keys.dims());
    let scaled = queries.div_scalar((head_size as f64).sqrt());
    let scores = scaled.matmul(keys.swap_dims(2, 3));
    let Some(mask) = mask else { return activation::softmax(scores, 3) };
    let hidden = mask.tensor(query_len, key_len, &scores.device());
    // The lowest of all numbers, rather than −∞, and filling twice: a row with nothing visible stays free of NaN. Its
    // softmax is uniform, then zero, and so is its gradient.
    let lowest = scores.dtype().finfo().map_or(f64::from(f32::MIN), |numbers| numbers.min);
    let visible = scores.mask_fill(hidden.clone(), lowest);
    activation::softmax(visible, 3).mask_fill(hidden, 0.0)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::{Bool, Device, TensorData};

    use super::*;

    /// One query that sees the first key alone, or none, with scores of any size.
    #[test]
    fn a_score_of_any_size_is_above_a_hidden_one() {
        let device = Device::flex();
        let hidden = |keys: [bool; 2]| {
            Mask::from(Tensor::<4, Bool>::from_data(TensorData::new(keys.to_vec(), [1, 1, 1, 2]), &device))
        };
        let one = |value: f32| Tensor::<4>::from_floats([[[[value]]]], &device);
        for score in [-1e30f32, -1e5, 0.0, 1e30] {
            let keys = Tensor::<4>::from_floats([[[[score], [1.0]]]], &device);
            let weights = |seen| attention_weights(one(1.0), keys.clone(), Some(&hidden(seen))).into_data();
            weights([false, true]).assert_eq(&TensorData::from([[[[1f32, 0.0]]]]), true);
            weights([true, true]).assert_eq(&TensorData::from([[[[0f32, 0.0]]]]), true);
            let gathered = attention(one(1.0), keys.clone(), keys.clone(), Some(&hidden([false, true])), None);
            gathered.into_data().assert_eq(&TensorData::from([[[[score]]]]), true);
        }
    }
}
