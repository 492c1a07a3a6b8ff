//! The residual connection for GPUs: a cube per row, which stays in its units while mean and deviation are computed.

use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::dropout::Dropout;
use crate::dropout::gpu::{DropoutArguments, factor};
use crate::gpu::{
    self, ColumnSums, Kept, UNITS, empty, exactly, len, per_cube, per_element, row_major, sum_of_cube, width,
};
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

/// A mask that a kernel does not read.
const NO_DROPOUT: Dropout = Dropout { key: 0, rate: 0.0 };

/// `x + [dropout](change)`.
#[derive(Debug)]
struct Sum {
    dropout: Option<Dropout>,
}

impl gpu::Operation for Sum {
    fn forward(&self, inputs: Vec<CubeTensor>, _tracked: bool) -> (CubeTensor, Kept) {
        let [x, change] = exactly(inputs).map(row_major);
        let (result, elements, client) = (empty(&x, x.meta.shape().clone()), len(&x), x.client.clone());
        let (count, dim) = per_element(&client, elements);
        // SAFETY: all buffers hold `elements` values, with which the kernel compares every position.
        unsafe {
            sum_kernel::launch_unchecked(
                &client,
                count,
                dim,
                x.into_buffer_arg(),
                change.into_buffer_arg(),
                result.clone().into_buffer_arg(),
                elements as u32,
                self.dropout.unwrap_or(NO_DROPOUT).prepare().launch(),
                self.dropout.is_some(),
            );
        }
        (result, vec![])
    }

    fn backward(&self, _kept: Kept, gradient: CubeTensor, wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        let change = match self.dropout {
            Some(dropout) if wanted[1] => dropout.applied_on_gpu(gradient.clone()),
            _ => gradient.clone(),
        };
        vec![Some(gradient), Some(change)]
    }
}

#[cube(launch_unchecked)]
fn sum_kernel(
    x: &[f32],
    change: &[f32],
    out: &mut [f32],
    elements: u32,
    mask: DropoutArguments,
    #[comptime] drops: bool,
) {
    if ABSOLUTE_POS < elements as usize {
        let mut value = change[ABSOLUTE_POS];
        if comptime!(drops) {
            value *= factor(&mask, ABSOLUTE_POS as u32);
        }
        out[ABSOLUTE_POS] = x[ABSOLUTE_POS] + value;
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
        let (count, dim) = per_cube(&client, rows);
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
                self.dropout.unwrap_or(NO_DROPOUT).prepare().launch(),
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
        let (count, dim) = per_cube(&client, rows);
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
                dropout.unwrap_or(NO_DROPOUT).prepare().launch(),
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

#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
fn norm_kernel(
    x: ComptimeOption<&[f32]>,
    change: &[f32],
    gamma: &[f32],
    beta: ComptimeOption<&[f32]>,
    standard: &mut [f32],
    scales: &mut [f32],
    out: &mut [f32],
    rows: u32,
    width: u32,
    epsilon: f32,
    mask: DropoutArguments,
    #[comptime] drops: bool,
) {
    let row = CUBE_POS as u32;
    if row >= rows {
        terminate!();
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let centres = comptime!(beta.is_some());
    let start = row * width;
    let mut sum = 0.0f32;
    let mut column = UNIT_POS;
    while column < width {
        let at = (start + column) as usize;
        let mut total = change[at];
        if comptime!(drops) {
            total *= factor(&mask, at as u32);
        }
        #[comptime]
        if let ComptimeOption::Some(x) = &x {
            total += x[at];
        }
        standard[at] = total;
        sum += total;
        column += CUBE_DIM;
    }
    let mut mean = 0.0f32;
    if comptime!(centres) {
        mean = sum_of_cube(sum, &mut shared) / f32::cast_from(width);
    }
    let mut squares = 0.0f32;
    column = UNIT_POS;
    while column < width {
        let centred = standard[(start + column) as usize] - mean;
        squares += centred * centred;
        column += CUBE_DIM;
    }
    let variance = sum_of_cube(squares, &mut shared) / f32::cast_from(width);
    let scale = 1.0f32 / (variance + epsilon).sqrt();
    column = UNIT_POS;
    while column < width {
        let at = (start + column) as usize;
        let value = (standard[at] - mean) * scale;
        standard[at] = value;
        let mut result = value * gamma[column as usize];
        #[comptime]
        if let ComptimeOption::Some(beta) = &beta {
            result += beta[column as usize];
        }
        out[at] = result;
        column += CUBE_DIM;
    }
    if UNIT_POS == 0 {
        scales[row as usize] = scale;
    }
}

#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
fn unnormalise_kernel(
    gradient: &[f32],
    standard: &[f32],
    scales: &[f32],
    gamma: &[f32],
    total: &mut [f32],
    change: &mut [f32],
    rows: u32,
    width: u32,
    mask: DropoutArguments,
    #[comptime] drops: bool,
    #[comptime] centres: bool,
) {
    let row = CUBE_POS as u32;
    if row >= rows {
        terminate!();
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let start = row * width;
    let mut sum = 0.0f32;
    let mut product = 0.0f32;
    let mut column = UNIT_POS;
    while column < width {
        let at = (start + column) as usize;
        let slope = gradient[at] * gamma[column as usize];
        sum += slope;
        product += slope * standard[at];
        column += CUBE_DIM;
    }
    let mut mean = 0.0f32;
    if comptime!(centres) {
        mean = sum_of_cube(sum, &mut shared) / f32::cast_from(width);
    }
    let along = sum_of_cube(product, &mut shared) / f32::cast_from(width);
    let scale = scales[row as usize];
    column = UNIT_POS;
    while column < width {
        let at = (start + column) as usize;
        let slope = gradient[at] * gamma[column as usize];
        let value = scale * (slope - mean - standard[at] * along);
        total[at] = value;
        if comptime!(drops) {
            change[at] = value * factor(&mask, at as u32);
        }
        column += CUBE_DIM;
    }
}
