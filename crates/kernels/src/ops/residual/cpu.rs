//! The fused residual connection for the CPU.

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::array::Array;
use crate::autodiff::{self, Kept};
use crate::blocks::{BLOCK, add_to, added_in_order};
use crate::dropout::{Dropout, DropoutMask};
use crate::residual::RowNorm;
use crate::simd::{WIDE, sum, sum_pairs, vectorised};

/// `[norm]([x +] [dropout](change))`: the parts in brackets are optional.
pub fn connection<const D: usize>(
    x: Option<Tensor<D>>,
    change: Tensor<D>,
    dropout: Option<Dropout>,
    norm: Option<RowNorm>,
) -> Tensor<D> {
    let shape = change.dims();
    if let Some(x) = &x {
        assert_eq!(x.dims(), shape, "the change has the shape of x");
    }
    if let Some(norm) = &norm {
        let width = [shape[D - 1]];
        let beta = norm.beta.as_ref().map_or(width, Tensor::dims);
        assert_eq!([norm.gamma.dims(), beta], [width; 2], "the norm has the width of the rows");
    }
    let scaling = norm.as_ref().map(|norm| Scaling { centred: norm.beta.is_some(), epsilon: norm.epsilon as f32 });
    let operation = Connection { adds: x.is_some(), dropout, scaling };
    let (gamma, beta) = match norm {
        Some(norm) => (Some(norm.gamma), norm.beta),
        None => (None, None),
    };
    match (x, gamma, beta) {
        (Some(x), Some(gamma), Some(beta)) => autodiff::four(x, change, gamma, beta, operation),
        (Some(x), Some(gamma), None) => autodiff::three(x, change, gamma, operation),
        (Some(x), None, _) => autodiff::two(x, change, operation),
        (None, Some(gamma), Some(beta)) => autodiff::three(change, gamma, beta, operation),
        (None, Some(gamma), None) => autodiff::two(change, gamma, operation),
        (None, None, _) => autodiff::one(change, operation),
    }
}

#[derive(Debug)]
struct Connection {
    adds: bool,
    dropout: Option<Dropout>,
    scaling: Option<Scaling>,
}

/// The division of a row by its deviation, after the subtraction of its mean if `centred`: layer norm, else that of the root
/// mean square.
#[derive(Clone, Copy, Debug)]
struct Scaling {
    centred: bool,
    epsilon: f32,
}

impl autodiff::Operation for Connection {
    fn forward(&self, inputs: Vec<Array>, tracked: bool) -> (Array, Kept) {
        let mut inputs = inputs.into_iter().map(Array::row_major);
        let x = if self.adds { inputs.next() } else { None };
        let mut total = inputs.next().expect("a connection has an input");
        let (gamma, beta) = (inputs.next(), inputs.next());

        let (shape, width) = (total.shape(), total.width().max(1));
        let rows = total.values().len() / width;
        let addition =
            Addition { x: x.as_ref().map(Array::values), drawn: self.dropout.map(|dropout| dropout.prepare()) };
        let totals = total.values_mut().par_chunks_mut(BLOCK * width).enumerate();
        let Some((gamma, scaling)) = gamma.zip(self.scaling) else {
            totals.for_each(|(block, total)| vectorised!(addition.apply(total, block * BLOCK * width)));
            return (total, vec![]);
        };

        let (mut scales, mut result) = (vec![0.0; rows], vec![0.0; rows * width]);
        let results = result.par_chunks_mut(BLOCK * width).zip(scales.par_chunks_mut(BLOCK));
        totals.zip(results).for_each(|((block, total), (result, scales))| {
            vectorised!({
                let each = total.chunks_exact_mut(width).zip(result.chunks_exact_mut(width)).zip(scales.iter_mut());
                for (i, ((row, result), scale)) in each.enumerate() {
                    addition.apply(row, (block * BLOCK + i) * width);
                    *scale = scaling.standardise(row);
                    let scaled = row.iter().zip(gamma.values());
                    match &beta {
                        Some(beta) => {
                            let shifted = scaled.zip(beta.values());
                            result.iter_mut().zip(shifted).for_each(|(y, ((x, gamma), beta))| *y = x * gamma + beta);
                        }
                        None => result.iter_mut().zip(scaled).for_each(|(y, (x, gamma))| *y = x * gamma),
                    }
                }
            });
        });
        let kept = match tracked {
            true => vec![total, Array::new(scales, [rows]), gamma],
            false => vec![],
        };
        (Array::new(result, shape), kept)
    }

    fn backward(&self, kept: Kept, gradient: Array, wanted: &[bool]) -> Vec<Option<Array>> {
        let mut gradient = gradient.row_major();
        let parameters = match (&kept[..], self.scaling) {
            ([standard, scales, gamma], Some(scaling)) => {
                let (gamma, beta) = scaling.unnormalise(&mut gradient, standard, scales, gamma);
                if scaling.centred { vec![Some(gamma), Some(beta)] } else { vec![Some(gamma)] }
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

/// Replaces a change by `[x +] [dropout](change)`.
struct Addition<'a> {
    x: Option<&'a [f32]>,
    drawn: Option<DropoutMask>,
}

impl Addition<'_> {
    /// Replaces the elements from index `first` on.
    #[inline(always)]
    fn apply(&self, values: &mut [f32], first: usize) {
        if let Some(drawn) = self.drawn {
            drawn.apply_in_place(values, first);
        }
        if let Some(x) = self.x {
            add_to(values, &x[first..], 1.0);
        }
    }
}

impl Scaling {
    /// Scales a row to deviation 1, about its mean or about 0, and returns its scale, 1 / √(variance + ε).
    #[inline(always)]
    fn standardise(self, row: &mut [f32]) -> f32 {
        let mean = if self.centred { sum::<WIDE>(row, |x| x) / row.len() as f32 } else { 0.0 };
        let variance = sum::<WIDE>(row, |x| (x - mean) * (x - mean)) / row.len() as f32;
        let scale = 1.0 / (variance + self.epsilon).sqrt();
        row.iter_mut().for_each(|x| *x = (*x - mean) * scale);
        scale
    }

    /// Replaces the gradient of a norm's result by that of its input and returns the gradients of γ and β.
    fn unnormalise(self, gradient: &mut Array, standard: &Array, scales: &Array, gamma: &Array) -> (Array, Array) {
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
                        let mean = if self.centred { sum::<WIDE>(dy, |dy| dy) / width as f32 } else { 0.0 };
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
}
