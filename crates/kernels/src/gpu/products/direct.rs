//! The kernel of matrix products on processors that run a GPU's programs, such as Mesa's software Vulkan.
//!
//! There, a load costs as much as several multiplications, and units that wait for each other cost more than the loads that
//! sharing saves. So each unit computes a tile by itself.

use cubecl::prelude::*;

use super::kernel::{Sizes, Strides, finish, rounded};
use crate::precision::Precision;

/// Rows and columns of a unit's tile.
pub const TILE: usize = 8;

/// The largest inner dimension: Mesa's software Vulkan ends loops after 65,535 rounds.
pub const MAX_DEPTH: usize = 65_000;

#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
pub fn direct_kernel(
    a: &[f32],
    b: &[f32],
    bias: ComptimeOption<&[f32]>,
    out: &mut [f32],
    a_strides: Strides,
    b_strides: Strides,
    out_strides: Strides,
    sizes: Sizes,
    #[comptime] relu: bool,
    #[comptime] adds: bool,
    #[comptime] precision: Precision,
) {
    let tile = ABSOLUTE_POS as u32;
    if tile >= sizes.tiles {
        terminate!();
    }
    let first_column = (tile % sizes.column_tiles) * comptime!(TILE as u32);
    let first_row = ((tile / sizes.column_tiles) % sizes.row_tiles) * comptime!(TILE as u32);
    let matrix = tile / (sizes.column_tiles * sizes.row_tiles);
    let outer = matrix / sizes.inner;
    let inner = matrix % sizes.inner;
    // Places of the tile's rows of the left operand and columns of the right one. Beyond the end, the last line is read again.
    let a_start = outer * a_strides.outer + inner * a_strides.inner;
    let b_start = outer * b_strides.outer + inner * b_strides.inner;
    let mut a_at = Array::<u32>::new(TILE);
    let mut b_at = Array::<u32>::new(TILE);
    let mut sums = Array::<f32>::new(comptime!(TILE * TILE));
    #[unroll]
    for i in 0..TILE {
        a_at[i] = a_start + min(first_row + comptime!(i as u32), sizes.rows - 1) * a_strides.row;
        b_at[i] = b_start + min(first_column + comptime!(i as u32), sizes.columns - 1) * b_strides.column;
    }
    #[unroll]
    for i in 0..comptime!(TILE * TILE) {
        sums[i] = 0.0f32;
    }
    let mut left = Array::<f32>::new(TILE);
    let mut k = 0u32;
    while k < sizes.depth {
        #[unroll]
        for i in 0..TILE {
            left[i] = rounded(a[(a_at[i] + k * a_strides.column) as usize], precision);
        }
        #[unroll]
        for j in 0..TILE {
            let right = rounded(b[(b_at[j] + k * b_strides.row) as usize], precision);
            #[unroll]
            for i in 0..TILE {
                sums[i * TILE + j] += left[i] * right;
            }
        }
        k += 1;
    }
    let start = outer * out_strides.outer + inner * out_strides.inner;
    #[unroll]
    for j in 0..TILE {
        let column = first_column + comptime!(j as u32);
        if column < sizes.columns {
            #[comptime]
            let offset = match &bias {
                ComptimeOption::Some(bias) => bias[column as usize],
                ComptimeOption::None => 0.0f32,
            };
            #[unroll]
            for i in 0..TILE {
                let row = first_row + comptime!(i as u32);
                if row < sizes.rows {
                    let at = (start + row * out_strides.row + column * out_strides.column) as usize;
                    finish(out, at, sums[i * TILE + j] + offset, relu, adds);
                }
            }
        }
    }
}
