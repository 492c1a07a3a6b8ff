//! The residual connection for GPUs: a cube per row, which stays in its units while mean and deviation are computed.

mod kernels;

use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;

use self::kernels::{norm_kernel, sum_kernel, unnormalise_kernel};
use crate::dropout::Dropout;
use crate::dropout::gpu::arguments;
use crate::gpu::{self, ColumnSums, Elementwise, Kept, empty, exactly, len, per_row, row_major, width};
use crate::residual::RowNorm;

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
    let adds = x.is_some();
    let Some(RowNorm { gamma, beta, epsilon }) = norm else {
        return match x {
            Some(x) => gpu::two(x, change, Sum { dropout }),
            None => change,
        };
    };
    let parameters = [Some(gamma.dims()), beta.as_ref().map(Tensor::dims)];
    let fits = parameters.into_iter().flatten().all(|size| size == [shape[D - 1]]);
    assert!(fits, "the norm has the width of the rows");
    let operation = Normalised { adds, centres: beta.is_some(), dropout, epsilon: epsilon as f32 };
    match (x, beta) {
        (Some(x), Some(beta)) => gpu::four(x, change, gamma, beta, operation),
        (Some(x), None) => gpu::three(x, change, gamma, operation),
        (None, Some(beta)) => gpu::three(change, gamma, beta, operation),
        (None, None) => gpu::two(change, gamma, operation),
    }
}

/// `x + [dropout](change)`.
#[derive(Debug)]
struct Sum {
    dropout: Option<Dropout>,
}

impl gpu::Operation for Sum {
    fn forward(&self, inputs: Vec<CubeTensor>, _tracked: bool) -> (CubeTensor, Kept) {
        let launch = |Elementwise { client, count, dim, inputs: [x, change], out, elements }: Elementwise<2>| {
            let mask = arguments(self.dropout);
            // SAFETY: all buffers hold `elements` values, with which the kernel compares every position.
            unsafe {
                sum_kernel::launch_unchecked(
                    &client,
                    count,
                    dim,
                    x,
                    change,
                    out,
                    elements,
                    mask,
                    self.dropout.is_some(),
                );
            }
        };
        (gpu::elementwise(exactly(inputs), launch), vec![])
    }

    fn backward(&self, _kept: Kept, gradient: CubeTensor, wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        let change = match self.dropout {
            Some(dropout) if wanted[1] => dropout.applied_on_gpu(gradient.clone()),
            _ => gradient.clone(),
        };
        vec![Some(gradient), Some(change)]
    }
}

/// The norm of `[x +] [dropout](change)`. Without centring, it is that of the root mean square.
#[derive(Debug)]
struct Normalised {
    adds: bool,
    centres: bool,
    dropout: Option<Dropout>,
    epsilon: f32,
}

impl gpu::Operation for Normalised {
    fn forward(&self, inputs: Vec<CubeTensor>, tracked: bool) -> (CubeTensor, Kept) {
        let mut inputs = inputs.into_iter().map(row_major);
        let x = if self.adds { inputs.next() } else { None };
        let change = inputs.next().expect("a connection has an input");
        let gamma = inputs.next().expect("a norm has a gain");
        let beta = inputs.next();
        let (width, client) = (width(&change), change.client.clone());
        let rows = len(&change) / width;
        let shape = change.meta.shape().clone();
        let [standard, result] = [shape.clone(), shape].map(|shape| empty(&change, shape));
        let scales = empty(&change, [rows]);
        let (count, dim) = per_row(&client, rows, width);
        // SAFETY: matrices hold `rows * width` values, the norm's parameters `width`, the scales `rows`. The kernel compares
        // rows and columns with these numbers.
        unsafe {
            norm_kernel::launch_unchecked(
                &client,
                count,
                dim,
                x.map(CubeTensor::into_buffer_arg).into(),
                change.into_buffer_arg(),
                gamma.clone().into_buffer_arg(),
                beta.map(CubeTensor::into_buffer_arg).into(),
                standard.clone().into_buffer_arg(),
                scales.clone().into_buffer_arg(),
                result.clone().into_buffer_arg(),
                rows as u32,
                width as u32,
                self.epsilon,
                arguments(self.dropout),
                self.dropout.is_some(),
            );
        }
        (result, if tracked { vec![standard, scales, gamma] } else { vec![] })
    }

    fn backward(&self, kept: Kept, gradient: CubeTensor, wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        let [standard, scales, gamma] = exactly(kept);
        let gradient = row_major(gradient);
        let (width, client) = (width(&gradient), gradient.client.clone());
        let rows = len(&gradient) / width;
        let total = empty(&gradient, gradient.meta.shape().clone());
        let dropout = self.dropout.filter(|_| wanted[usize::from(self.adds)]);
        let change = dropout.map(|_| empty(&gradient, gradient.meta.shape().clone()));
        let (count, dim) = per_row(&client, rows, width);
        // SAFETY: as in the forward pass.
        unsafe {
            unnormalise_kernel::launch_unchecked(
                &client,
                count,
                dim,
                gradient.clone().into_buffer_arg(),
                standard.clone().into_buffer_arg(),
                scales.into_buffer_arg(),
                gamma.into_buffer_arg(),
                total.clone().into_buffer_arg(),
                change.clone().unwrap_or_else(|| empty(&total, [1])).into_buffer_arg(),
                rows as u32,
                width as u32,
                arguments(dropout),
                dropout.is_some(),
                self.centres,
            );
        }
        let ColumnSums { plain, weighted, .. } = gpu::column_sums(gradient, Some(standard), false, self.centres);
        let x = self.adds.then(|| Some(total.clone()));
        let of_beta = self.centres.then_some(Some(plain));
        x.into_iter().chain([Some(change.unwrap_or(total)), weighted]).chain(of_beta).collect()
    }
}
