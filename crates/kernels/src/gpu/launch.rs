//! Sizes of launches, and the launch of a kernel of one unit per element.

use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::client::Client;
use cubecl::prelude::*;

use super::{empty, len, row_major};

/// Units of a cube: a multiple of every GPU's group of lanes, within every device's limit.
pub const UNITS: u32 = 128;

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

/// The arguments that kernels of one unit per element share.
pub struct Elementwise<const N: usize> {
    pub client: Client,
    pub count: CubeCount,
    pub dim: CubeDim,
    /// The inputs in row-major order, of `elements` values each.
    pub inputs: [BufferArg; N],
    /// The result, of as many values.
    pub out: BufferArg,
    pub elements: u32,
}

/// A function of each element of tensors of one shape, computed by one launch.
///
/// # Panics
/// Inputs of different sizes, or none.
pub fn elementwise<const N: usize>(inputs: [CubeTensor; N], launch: impl FnOnce(Elementwise<N>)) -> CubeTensor {
    let inputs = inputs.map(row_major);
    let (result, elements) = (empty(&inputs[0], inputs[0].meta.shape().clone()), len(&inputs[0]));
    assert!(inputs.iter().all(|input| len(input) == elements), "inputs of one shape");
    let client = result.client.clone();
    let (count, dim) = per_element(&client, elements);
    let inputs = inputs.map(CubeTensor::into_buffer_arg);
    let out = result.clone().into_buffer_arg();
    launch(Elementwise { client, count, dim, inputs, out, elements: elements as u32 });
    result
}
