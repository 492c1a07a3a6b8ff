//! The squared norm of a tensor by blocks, so that several processes can compute it together to the same bit.

use burn::tensor::Tensor;
#[cfg(feature = "flex")]
use rayon::prelude::*;

#[cfg(feature = "flex")]
use crate::simd::{WIDE, sum_pairs, vectorised};

/// Values per block, counted from the first value of each tensor.
pub const BLOCK: usize = 1 << 14;

/// Returns the number of values per block if the squared norm on this tensor's device is [`sum_of_blocks`] of
/// [`block_squares`]; other devices add in another order.
pub fn norm_block<const D: usize>(tensor: &Tensor<D>) -> Option<usize> {
    #[cfg(feature = "flex")]
    if crate::autodiff::applies(tensor) {
        return Some(BLOCK);
    }
    let _ = tensor;
    None
}

/// Returns the sum of the squares of each block of `values`, of which the first begins a block of its tensor.
pub fn block_squares(values: &[f32]) -> Vec<f32> {
    #[cfg(feature = "flex")]
    {
        let square = |block: &[f32]| vectorised!(sum_pairs::<WIDE>(block, block, |x, y| x * y));
        values.par_chunks(BLOCK).map(square).collect()
    }
    #[cfg(not(feature = "flex"))]
    values.chunks(BLOCK).map(|block| block.iter().map(|value| value * value).sum()).collect()
}

/// Returns the squared norm of a tensor from its [`block_squares`], in order.
pub fn sum_of_blocks(squares: impl IntoIterator<Item = f32>) -> f32 {
    squares.into_iter().map(f64::from).sum::<f64>() as f32
}
