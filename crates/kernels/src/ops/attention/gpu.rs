//! Attention for GPUs: two matrix products with the masked softmax and its dropout between them, one launch each.
//!
//! Sentences are short, so scores exist; the mask does not, only a length per row of the batch. The backward pass keeps the
//! weights, and computes the mask of dropout again.

use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::Scoring;
use super::bias_gradient::bias_gradient;
use crate::dropout::Dropout;
use crate::dropout::gpu::{DropoutArguments, arguments, factor};
use crate::gpu::{
    self, Kept, UNITS, empty, integers, len, max_of_cube, per_row, product, product_beside_heads, row_major,
    sum_of_cube, transposed, width, zeros,
};
use crate::mask::Mask;

/// Hidden keys that a kernel computes.
#[derive(Debug)]
pub struct Visible {
    /// Visible keys of each row of the batch, `[batch]`.
    lengths: Option<CubeTensor>,
    /// Whether query i sees keys 0..=i alone.
    causal: bool,
    /// Visible keys of every row at most.
    first: u32,
}

impl Visible {
    /// The visible keys of a mask; `None` for one that is a tensor, or of another batch.
    pub fn from_mask(mask: Option<&Mask>, queries: &Tensor<4>) -> Option<Self> {
        let device = queries.device();
        let fits = |lengths: &crate::mask::KeyLengths| lengths.as_slice().len() == queries.dims()[0];
        match mask {
            None => Some(Self { lengths: None, causal: false, first: u32::MAX }),
            Some(Mask::First(visible)) => Some(Self { lengths: None, causal: false, first: *visible as u32 }),
            Some(Mask::Causal) => Some(Self { lengths: None, causal: true, first: u32::MAX }),
            Some(Mask::Padding(lengths)) if fits(lengths) => Some(Self {
                lengths: Some(row_major(integers(lengths.on_device(&device)))),
                causal: false,
                first: u32::MAX,
            }),
            Some(Mask::CausalPadding(lengths)) if fits(lengths) => Some(Self {
                lengths: Some(row_major(integers(lengths.on_device(&device)))),
                causal: true,
                first: u32::MAX,
            }),
            Some(Mask::Padding(_) | Mask::CausalPadding(_) | Mask::Explicit(_)) => None,
        }
    }
}

pub fn attention(
    queries: Tensor<4>,
    keys: Tensor<4>,
    values: Tensor<4>,
    scoring: Scoring,
    visible: Visible,
    dropout: Option<Dropout>,
) -> Tensor<4> {
    let ([batch, heads, query_len, size], [_, _, key_len, _]) = (queries.dims(), keys.dims());
    assert_eq!(
        [keys.dims(), values.dims()].map(|[b, h, k, _]| [b, h, k]),
        [[batch, heads, key_len]; 2],
        "keys and values"
    );
    assert_eq!(keys.dims()[3], size, "keys are as wide as queries");
    let operation = Attention { divisor: scoring.divisor, visible, dropout };
    match scoring.bias {
        Some(bias) => {
            assert_eq!(bias.dims(), [heads, (query_len + key_len).saturating_sub(1)], "a bias by head and distance");
            gpu::four(queries, keys, values, bias, operation)
        }
        None => gpu::three(queries, keys, values, operation),
    }
}

#[derive(Debug)]
struct Attention {
    divisor: f64,
    visible: Visible,
    dropout: Option<Dropout>,
}

impl Attention {
    fn scale(&self) -> f32 {
        (1.0 / self.divisor) as f32
    }
}

impl gpu::Operation for Attention {
    fn forward(&self, inputs: Vec<CubeTensor>, tracked: bool) -> (CubeTensor, Kept) {
        let mut inputs = inputs.into_iter();
        let mut next = || inputs.next().expect("queries, keys and values");
        let (queries, keys, values) = (next(), next(), next());
        let bias = inputs.next().map(row_major);
        let weights = product(queries.clone(), transposed(keys.clone()));
        let [batch, heads, query_len, key_len]: [usize; 4] = weights.meta.shape().dims();
        if key_len == 0 {
            let context = zeros(&queries, [batch, heads, query_len, width(&values)]);
            let kept = [queries, keys, values, weights].into_iter().chain(bias);
            return (context, if tracked { kept.collect() } else { vec![] });
        }
        let (rows, client) = (batch * heads * query_len, weights.client.clone());
        let dropped = self.dropout.map(|_| empty(&weights, weights.meta.shape().clone()));
        let (count, dim) = per_row(&client, rows, key_len);
        // SAFETY: scores hold `rows * key_len` values, and lengths one per row of the batch, which `rows` counts; the kernel
        // compares rows and columns with these numbers.
        unsafe {
            softmax_kernel::launch_unchecked(
                &client,
                count,
                dim,
                weights.clone().into_buffer_arg(),
                dropped.clone().unwrap_or_else(|| empty(&weights, [1])).into_buffer_arg(),
                self.visible.lengths.clone().map(CubeTensor::into_buffer_arg).into(),
                bias.map(CubeTensor::into_buffer_arg).into(),
                rows as u32,
                heads as u32,
                query_len as u32,
                key_len as u32,
                self.visible.first,
                self.scale(),
                arguments(self.dropout),
                self.dropout.is_some(),
                self.visible.causal,
            );
        }
        let context = product_beside_heads(dropped.clone().unwrap_or_else(|| weights.clone()), values.clone());
        let kept = match tracked {
            true => vec![queries, keys, values, weights].into_iter().chain(dropped).collect(),
            false => vec![],
        };
        (context, kept)
    }

    fn backward(&self, kept: Kept, gradient: CubeTensor, wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        let mut kept = kept.into_iter();
        let mut next = || kept.next().expect("what the forward pass kept");
        let (queries, keys, values, weights) = (next(), next(), next(), next());
        let key_len = *weights.meta.shape().last().expect("a dimension of keys");
        if key_len == 0 {
            let inputs = [queries, keys, values].into_iter().chain(kept);
            return inputs.map(|input| Some(zeros(&input, input.meta.shape().clone()))).collect();
        }
        let dropped = kept.next().unwrap_or_else(|| weights.clone());
        let of_values = wanted[2].then(|| product_beside_heads(transposed(dropped), gradient.clone()));
        let scores = product(gradient, transposed(values));
        let (rows, client) = (len(&weights) / key_len, weights.client.clone());
        let (count, dim) = per_row(&client, rows, key_len);
        // SAFETY: both buffers hold `rows * key_len` values; the kernel compares rows and columns with these numbers.
        unsafe {
            softmax_gradient_kernel::launch_unchecked(
                &client,
                count,
                dim,
                weights.into_buffer_arg(),
                scores.clone().into_buffer_arg(),
                rows as u32,
                key_len as u32,
                self.scale(),
                arguments(self.dropout),
                self.dropout.is_some(),
            );
        }
        let of_bias = (wanted.get(3) == Some(&true)).then(|| bias_gradient(scores.clone(), self.divisor as f32));
        let of_queries = wanted[0].then(|| product_beside_heads(scores.clone(), keys));
        let of_keys = wanted[1].then(|| product_beside_heads(transposed(scores), queries));
        vec![of_queries, of_keys, of_values, of_bias]
    }
}

/// The softmax of each row's visible scores, in place; hidden keys get zero.
#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
fn softmax_kernel(
    scores: &mut [f32],
    dropped: &mut [f32],
    lengths: ComptimeOption<&[i32]>,
    bias: ComptimeOption<&[f32]>,
    rows: u32,
    heads: u32,
    query_len: u32,
    key_len: u32,
    first: u32,
    scale: f32,
    mask: DropoutArguments,
    #[comptime] drops: bool,
    #[comptime] causal: bool,
) {
    let row = CUBE_POS as u32;
    if row >= rows {
        terminate!();
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let start = row * key_len;
    let mut visible = min(key_len, first);
    #[comptime]
    if let ComptimeOption::Some(lengths) = lengths {
        visible = min(visible, u32::cast_from(lengths[(row / (heads * query_len)) as usize]));
    }
    if comptime!(causal) {
        visible = min(visible, row % query_len + 1u32);
    }
    // The term of a row's first key: a bias by head and distance, `[head, query_len + key_len - 1]`.
    let first_bias = row / query_len % heads * (query_len + key_len - 1) + query_len - 1 - row % query_len;
    let mut peak = f32::new(-3.0e38f32);
    let mut key = UNIT_POS;
    while key < visible {
        let mut score = scores[(start + key) as usize] * scale;
        #[comptime]
        if let ComptimeOption::Some(bias) = &bias {
            score += bias[(first_bias + key) as usize];
        }
        scores[(start + key) as usize] = score;
        peak = max(peak, score);
        key += CUBE_DIM;
    }
    let peak = max_of_cube(peak, &mut shared);
    let mut sum = 0.0f32;
    key = UNIT_POS;
    while key < visible {
        let power = (scores[(start + key) as usize] - peak).exp();
        scores[(start + key) as usize] = power;
        sum += power;
        key += CUBE_DIM;
    }
    let sum = sum_of_cube(sum, &mut shared);
    key = UNIT_POS;
    while key < key_len {
        let at = (start + key) as usize;
        let mut weight = 0.0f32;
        if key < visible {
            weight = scores[at] / sum;
        }
        scores[at] = weight;
        if comptime!(drops) {
            dropped[at] = weight * factor(&mask, at as u32);
        }
        key += CUBE_DIM;
    }
}

/// The gradient of the scores from that of the dropped weights, in place.
#[cube(launch_unchecked)]
fn softmax_gradient_kernel(
    weights: &[f32],
    gradient: &mut [f32],
    rows: u32,
    key_len: u32,
    scale: f32,
    mask: DropoutArguments,
    #[comptime] drops: bool,
) {
    let row = CUBE_POS as u32;
    if row >= rows {
        terminate!();
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let start = row * key_len;
    let mut along = 0.0f32;
    let mut key = UNIT_POS;
    while key < key_len {
        let at = (start + key) as usize;
        if comptime!(drops) {
            gradient[at] *= factor(&mask, at as u32);
        }
        along += gradient[at] * weights[at];
        key += CUBE_DIM;
    }
    let along = sum_of_cube(along, &mut shared);
    key = UNIT_POS;
    while key < key_len {
        let at = (start + key) as usize;
        gradient[at] = weights[at] * (gradient[at] - along) * scale;
        key += CUBE_DIM;
    }
}
