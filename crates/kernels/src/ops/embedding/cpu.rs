//! The fused embedding for the CPU.

use burn::tensor::{Int, Tensor};

use crate::array::Array;
use crate::autodiff::{self, Kept};
use crate::blocks::add_to;
use crate::simd::vectorised;

pub fn embedding(matrix: Tensor<2>, ids: Tensor<2, Int>, scale: f64) -> Tensor<3> {
    let [batch, len] = ids.dims();
    let ids = ids.into_data().iter::<i64>().map(|id| id as usize).collect();
    autodiff::one(matrix, Embedding { ids, shape: [batch, len], scale: scale as f32 })
}

#[derive(Debug)]
struct Embedding {
    ids: Vec<usize>,
    shape: [usize; 2],
    scale: f32,
}

impl autodiff::Operation for Embedding {
    fn forward(&self, inputs: Vec<Array>, tracked: bool) -> (Array, Kept) {
        let [matrix] = autodiff::exactly(inputs).map(Array::row_major);
        let width = matrix.width();
        let mut vectors = vec![0.0; self.ids.len() * width];
        vectorised!({
            for (vector, id) in vectors.chunks_exact_mut(width).zip(&self.ids) {
                let row = &matrix.values()[id * width..][..width];
                vector.iter_mut().zip(row).for_each(|(x, row)| *x = row * self.scale);
            }
        });
        let [batch, len] = self.shape;
        // Only the matrix's shape is needed later; keeping it costs nothing.
        (Array::new(vectors, [batch, len, width]), if tracked { vec![matrix] } else { vec![] })
    }

    fn backward(&self, kept: Kept, gradient: Array, _wanted: &[bool]) -> Vec<Option<Array>> {
        let gradient = gradient.row_major();
        let [vocabulary, width] = kept[0].dims();
        let mut d_matrix = vec![0.0; vocabulary * width];
        vectorised!({
            for (d_vector, id) in gradient.values().chunks_exact(width).zip(&self.ids) {
                add_to(&mut d_matrix[id * width..][..width], d_vector, self.scale);
            }
        });
        vec![Some(Array::new(d_matrix, [vocabulary, width]))]
    }
}
