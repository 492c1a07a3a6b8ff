//! The fused linear layer for the CPU.

use burn::tensor::Tensor;
use rayon::current_num_threads;
use rayon::prelude::*;

use crate::array::Array;
use crate::autodiff::{self, Kept};
use crate::blocks::{BLOCK, column_sums};
use crate::linear::Epilogue;
use crate::matmul::{Accumulate, Factor, Finish, Matrix, new_product};
use crate::simd::vectorised;

pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, epilogue: Epilogue) -> Tensor<2> {
    assert_eq!(x.dims()[1], weight.dims()[0], "an input has as many columns as its weight has rows");
    match bias {
        Some(bias) => autodiff::three(x, weight, bias, Linear { epilogue }),
        None => autodiff::two(x, weight, Linear { epilogue }),
    }
}

#[derive(Debug)]
struct Linear {
    epilogue: Epilogue,
}

impl autodiff::Operation for Linear {
    fn forward(&self, inputs: Vec<Array>, tracked: bool) -> (Array, Kept) {
        let mut inputs = inputs.into_iter().map(Array::row_major);
        let (Some(x), Some(weight), bias) = (inputs.next(), inputs.next(), inputs.next()) else {
            unreachable!("a linear layer has an input and a weight")
        };
        let ([rows, d_input], [_, d_output]) = (x.dims(), weight.dims());
        let finish = Finish::layer(bias.as_ref().map(Array::values), self.epilogue == Epilogue::Relu);
        let matrix = Factor::in_place(Matrix::new(weight.values(), d_input, d_output));
        let y = new_product(finish, Matrix::new(x.values(), rows, d_input), &matrix, current_num_threads());
        let y = Array::new(y, [rows, d_output]);
        let kept = match (tracked, self.epilogue) {
            (false, _) => Vec::new(),
            (true, Epilogue::None) => vec![x, weight],
            (true, Epilogue::Relu) => vec![x, weight, y.clone()],
        };
        (y, kept)
    }

    fn backward(&self, kept: Kept, gradient: Array, wanted: &[bool]) -> Vec<Option<Array>> {
        let mut gradient = gradient.row_major();
        let (x, weight) = (&kept[0], &kept[1]);
        let ([rows, d_input], [_, d_output]) = (x.dims(), weight.dims());
        if let Some(y) = kept.get(2) {
            let blocks = gradient.values_mut().par_chunks_mut(BLOCK * d_output);
            blocks.zip(y.values().par_chunks(BLOCK * d_output)).for_each(|(dy, y)| {
                vectorised!(dy.iter_mut().zip(y).for_each(|(dy, &y)| *dy = if y <= 0.0 { 0.0 } else { *dy }));
            });
        }
        let dy = Matrix::new(gradient.values(), rows, d_output);
        let product = |left, right| {
            let finish = Finish::new(Accumulate::Overwrite, 1.0);
            new_product(finish, left, &Factor::in_place(right), current_num_threads())
        };
        let dx = wanted[0].then(|| {
            let weight = Matrix::new(weight.values(), d_input, d_output).transposed();
            Array::new(product(dy, weight), [rows, d_input])
        });
        let dw = wanted[1].then(|| {
            let x = Matrix::new(x.values(), rows, d_input).transposed();
            Array::new(product(x, dy), [d_input, d_output])
        });
        let db = wanted.get(2).map(|_| Array::new(column_sums(gradient.values(), d_output), [d_output]));
        [Some(dx), Some(dw), db.map(Some)].into_iter().flatten().collect()
    }
}
