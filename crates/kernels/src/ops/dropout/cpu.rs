//! Fused dropout for the CPU.

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::array::Array;
use crate::autodiff;
use crate::dropout::Dropout;
use crate::simd::vectorised;

pub fn dropout<const D: usize>(x: Tensor<D>, dropout: Dropout) -> Tensor<D> {
    autodiff::one(x, dropout)
}

impl autodiff::Operation for Dropout {
    fn forward(&self, inputs: Vec<Array>, _tracked: bool) -> (Array, autodiff::Kept) {
        let [x] = autodiff::exactly(inputs);
        (self.applied(x), Vec::new())
    }

    fn backward(&self, _kept: autodiff::Kept, gradient: Array, _wanted: &[bool]) -> Vec<Option<Array>> {
        vec![Some(self.applied(gradient))]
    }
}

impl Dropout {
    /// Multiplies by the mask, in place where nobody else holds the values.
    pub(crate) fn applied(&self, x: Array) -> Array {
        let drawn = self.prepare();
        let mut x = x.row_major();
        x.values_mut().par_chunks_mut(BLOCK).enumerate().for_each(|(block, values)| {
            vectorised!(drawn.apply_in_place(values, block * BLOCK));
        });
        x
    }
}

/// Elements per block.
const BLOCK: usize = 1 << 15;
