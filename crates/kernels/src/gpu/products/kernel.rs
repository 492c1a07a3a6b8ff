//! The kernel of matrix products on GPUs.

use cubecl::prelude::*;

use super::tiles::{Tiles, VECTOR};
use crate::precision::Precision;

/// Elements of the inner dimension that the units share at a time.
const DEPTH: u32 = 16;

/// Steps of a loop along the inner dimension: Mesa's software Vulkan ends loops after 65,535 rounds in all.
const STEPS: u32 = 4;

/// Strides of an operand or the result.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Strides {
    pub outer: u32,
    pub inner: u32,
    pub row: u32,
    pub column: u32,
}

/// Sizes of a product.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Sizes {
    /// Tiles of all matrices.
    pub tiles: u32,
    pub inner: u32,
    pub rows: u32,
    pub columns: u32,
    pub depth: u32,
    pub row_tiles: u32,
    pub column_tiles: u32,
}

#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
pub fn product_kernel<N: Size>(
    a: &[f32],
    b: &[f32],
    bias: ComptimeOption<&[f32]>,
    out: &mut [f32],
    a_strides: Strides,
    b_strides: Strides,
    out_strides: Strides,
    sizes: Sizes,
    #[comptime] tiles: Tiles,
    #[comptime] relu: bool,
    #[comptime] adds: bool,
    #[comptime] precision: Precision,
) {
    let cube = CUBE_POS as u32;
    if cube >= sizes.tiles {
        terminate!();
    }
    let rows = comptime!(tiles.rows as usize);
    let vectors = comptime!(tiles.rows / VECTOR);
    // Vectors of neighbouring rows or columns, for each step of the inner dimension.
    let height = comptime!(tiles.height() / VECTOR);
    let width = comptime!(tiles.width() / VECTOR);
    let mut a_slice = Shared::<[Vector<f32, N>]>::new_slice(comptime!((DEPTH * height) as usize));
    let mut b_slice = Shared::<[Vector<f32, N>]>::new_slice(comptime!((DEPTH * width) as usize));
    let column_tile = cube % sizes.column_tiles;
    let row_tile = (cube / sizes.column_tiles) % sizes.row_tiles;
    let matrix = cube / (sizes.column_tiles * sizes.row_tiles);
    let outer = matrix / sizes.inner;
    let inner = matrix % sizes.inner;
    let first_row = row_tile * comptime!(tiles.height());
    let first_column = column_tile * comptime!(tiles.width());
    let a_lines = Lines {
        start: outer * a_strides.outer + inner * a_strides.inner,
        first: first_row,
        end: sizes.rows,
        stride: a_strides.row,
        step: a_strides.column,
        depth: sizes.depth,
    };
    let b_lines = Lines {
        start: outer * b_strides.outer + inner * b_strides.inner,
        first: first_column,
        end: sizes.columns,
        stride: b_strides.column,
        step: b_strides.row,
        depth: sizes.depth,
    };
    let unit_row = UNIT_POS / comptime!(tiles.unit_columns);
    let unit_column = UNIT_POS % comptime!(tiles.unit_columns);

    let mut sums = Array::<Vector<f32, N>>::new(rows);
    #[unroll]
    for i in 0..rows {
        sums[i] = Vector::new(0.0f32);
    }
    let mut first = 0u32;
    while first < sizes.depth {
        sync_cube(); // the last slices have been read
        load::<N>(&mut a_slice, a, &a_lines, first, height, comptime!(tiles.units()), precision);
        load::<N>(&mut b_slice, b, &b_lines, first, width, comptime!(tiles.units()), precision);
        sync_cube();
        let mut k = 0u32;
        while k < DEPTH {
            #[unroll]
            for step in 0..STEPS {
                let k = k + step;
                let right = b_slice[(k * width + unit_column) as usize];
                #[unroll]
                for i in 0..vectors {
                    let left = a_slice[(k * height + unit_row * vectors + i) as usize];
                    #[unroll]
                    for j in 0..comptime!(VECTOR as usize) {
                        let row = comptime!(i as usize * VECTOR as usize + j);
                        sums[row] += Vector::new(left.extract(j)) * right;
                    }
                }
            }
            k += STEPS;
        }
        first += DEPTH;
    }

    let start = outer * out_strides.outer + inner * out_strides.inner;
    #[unroll]
    for j in 0..comptime!(VECTOR as usize) {
        let column = first_column + unit_column * VECTOR + comptime!(j as u32);
        if column < sizes.columns {
            #[comptime]
            let offset = match &bias {
                ComptimeOption::Some(bias) => bias[column as usize],
                ComptimeOption::None => 0.0f32,
            };
            #[unroll]
            for i in 0..rows {
                let row = first_row + unit_row * comptime!(tiles.rows) + comptime!(i as u32);
                if row < sizes.rows {
                    let at = (start + row * out_strides.row + column * out_strides.column) as usize;
                    finish(out, at, sums[i].extract(j) + offset, relu, adds);
                }
            }
        }
    }
}

/// Writes a value of the result.
#[cube]
pub fn finish(out: &mut [f32], at: usize, sum: f32, #[comptime] relu: bool, #[comptime] adds: bool) {
    let mut value = sum;
    if comptime!(adds) {
        value += out[at];
    }
    if comptime!(relu) {
        value = select(value < 0.0f32, 0.0f32, value); // keeps NaN
    }
    out[at] = value;
}

/// The lines of an operand that a tile needs: rows of the left operand, columns of the right one.
#[derive(CubeType, Clone, Copy)]
struct Lines {
    /// Place of the matrix.
    start: u32,
    /// The tile's first line.
    first: u32,
    /// The number of the matrix's lines.
    end: u32,
    /// Distance of neighbouring lines.
    stride: u32,
    /// Distance of neighbours on a line.
    step: u32,
    /// Values of a line.
    depth: u32,
}

/// Reads [`DEPTH`] values of each line from `first` on. For each of them, `slice` then holds `vectors` of neighbouring lines.
#[cube]
fn load<N: Size>(
    slice: &mut Shared<[Vector<f32, N>]>,
    operand: &[f32],
    lines: &Lines,
    first: u32,
    #[comptime] vectors: u32,
    #[comptime] units: u32,
    #[comptime] precision: Precision,
) {
    #[unroll]
    for i in 0..comptime!(vectors * DEPTH / units) {
        let at = UNIT_POS + comptime!(i * units);
        // Neighbours read neighbours, whichever dimension is contiguous.
        let along = lines.step == 1u32;
        let vector = select(along, at / DEPTH, at % vectors);
        let k = select(along, at % DEPTH, at / vectors);
        let line = lines.first + vector * VECTOR;
        slice[(k * vectors + vector) as usize] = vector_of::<N>(operand, lines, line, first + k, precision);
    }
}

/// Value `k` of the lines from `first` on; zeros beyond the end of either.
#[cube]
fn vector_of<N: Size>(
    operand: &[f32],
    lines: &Lines,
    first: u32,
    k: u32,
    #[comptime] precision: Precision,
) -> Vector<f32, N> {
    let start = lines.start + k * lines.step;
    let mut values = Vector::<f32, N>::new(0.0f32);
    if k < lines.depth && first + VECTOR <= lines.end {
        #[unroll]
        for i in 0..comptime!(VECTOR as usize) {
            let value = operand[(start + (first + comptime!(i as u32)) * lines.stride) as usize];
            values.insert(i, rounded(value, precision));
        }
    } else if k < lines.depth {
        #[unroll]
        for i in 0..comptime!(VECTOR as usize) {
            if first + comptime!(i as u32) < lines.end {
                let value = operand[(start + (first + comptime!(i as u32)) * lines.stride) as usize];
                values.insert(i, rounded(value, precision));
            }
        }
    }
    values
}

/// The nearest number of a precision, ties to even; NaN stays NaN. Sums stay float32.
#[cube]
pub fn rounded(value: f32, #[comptime] precision: Precision) -> f32 {
    match comptime!(precision) {
        Precision::Float32 => value,
        Precision::Tfloat32 => without_bits(value, 13u32),
        Precision::Bfloat16 => without_bits(value, 16u32),
    }
}

/// Rounds to the nearest number without the last `bits` of the significand.
#[cube]
fn without_bits(value: f32, #[comptime] bits: u32) -> f32 {
    let below_half = comptime!((1u32 << (bits - 1)) - 1);
    let kept = comptime!(u32::MAX << bits);
    let exact = u32::reinterpret(value);
    let nearest = (exact + below_half + ((exact >> bits) & 1u32)) & kept;
    let not_a_number = (exact & 0x7FFF_FFFFu32) > 0x7F80_0000u32;
    f32::reinterpret(select(not_a_number, exact | 0x0040_0000u32, nearest))
}
