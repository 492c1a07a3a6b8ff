//! Tensors and launches, as the kernels need them.

use burn::tensor::{DType, Int, Shape, Tensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::Client;
use cubecl::prelude::*;
use cubecl::calculate_cube_count_elemwise;

/// The float tensor outside of autodiff that a GPU holds.
///
/// # Panics
/// A tensor on another backend, or one that is differentiated.
pub fn primitive<const D: usize>(tensor: Tensor<D>) -> CubeTensor {
    tensor.try_into_primitive::<CubeBackend>().expect("a tensor on a GPU, outside of autodiff")
}

/// As [`primitive`], of whole numbers.
///
/// # Panics
/// A tensor on another backend.
pub fn integers<const D: usize>(tensor: Tensor<D, Int>) -> CubeTensor {
    tensor.try_into_primitive::<CubeBackend>().expect("a tensor on a GPU")
}

/// The tensor of a primitive.
pub fn tensor<const D: usize>(primitive: CubeTensor) -> Tensor<D> {
    Tensor::from_primitive::<CubeBackend>(primitive)
}

/// A row-major float32 tensor on the device of `like`, its values not yet written.
pub fn empty(like: &CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape.into(), DType::F32)
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

/// The same row-major values with another shape.
pub fn reshaped(tensor: CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    let tensor = row_major(tensor);
    CubeTensor::new_contiguous(tensor.client, tensor.device, shape.into(), tensor.handle, tensor.dtype)
}

/// The number of elements.
pub fn len(tensor: &CubeTensor) -> usize {
    tensor.meta.shape().num_elements()
}

/// The last dimension, at least 1.
pub fn width(tensor: &CubeTensor) -> usize {
    tensor.meta.shape().last().copied().unwrap_or(1).max(1)
}

/// A launch of a unit per element.
pub fn per_element(client: &Client, elements: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new_1d(UNITS);
    (calculate_cube_count_elemwise(client, elements, dim), dim)
}

/// A launch of a cube of [`UNITS`] units for each of `cubes` rows or blocks; kernels compare `CUBE_POS` with their number.
pub fn per_cube(client: &Client, cubes: usize) -> (CubeCount, CubeDim) {
    per_cube_of(UNITS, client, cubes)
}

/// As [`per_cube`], of `units` units, a power of two up to [`UNITS`].
pub fn per_cube_of(units: u32, client: &Client, cubes: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new_1d(units);
    (calculate_cube_count_elemwise(client, cubes * units as usize, dim), dim)
}

/// Units of a cube: a multiple of every GPU's group of lanes, within every device's limit.
pub const UNITS: u32 = 128;

/// The matrix product of two tensors, batched over their other dimensions, which are equal; row-major.
pub fn product(a: CubeTensor, b: CubeTensor) -> CubeTensor {
    let mut shape: Vec<usize> = a.meta.shape().iter().copied().collect();
    if let (Some(last), Some(columns)) = (shape.last_mut(), b.meta.shape().last()) {
        *last = *columns;
    }
    let out = empty(&a, Shape::from(shape));
    matmul(a, b, Some(out), MatmulStrategy::default(), DType::F32).expect("a product of matrices of matching shapes")
}

/// The same values with the last two dimensions exchanged, a view.
pub fn transposed(mut tensor: CubeTensor) -> CubeTensor {
    let rank = tensor.meta.num_dims();
    tensor.meta.swap(rank - 2, rank - 1);
    tensor
}
