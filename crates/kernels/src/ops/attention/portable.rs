//! The definition of attention: equation 1, composed of tensor operations.

use burn::tensor::{Int, Tensor, TensorData, activation};

use super::Scoring;
use crate::dropout::{Dropout, dropout};
use crate::mask::Mask;

/// `dropout(softmax(scores)) · v`, holding all scores.
pub fn portable(
    queries: Tensor<4>,
    keys: Tensor<4>,
    values: Tensor<4>,
    scoring: Scoring,
    mask: Option<&Mask>,
    dropped: Option<Dropout>,
) -> Tensor<4> {
    let weights = attention_weights(queries, keys, scoring, mask);
    let weights = match dropped {
        Some(dropped) => dropout(weights, dropped),
        None => weights,
    };
    weights.matmul(values)
}

/// Attention weights softmax(scores) (equation 1), `[batch, head, query, key]`.
///
/// Each row sums to one over the visible keys and is exactly zero at hidden ones. A row with every key hidden is zero.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kernels::attention::{Scoring, attention_weights};
///
/// let device = Device::flex();
/// let queries = Tensor::<4>::from_floats([[[[2.0]]]], &device);
/// let keys = Tensor::<4>::from_floats([[[[0.0], [0.5]]]], &device);
/// let weights = attention_weights(queries, keys, Scoring::scaled(1), None);
/// let weights: Vec<f32> = weights.into_data().iter().collect();
/// assert!((weights[1] - 1.0 / (1.0 + (-1f32).exp())).abs() < 1e-6);
/// ```
pub fn attention_weights(queries: Tensor<4>, keys: Tensor<4>, scoring: Scoring, mask: Option<&Mask>) -> Tensor<4> {
    let ([_, _, query_len, _], [_, _, key_len, _]) = (queries.dims(), keys.dims());
    let scaled = queries.div_scalar(scoring.divisor);
    let scores = scaled.matmul(keys.swap_dims(2, 3));
    let scores = match scoring.bias {
        Some(bias) => scores + by_query_and_key(bias, query_len, key_len),
        None => scores,
    };
    let Some(mask) = mask else { return activation::softmax(scores, 3) };
    let hidden = mask.tensor(query_len, key_len, &scores.device());
    // Hidden scores become the lowest finite number instead of −∞, since a row without visible keys would be NaN. Its
    // softmax is uniform, and the second fill makes it and its gradient zero.
    let lowest = scores.dtype().finfo().map_or(f64::from(f32::MIN), |numbers| numbers.min);
    let visible = scores.mask_fill(hidden.clone(), lowest);
    activation::softmax(visible, 3).mask_fill(hidden, 0.0)
}

/// Spreads a bias by distance, `[head, query + key - 1]`, over `[1, head, query, key]`.
fn by_query_and_key(bias: Tensor<2>, query_len: usize, key_len: usize) -> Tensor<4> {
    let [heads, _] = bias.dims();
    let row = |query: usize| (0..key_len).map(move |key| (key + query_len - 1 - query) as i32);
    let columns: Vec<i32> = (0..query_len).flat_map(row).collect();
    let columns = Tensor::<1, Int>::from_data(TensorData::new(columns, [query_len * key_len]), &bias.device());
    bias.select(1, columns).reshape([1, heads, query_len, key_len])
}
