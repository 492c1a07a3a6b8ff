//! The embedding for GPUs. Each row of the matrix adds its own tokens' gradients in the order of the batch, so that no sum
//! depends on the order of execution.

use burn::tensor::{Int, Tensor};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::gpu::{
    self, Kept, UNITS, empty, exactly, integers, len, max_of_cube, per_cube, per_element, row_major, width,
};

pub fn embedding(matrix: Tensor<2>, ids: Tensor<2, Int>, scale: f64) -> Tensor<3> {
    let [batch, len] = ids.dims();
    let [vocabulary, _] = matrix.dims();
    let ids = row_major(integers(ids));
    gpu::one(matrix, Embedding { ids, shape: [batch, len], vocabulary, scale: scale as f32 })
}

#[derive(Debug)]
struct Embedding {
    ids: CubeTensor,
    shape: [usize; 2],
    vocabulary: usize,
    scale: f32,
}

impl gpu::Operation for Embedding {
    fn forward(&self, inputs: Vec<CubeTensor>, _tracked: bool) -> (CubeTensor, Kept) {
        let [matrix] = exactly(inputs).map(row_major);
        let (width, client) = (width(&matrix), matrix.client.clone());
        let result = empty(&matrix, [self.shape[0], self.shape[1], width]);
        let elements = len(&result);
        let (count, dim) = per_element(&client, elements);
        // SAFETY: the result holds `elements` values, with which the kernel compares every position, and the matrix
        // `vocabulary * width`, to which the kernel limits the ids.
        unsafe {
            lookup_kernel::launch_unchecked(
                &client,
                count,
                dim,
                matrix.into_buffer_arg(),
                self.ids.clone().into_buffer_arg(),
                result.clone().into_buffer_arg(),
                elements as u32,
                self.vocabulary as u32,
                width as u32,
                self.scale,
            );
        }
        (result, vec![])
    }

    fn backward(&self, _kept: Kept, gradient: CubeTensor, _wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        let gradient = row_major(gradient);
        let (width, client) = (width(&gradient), gradient.client.clone());
        let d_matrix = empty(&gradient, [self.vocabulary, width]);
        let (count, dim) = per_cube(&client, self.vocabulary);
        // SAFETY: the gradient holds `width` values for each of the `tokens` ids, the result `width` for each word; the kernel
        // compares rows and columns with these numbers.
        unsafe {
            rows_kernel::launch_unchecked(
                &client,
                count,
                dim,
                gradient.into_buffer_arg(),
                self.ids.clone().into_buffer_arg(),
                d_matrix.clone().into_buffer_arg(),
                (self.shape[0] * self.shape[1]) as u32,
                self.vocabulary as u32,
                width as u32,
                self.scale,
            );
        }
        vec![Some(d_matrix)]
    }
}

#[cube(launch_unchecked)]
fn lookup_kernel(matrix: &[f32], ids: &[i32], out: &mut [f32], elements: u32, vocabulary: u32, width: u32, scale: f32) {
    let at = ABSOLUTE_POS as u32;
    if at < elements {
        let row = min(u32::reinterpret(ids[(at / width) as usize]), vocabulary - 1u32);
        out[at as usize] = matrix[(row * width + at % width) as usize] * scale;
    }
}

/// The gradient of one row of the matrix.
#[cube(launch_unchecked)]
fn rows_kernel(
    gradient: &[f32],
    ids: &[i32],
    d_matrix: &mut [f32],
    tokens: u32,
    vocabulary: u32,
    width: u32,
    scale: f32,
) {
    let word = CUBE_POS as u32;
    if word >= vocabulary {
        terminate!();
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    // Most words are not in the batch: the units search it together first.
    let mut found = 0.0f32;
    let mut token = UNIT_POS;
    while token < tokens {
        found = select(u32::cast_from(ids[token as usize]) == word, 1.0f32, found);
        token += CUBE_DIM;
    }
    let occurs = max_of_cube(found, &mut shared) > 0.0f32;
    let mut column = UNIT_POS;
    while column < width {
        let mut sum = 0.0f32;
        if occurs {
            for token in 0..tokens {
                if u32::cast_from(ids[token as usize]) == word {
                    sum += gradient[(token * width + column) as usize];
                }
            }
        }
        d_matrix[(word * width + column) as usize] = sum * scale;
        column += CUBE_DIM;
    }
}
