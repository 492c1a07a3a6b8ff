//! Sums over the rows of a matrix, in a fixed order: gradients of biases and of norms.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{UNITS, empty, len, per_cube, row_major, width};

/// Columns of a cube; its units are this many columns of several rows.
const COLUMNS: u32 = 8;

/// Sums of the columns of a gradient.
pub struct ColumnSums {
    /// The gradient, with the derivative of the ReLU if there is one.
    pub gradient: CubeTensor,
    /// Σ gradient, `[width]`.
    pub plain: CubeTensor,
    /// Σ gradient · factors, `[width]`, with the factors of a norm.
    pub weighted: Option<CubeTensor>,
}

/// Sums the columns of `gradient` in one launch. `other` holds as many values: with `relu` the result of a ReLU, whose
/// derivative is applied first; otherwise the factors of the weighted sum. Without `plain`, that sum is not computed.
pub fn column_sums(gradient: CubeTensor, other: Option<CubeTensor>, relu: bool, plain: bool) -> ColumnSums {
    let gradient = row_major(gradient);
    let (width, client) = (width(&gradient), gradient.client.clone());
    let rows = len(&gradient) / width;
    let masked = relu.then(|| empty(&gradient, gradient.meta.shape().clone()));
    let weighted = (other.is_some() && !relu).then(|| empty(&gradient, [width]));
    let sums = empty(&gradient, [width]);
    let (count, dim) = per_cube(&client, width.div_ceil(COLUMNS as usize));
    // SAFETY: matrices hold `rows * width` values and sums `width`; the kernel compares rows and columns with these numbers.
    unsafe {
        columns_kernel::launch_unchecked(
            &client,
            count,
            dim,
            gradient.clone().into_buffer_arg(),
            other.map(CubeTensor::into_buffer_arg).into(),
            masked.clone().unwrap_or_else(|| empty(&gradient, [1])).into_buffer_arg(),
            sums.clone().into_buffer_arg(),
            weighted.clone().map(CubeTensor::into_buffer_arg).into(),
            rows as u32,
            width as u32,
            relu,
            plain,
        );
    }
    ColumnSums { gradient: masked.unwrap_or(gradient), plain: sums, weighted }
}

#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
fn columns_kernel(
    gradient: &[f32],
    other: ComptimeOption<&[f32]>,
    masked: &mut [f32],
    sums: &mut [f32],
    weighted: ComptimeOption<&mut [f32]>,
    rows: u32,
    width: u32,
    #[comptime] relu: bool,
    #[comptime] plain: bool,
) {
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let column = CUBE_POS as u32 * COLUMNS + UNIT_POS % COLUMNS;
    let mut sum = 0.0f32;
    let mut product = 0.0f32;
    if column < width {
        let mut row = UNIT_POS / COLUMNS;
        while row < rows {
            let at = (row * width + column) as usize;
            let mut slope = gradient[at];
            #[comptime]
            if let ComptimeOption::Some(other) = &other {
                if comptime!(relu) {
                    slope = select(other[at] > 0.0f32, slope, 0.0f32);
                    masked[at] = slope;
                } else {
                    product += slope * other[at];
                }
            }
            sum += slope;
            row += CUBE_DIM / COLUMNS;
        }
    }
    if comptime!(plain) {
        let total = sum_of_lanes(sum, &mut shared);
        if UNIT_POS < COLUMNS && column < width {
            sums[column as usize] = total;
        }
    }
    #[comptime]
    if let ComptimeOption::Some(weighted) = weighted {
        let total = sum_of_lanes(product, &mut shared);
        if UNIT_POS < COLUMNS && column < width {
            weighted[column as usize] = total;
        }
    }
}

/// The sum over the units of one column, in the first of them.
#[cube]
fn sum_of_lanes(value: f32, shared: &mut Shared<[f32]>) -> f32 {
    let unit = UNIT_POS as usize;
    sync_cube();
    shared[unit] = value;
    sync_cube();
    let mut half = CUBE_DIM / 2;
    while half >= COLUMNS {
        if UNIT_POS < half {
            shared[unit] += shared[unit + half as usize];
        }
        sync_cube();
        half /= 2;
    }
    shared[unit]
}
