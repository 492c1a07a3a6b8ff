//! The connection around a sub-layer (paper, sections 3.1 and 5.4): dropout, add, layer norm, in one pass over memory.
//!
//! **Why fused:** composed of tensor operations, the norm alone reads and writes its rows nine times forward and twenty
//! times backward. Here a row is read once, stays in the nearest cache while its mean and deviation are found, and is
//! written once; the backward pass likewise.

use burn::tensor::{Tensor, module};

use crate::dropout::{self, Dropout};

/// Gain `[width]` and offset `[width]` of a layer norm, and what keeps its deviation from zero.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    pub gamma: Tensor<1>,
    pub beta: Tensor<1>,
    pub epsilon: f64,
}

/// `norm(x + dropout(change))`, over rows of the last dimension.
pub fn add_and_norm<const D: usize>(
    x: Tensor<D>,
    change: Tensor<D>,
    dropout: Option<Dropout>,
    norm: LayerNorm,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if fused::applies(&x) {
        let connection = Connection { adds: true, dropout, epsilon: Some(norm.epsilon as f32) };
        return fused::four(x, change, norm.gamma, norm.beta, connection);
    }
    portable_norm(portable_add(x, change, dropout), norm)
}

/// `x + dropout(change)`.
pub fn add<const D: usize>(x: Tensor<D>, change: Tensor<D>, dropout: Option<Dropout>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if fused::applies(&x) {
        return fused::two(x, change, Connection { adds: true, dropout, epsilon: None });
    }
    portable_add(x, change, dropout)
}

/// Layer normalisation (Ba et al. 2016) of rows of the last dimension.
pub fn layer_norm<const D: usize>(x: Tensor<D>, norm: LayerNorm) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if fused::applies(&x) {
        let connection = Connection { adds: false, dropout: None, epsilon: Some(norm.epsilon as f32) };
        return fused::three(x, norm.gamma, norm.beta, connection);
    }
    portable_norm(x, norm)
}

/// The definition of [`add`].
pub fn portable_add<const D: usize>(x: Tensor<D>, change: Tensor<D>, dropout: Option<Dropout>) -> Tensor<D> {
    match dropout {
        Some(dropout) => x + dropout::portable(change, dropout),
        None => x + change,
    }
}

/// The definition of [`layer_norm`].
pub fn portable_norm<const D: usize>(x: Tensor<D>, norm: LayerNorm) -> Tensor<D> {
    module::layer_norm(x, norm.gamma, Some(norm.beta), norm.epsilon)
}

#[cfg(feature = "flex")]
use {
    crate::array::Array,
    crate::fused::{self, Kept},
    crate::rows::{BLOCK, added_in_order},
    crate::vector::{WIDE, sum, sum_pairs, vectorised},
    rayon::prelude::*,
};

/// `[norm]([x +] [dropout](change))`: the parts in brackets are there or not.
#[cfg(feature = "flex")]
#[derive(Debug)]
struct Connection {
    adds: bool,
    dropout: Option<Dropout>,
    epsilon: Option<f32>,
}

#[cfg(feature = "flex")]
impl fused::Operation for Connection {
    fn forward(&self, inputs: Vec<Array>, tracked: bool) -> (Array, Kept) {
        let mut inputs = inputs.into_iter().map(Array::row_major);
        let x = if self.adds { inputs.next() } else { None };
        let change = inputs.next().expect("something to normalise or add");
        let norm = inputs.next().zip(inputs.next()).zip(self.epsilon);

        let width = change.width().max(1);
        let rows = change.values().len() / width;
        let drawn = self.dropout.map(|dropout| dropout.prepare());
        let mut total = vec![0.0; rows * width];
        total.par_chunks_mut(BLOCK * width).enumerate().for_each(|(block, total)| {
            let first = block * BLOCK * width;
            let change = &change.values()[first..][..total.len()];
            let x = x.as_ref().map(|x| &x.values()[first..][..total.len()]);
            vectorised!({
                match drawn {
                    Some(drawn) => drawn.apply(total, change, first),
                    None => total.copy_from_slice(change),
                }
                if let Some(x) = x {
                    total.iter_mut().zip(x).for_each(|(total, x)| *total += x);
                }
            });
        });
        let Some(((gamma, beta), epsilon)) = norm else { return (Array::new(total, change.shape()), vec![]) };

        let mut scales = vec![0.0; rows];
        let blocks = total.par_chunks_mut(BLOCK * width).zip(scales.par_chunks_mut(BLOCK));
        blocks.for_each(|(total, scales)| {
            vectorised!({
                for (row, scale) in total.chunks_exact_mut(width).zip(scales.iter_mut()) {
                    *scale = standardise(row, epsilon);
                }
            });
        });
        let standard = Array::new(total, change.shape());
        let mut result = vec![0.0; rows * width];
        let blocks = result.par_chunks_mut(BLOCK * width).zip(standard.values().par_chunks(BLOCK * width));
        blocks.for_each(|(result, standard)| {
            vectorised!({
                for (result, standard) in result.chunks_exact_mut(width).zip(standard.chunks_exact(width)) {
                    let scaled = standard.iter().zip(gamma.values()).zip(beta.values());
                    result.iter_mut().zip(scaled).for_each(|(y, ((x, gamma), beta))| *y = x * gamma + beta);
                }
            });
        });
        let kept = if tracked { vec![standard, Array::new(scales, [rows]), gamma] } else { vec![] };
        (Array::new(result, change.shape()), kept)
    }

    fn backward(&self, kept: Kept, gradient: Array, wanted: &[bool]) -> Vec<Option<Array>> {
        let mut gradient = gradient.row_major();
        let parameters = match &kept[..] {
            [standard, scales, gamma] => {
                let (gamma, beta) = unnormalise(&mut gradient, standard, scales, gamma);
                vec![Some(gamma), Some(beta)]
            }
            _ => vec![],
        };
        let change = match self.dropout {
            Some(dropout) if wanted[usize::from(self.adds)] => dropout.applied(gradient.clone()),
            _ => gradient.clone(),
        };
        let x = self.adds.then_some(Some(gradient));
        x.into_iter().chain([Some(change)]).chain(parameters).collect()
    }
}

/// Brings a row to mean 0 and deviation 1, and returns by what it was multiplied after its mean was taken away.
#[cfg(feature = "flex")]
#[inline(always)]
fn standardise(row: &mut [f32], epsilon: f32) -> f32 {
    let mean = sum::<WIDE>(row, |x| x) / row.len() as f32;
    let variance = sum::<WIDE>(row, |x| (x - mean) * (x - mean)) / row.len() as f32;
    let scale = 1.0 / (variance + epsilon).sqrt();
    row.iter_mut().for_each(|x| *x = (*x - mean) * scale);
    scale
}

/// Turns the gradient of a norm's result into that of its input, in place, and returns those of gamma and beta.
#[cfg(feature = "flex")]
fn unnormalise(gradient: &mut Array, standard: &Array, scales: &Array, gamma: &Array) -> (Array, Array) {
    let width = standard.width().max(1);
    let gamma = gamma.values();
    let blocks = gradient.values_mut().par_chunks_mut(BLOCK * width);
    let blocks = blocks.zip(standard.values().par_chunks(BLOCK * width)).zip(scales.values().par_chunks(BLOCK));
    let sums: Vec<Vec<f32>> = blocks
        .map(|((gradient, standard), scales)| {
            let mut sums = vec![0.0; 2 * width];
            let (of_gamma, of_beta) = sums.split_at_mut(width);
            vectorised!({
                let rows = gradient.chunks_exact_mut(width).zip(standard.chunks_exact(width)).zip(scales);
                for ((dy, x), scale) in rows {
                    for i in 0..width {
                        of_gamma[i] += dy[i] * x[i];
                        of_beta[i] += dy[i];
                        dy[i] *= gamma[i];
                    }
                    let mean = sum::<WIDE>(dy, |dy| dy) / width as f32;
                    let along = sum_pairs::<WIDE>(dy, x, |dy, x| dy * x) / width as f32;
                    dy.iter_mut().zip(x).for_each(|(dy, x)| *dy = scale * (*dy - mean - x * along));
                }
            });
            sums
        })
        .collect();
    let mut sums = added_in_order(sums, 2 * width);
    let of_beta = sums.split_off(width);
    (Array::new(sums, [width]), Array::new(of_beta, [width]))
}
