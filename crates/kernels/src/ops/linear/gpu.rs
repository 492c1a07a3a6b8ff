//! Linear layers for GPUs: the bias and the activation are added to the product in place, and the bias's gradient and the
//! derivative of the activation are one pass.

use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::gpu::{self, ColumnSums, Kept, column_sums, len, per_element, product, row_major, transposed, width};
use crate::linear::Epilogue;

pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, epilogue: Epilogue) -> Tensor<2> {
    let ([_, d_input], [rows, d_output]) = (x.dims(), weight.dims());
    assert_eq!(d_input, rows, "the weight has a row per input");
    match bias {
        Some(bias) => {
            assert_eq!(bias.dims(), [d_output], "the bias has a value per output");
            gpu::three(x, weight, bias, Linear { epilogue })
        }
        None => gpu::two(x, weight, Linear { epilogue }),
    }
}

#[derive(Debug)]
struct Linear {
    epilogue: Epilogue,
}

impl Linear {
    fn relu(&self) -> bool {
        match self.epilogue {
            Epilogue::None => false,
            Epilogue::Relu => true,
        }
    }
}

impl gpu::Operation for Linear {
    fn forward(&self, inputs: Vec<CubeTensor>, tracked: bool) -> (CubeTensor, Kept) {
        let mut inputs = inputs.into_iter();
        let (x, weight) = (inputs.next().expect("an input"), inputs.next().expect("a weight"));
        let bias = inputs.next().map(row_major);
        let result = product(x.clone(), weight.clone());
        if bias.is_some() || self.relu() {
            let (client, elements, width) = (result.client.clone(), len(&result), width(&result));
            let (count, dim) = per_element(&client, elements);
            // SAFETY: the result holds `elements` values, with which the kernel compares every position, and the bias `width`.
            unsafe {
                epilogue_kernel::launch_unchecked(
                    &client,
                    count,
                    dim,
                    result.clone().into_buffer_arg(),
                    bias.map(CubeTensor::into_buffer_arg).into(),
                    elements as u32,
                    width as u32,
                    self.relu(),
                );
            }
        }
        let kept = match (tracked, self.relu()) {
            (false, _) => vec![],
            (true, false) => vec![x, weight],
            (true, true) => vec![x, weight, result.clone()],
        };
        (result, kept)
    }

    fn backward(&self, kept: Kept, gradient: CubeTensor, wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        let mut kept = kept.into_iter();
        let (x, weight) = (kept.next().expect("the input"), kept.next().expect("the weight"));
        let has_bias = wanted.get(2).copied().unwrap_or(false);
        let (gradient, of_bias) = match has_bias || self.relu() {
            true => {
                let ColumnSums { gradient, plain, .. } = column_sums(gradient, kept.next(), self.relu(), has_bias);
                (gradient, has_bias.then_some(plain))
            }
            false => (gradient, None),
        };
        let of_x = wanted[0].then(|| product(gradient.clone(), transposed(weight)));
        let of_weight = wanted[1].then(|| product(transposed(x), gradient));
        vec![of_x, of_weight, of_bias]
    }
}

#[cube(launch_unchecked)]
fn epilogue_kernel(y: &mut [f32], bias: ComptimeOption<&[f32]>, elements: u32, width: u32, #[comptime] relu: bool) {
    if ABSOLUTE_POS >= elements as usize {
        terminate!();
    }
    let mut value = y[ABSOLUTE_POS];
    #[comptime]
    if let ComptimeOption::Some(bias) = bias {
        value += bias[(ABSOLUTE_POS as u32 % width) as usize];
    }
    if comptime!(relu) {
        value = select(value < 0.0f32, 0.0f32, value); // keeps NaN
    }
    y[ABSOLUTE_POS] = value;
}
