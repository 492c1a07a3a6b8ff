//! Linear layers for GPUs: the bias and the activation are part of the product, and the bias's gradient and the
//! derivative of the activation are one pass.

use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;

use crate::gpu::{self, ColumnSums, Finish, Kept, column_sums, finished_product, product, row_major, transposed};
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
        let finish = Finish { bias: bias.as_ref(), relu: self.relu(), adds: false };
        let result = finished_product(x.clone(), weight.clone(), finish);
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
