//! The definition of attention: equation 1, composed of tensor operations.

use burn::tensor::{Tensor, activation};

use crate::dropout::{Dropout, dropout};
use crate::mask::Mask;

/// `dropout(softmax(q·kᵀ / √d_k)) · v`, holding all scores.
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

/// Attention weights softmax(q·kᵀ / √d_k) (equation 1), `[batch, head, query, key]`.
///
/// Each row sums to one over the visible keys and is exactly zero at hidden ones. A row with every key hidden is zero.
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
    // Hidden scores become the lowest finite number instead of −∞, since a row without visible keys would be NaN. Its
    // softmax is uniform, and the second fill makes it and its gradient zero.
    let lowest = scores.dtype().finfo().map_or(f64::from(f32::MIN), |numbers| numbers.min);
    let visible = scores.mask_fill(hidden.clone(), lowest);
    activation::softmax(visible, 3).mask_fill(hidden, 0.0)
}
