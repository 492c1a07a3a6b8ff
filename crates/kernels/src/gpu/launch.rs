//! Sizes of launches, and the launch of a kernel of one unit per element.

use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::client::Client;
use cubecl::prelude::*;

use super::{empty, len, row_major};
use crate::form::gpu_launches;

/// Units of a cube: a multiple of every GPU's group of lanes, within every device's limit.
pub const UNITS: u32 = 128;

/// The units that a processor computes together, if one runs the kernels, as with Mesa's software Vulkan: its vectors are
/// shorter than those of a GPU. `None` on a GPU, and during [`with_gpu_launches`](crate::with_gpu_launches).
///
/// There, units wait for each other by exchanging their states, and memory that they share is no faster than any other.
pub fn processor_units(client: &Client) -> Option<u32> {
    let units = client.properties().hardware.plane_size_max;
    (matches!(units, 4 | 8) && !gpu_launches()).then_some(units) // a driver that does not know reports 0 or 1
}

/// A launch of a unit per element.
pub fn per_element(client: &Client, elements: usize) -> (CubeCount, CubeDim) {
    per_element_of(UNITS, client, elements)
}

/// As [`per_element`], in cubes of `units` units.
pub fn per_element_of(units: u32, client: &Client, elements: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new_1d(units);
    (calculate_cube_count_elemwise(client, elements, dim), dim)
}

/// A launch of a cube of [`UNITS`] units for each of `cubes` rows or blocks; kernels compare `CUBE_POS` with their number.
pub fn per_cube(client: &Client, cubes: usize) -> (CubeCount, CubeDim) {
    per_cube_of(UNITS, client, cubes)
}

/// The widest row for which a processor's units are enough: Mesa's software Vulkan ends loops after 65,535 rounds.
const WIDEST: usize = 1 << 15;

/// As [`per_cube`], for each of `rows` rows of `width` numbers, with as many units as suit the width.
pub fn per_row(client: &Client, rows: usize, width: usize) -> (CubeCount, CubeDim) {
    let of_processor = processor_units(client).filter(|_| width <= WIDEST);
    let units = of_processor.unwrap_or(if width <= 64 { 32 } else { UNITS });
    per_cube_of(units, client, rows)
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
