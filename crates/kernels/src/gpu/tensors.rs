//! Tensors and launches, as the kernels need them.

use burn::tensor::{DType, Int, Shape, Tensor};
use burn_cubecl::Cube;
use burn_cubecl::kernel::{into_contiguous, slice};
use burn_cubecl::ops::numeric::{add, empty_device_contiguous_dtype, zeros_client};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{computed, per_element, registered};

/// The float tensor outside of autodiff that a GPU holds.
///
/// # Panics
/// A tensor on another backend, or one that is differentiated.
pub fn primitive<const D: usize>(tensor: Tensor<D>) -> CubeTensor {
    computed(tensor.try_into_primitive::<Cube>().expect("a tensor on a GPU, outside of autodiff"))
}

/// As [`primitive`], of whole numbers.
///
/// # Panics
/// A tensor on another backend.
pub fn integers<const D: usize>(tensor: Tensor<D, Int>) -> CubeTensor {
    computed(tensor.try_into_primitive::<Cube>().expect("a tensor on a GPU"))
}

/// The tensor of a primitive.
pub fn tensor<const D: usize>(primitive: CubeTensor) -> Tensor<D> {
    Tensor::from_primitive::<Cube>(registered(primitive))
}

/// A row-major float32 tensor on the device of `like`, its values not yet written.
pub fn empty(like: &CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape.into(), DType::F32)
}

/// As [`empty`], with zeros.
pub fn zeros(like: &CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    let shape = shape.into();
    match shape.num_elements() {
        0 => empty(like, shape),
        _ => zeros_client(like.client.clone(), like.device.clone(), shape, DType::F32),
    }
}

/// The same values in row-major order, copied only where they are not.
pub fn row_major(tensor: CubeTensor) -> CubeTensor {
    into_contiguous(tensor)
}

/// The same values in row-major order, in a buffer of their own, to be changed in place.
pub fn owned(tensor: CubeTensor) -> CubeTensor {
    let tensor = row_major(tensor);
    match tensor.can_mut() {
        true => tensor,
        false => tensor.copy(),
    }
}

/// Rows `first..first + count` of a row-major matrix, a view. `first` is a multiple of [`ALIGNMENT`].
pub fn rows_of(matrix: &CubeTensor, first: usize, count: usize) -> CubeTensor {
    let width = width(matrix);
    let handle = match first {
        0 => matrix.handle.clone(),
        _ => matrix.handle.clone().offset_start((first * width * size_of::<f32>()) as u64),
    };
    let shape = Shape::new([count, width]);
    CubeTensor::new_contiguous(matrix.client.clone(), matrix.device.clone(), shape, handle, matrix.dtype)
}

/// The number of elements.
pub fn len(tensor: &CubeTensor) -> usize {
    tensor.meta.shape().num_elements()
}

/// The last dimension, at least 1.
pub fn width(tensor: &CubeTensor) -> usize {
    tensor.meta.shape().last().copied().unwrap_or(1).max(1)
}

/// Numbers of 4 bytes between places where every device binds buffers.
pub const ALIGNMENT: usize = 64;

/// `len` numbers from place `first` on, a multiple of [`ALIGNMENT`]: a view.
pub fn part(packed: &Tensor<1, Int>, first: usize, len: usize) -> Tensor<1, Int> {
    let packed = integers(packed.clone());
    let bytes = |numbers: usize| (numbers * size_of::<i32>()) as u64;
    let all = packed.meta.shape().num_elements();
    let handle = packed.handle.offset_start(bytes(first)).offset_end(bytes(all - first - len));
    let part = CubeTensor::new_contiguous(packed.client, packed.device, Shape::new([len]), handle, packed.dtype);
    Tensor::from_primitive::<Cube>(registered(part))
}

/// The rows of one of several passes in a row-major matrix, each of `rows` rows: a view where devices bind buffers there.
pub fn pass_of(matrix: &CubeTensor, pass: usize, rows: usize) -> CubeTensor {
    let width = width(matrix);
    row_major(slice(matrix.clone(), &[pass * rows..(pass + 1) * rows, 0..width]))
}

/// One or two row-major matrices of one shape as one, one after the other.
///
/// # Panics
/// Any other number of matrices.
pub fn stacked(mut matrices: Vec<CubeTensor>) -> CubeTensor {
    let last = matrices.pop().expect("a matrix");
    let Some(first) = matrices.pop() else { return last };
    assert!(matrices.is_empty(), "two matrices at most");
    let [rows, width] = first.meta.shape().dims();
    let (half, client, result) = (len(&first), first.client.clone(), empty(&first, [2 * rows, width]));
    let (count, dim) = per_element(&client, 2 * half);
    // SAFETY: both matrices hold `half` values and the result twice as many, with which the kernel compares positions.
    unsafe {
        let (first, last) = (first.into_buffer_arg(), last.into_buffer_arg());
        let out = result.clone().into_buffer_arg();
        stack_kernel::launch_unchecked(&client, count, dim, first, last, out, half as u32);
    }
    result
}

#[cube(launch_unchecked)]
fn stack_kernel(first: &[f32], last: &[f32], out: &mut [f32], half: u32) {
    let at = ABSOLUTE_POS;
    if at < half as usize {
        out[at] = first[at];
    } else if at < 2 * half as usize {
        out[at] = last[at - half as usize];
    }
}

/// `sum + part`, in place; the first part is the sum.
pub fn accumulate(sum: Option<CubeTensor>, part: CubeTensor) -> CubeTensor {
    match sum {
        Some(sum) => add(sum, part),
        None => part,
    }
}

/// The same values, in place, times the first value of `factor`.
pub fn scaled_by_first(values: CubeTensor, factor: &CubeTensor) -> CubeTensor {
    let values = owned(values);
    let (elements, client) = (len(&values), values.client.clone());
    let (count, dim) = per_element(&client, elements);
    // SAFETY: the values are `elements`, with which the kernel compares every position; the factor holds a value at least.
    unsafe {
        let (values, factor) = (values.clone().into_buffer_arg(), factor.clone().into_buffer_arg());
        scale_kernel::launch_unchecked(&client, count, dim, values, factor, elements as u32);
    }
    values
}

#[cube(launch_unchecked)]
fn scale_kernel(values: &mut [f32], factor: &[f32], elements: u32) {
    if ABSOLUTE_POS < elements as usize {
        values[ABSOLUTE_POS] *= factor[0];
    }
}
