//! The kernels of the residual connection.

use cubecl::prelude::*;

use crate::dropout::gpu::{DropoutArguments, factor};
use crate::gpu::{UNITS, sum_of_cube};

/// `x + [dropout](change)`.
#[cube(launch_unchecked)]
pub fn sum_kernel(
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

/// Rows of `[x +] [dropout](change)` in standard form, their scales, and the norm's result.
#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
pub fn norm_kernel(
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

/// The gradient of the rows, and that of the change.
#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
pub fn unnormalise_kernel(
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
