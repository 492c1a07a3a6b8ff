//! Sums over the units of a cube, in a fixed order.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{UNITS, empty, len, per_cube};

/// The sums of both columns of `[rows, 2]`, `[2]`.
pub fn sum_of_rows(pairs: CubeTensor) -> CubeTensor {
    let (rows, client, sums) = (len(&pairs) / 2, pairs.client.clone(), empty(&pairs, [2]));
    let (count, dim) = per_cube(&client, 1);
    // SAFETY: there are `rows` pairs, with which the kernel compares every position, and two sums.
    unsafe {
        let (pairs, sums) = (pairs.into_buffer_arg(), sums.clone().into_buffer_arg());
        pairs_kernel::launch_unchecked(&client, count, dim, pairs, sums, rows as u32);
    }
    sums
}

#[cube(launch_unchecked)]
fn pairs_kernel(pairs: &[f32], sums: &mut [f32], rows: u32) {
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let mut first = 0.0f32;
    let mut second = 0.0f32;
    let mut row = UNIT_POS;
    while row < rows {
        first += pairs[(2u32 * row) as usize];
        second += pairs[(2u32 * row + 1u32) as usize];
        row += CUBE_DIM;
    }
    let first = sum_of_cube(first, &mut shared);
    let second = sum_of_cube(second, &mut shared);
    if UNIT_POS == 0 {
        sums[0] = first;
        sums[1] = second;
    }
}

/// The sum of `value` over the cube's units, in every unit. `shared` has an element per unit.
///
/// The order is that of a tree: in each round, a unit adds the value half the remaining units away.
#[cube]
pub fn sum_of_cube(value: f32, shared: &mut Shared<[f32]>) -> f32 {
    let unit = UNIT_POS as usize;
    sync_cube(); // the last result has been read
    shared[unit] = value;
    sync_cube();
    let mut half = CUBE_DIM as usize / 2;
    while half > 0 {
        if unit < half {
            shared[unit] += shared[unit + half];
        }
        sync_cube();
        half /= 2;
    }
    shared[0]
}

/// The largest `value` of the cube's units, in every unit. `shared` has an element per unit.
#[cube]
pub fn max_of_cube(value: f32, shared: &mut Shared<[f32]>) -> f32 {
    let unit = UNIT_POS as usize;
    sync_cube();
    shared[unit] = value;
    sync_cube();
    let mut half = CUBE_DIM as usize / 2;
    while half > 0 {
        if unit < half {
            shared[unit] = max(shared[unit], shared[unit + half]);
        }
        sync_cube();
        half /= 2;
    }
    shared[0]
}
