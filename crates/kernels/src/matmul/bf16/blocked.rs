//! Products of bfloat16 in blocks whose packed operands stay in the cache.

use std::arch::x86_64::*;
use std::cell::Cell;
use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::amx;
#[cfg(test)]
use super::avx512;
use super::pack::{DEPTH, LINES, Lines, Tile};
use crate::matmul::registers::lanes;
use crate::matmul::view::{Accumulate, Finish, Matrix, MatrixMut, check};

/// Rows per product of tiles: two tiles of the left operand by two of the right.
const ROWS: usize = 2 * LINES;
/// Rows per unit of work of a thread.
const SHARE: usize = 4 * ROWS;
/// Maximum depth of a partial sum, so that the packed rows stay in the cache too.
const LONGEST: usize = 4096;
/// Tiles of the right operand that stay in the cache while rows pass by.
const CACHED: usize = 1024;

/// A unit of the processor that multiplies tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Matrix registers.
    Amx,
    /// Vectors with bfloat16 products, which stand in for the registers in tests.
    #[cfg(test)]
    Vectors,
}

impl Unit {
    pub fn available(self) -> bool {
        match self {
            Self::Amx => amx::available(),
            #[cfg(test)]
            Self::Vectors => avx512::available(),
        }
    }
}

thread_local! {
    static LEFT: Cell<Vec<Tile>> = const { Cell::new(Vec::new()) };
    static RIGHT: Cell<Vec<Tile>> = const { Cell::new(Vec::new()) };
}

/// `target = finish(left · right)`; no depth is empty.
///
/// # Panics
/// A processor without the unit, shapes that do not fit, a slice that is too short, or an operand without a stride of one.
pub fn product(unit: Unit, target: MatrixMut, finish: Finish, left: Matrix, right: Matrix, threads: usize) {
    assert!(unit.available(), "this processor has no {unit:?}");
    check(&target, &finish, &left, &right);
    let MatrixMut { values, rows, cols, row_stride, readable } = target;
    let row_stride = if rows == 1 { cols } else { row_stride }; // of a single row it may be anything
    if rows == 0 || cols == 0 {
        return;
    }
    let depth = left.cols;
    let (left, right) = (Lines::rows_of(left), Lines::columns_of(right));
    for from in (0..depth).step_by(LONGEST) {
        let summed = (from, LONGEST.min(depth - from));
        let finish = finish.of_part(from == 0, from + summed.1 == depth);
        let step = CACHED / summed.1.div_ceil(DEPTH) * LINES; // at least 128 columns
        for first in (0..cols).step_by(step) {
            let width = step.min(cols - first);
            let mut tiles = RIGHT.take();
            // SAFETY: the unit is available; the part lies within the operand, as `check` asserts.
            unsafe { right.part((first, width), summed).pack::<true>(&mut tiles) };
            let share = |(i, values): (usize, &mut [MaybeUninit<f32>])| {
                let part = left.part((i * SHARE, SHARE.min(rows - i * SHARE)), summed);
                let values = &mut values[first..];
                let target = MatrixMut { values, rows: part.lines(), cols: width, row_stride, readable };
                let finish = Finish { bias: finish.bias.map(|bias| &bias[first..first + width]), ..finish };
                // SAFETY: as above; the tiles are those of the right operand.
                unsafe { rows_by_tiles(unit, target, finish, part, &tiles) };
            };
            match threads {
                1 => values.chunks_mut(SHARE * row_stride).take(rows.div_ceil(SHARE)).enumerate().for_each(share),
                _ => values.par_chunks_mut(SHARE * row_stride).take(rows.div_ceil(SHARE)).enumerate().for_each(share),
            }
            RIGHT.set(tiles);
        }
    }
}

/// Computes some rows of a target from the same rows of the left operand and the right operand's packed tiles.
///
/// # Safety
/// The processor has the unit; the operands fit.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn rows_by_tiles(unit: Unit, target: MatrixMut, finish: Finish, left: Lines, right: &[Tile]) {
    let deep = left.depth().div_ceil(DEPTH);
    let mut packed = LEFT.take();
    let mut sums = [const { Tile::EMPTY }; 4];
    if unit == Unit::Amx {
        // SAFETY: the processor has the unit.
        unsafe { amx::configure() };
    }
    for first in (0..target.rows).step_by(ROWS) {
        let rows = ROWS.min(target.rows - first);
        // SAFETY: within the operand, which fits.
        unsafe { left.part((first, rows), (0, left.depth())).pack::<false>(&mut packed) };
        for j in (0..target.cols.div_ceil(LINES)).step_by(2) {
            let cols = (2 * LINES).min(target.cols - j * LINES);
            // Where there is no second tile, the first stands in for it and its sums are dropped.
            let lefts = [0, if rows > LINES { deep } else { 0 }].map(|at| packed[at..][..deep].as_ptr());
            let rights = [j, if cols > LINES { j + 1 } else { j }].map(|at| right[at * deep..][..deep].as_ptr());
            match unit {
                // SAFETY: each points to `deep` tiles.
                Unit::Amx => unsafe { amx::multiply_tiles(lefts, rights, deep, &mut sums) },
                #[cfg(test)]
                Unit::Vectors => unsafe { avx512::multiply_tiles(lefts, rights, deep, rows, &mut sums) },
            }
            for (at, sums) in sums.iter().enumerate() {
                let (down, across) = (at / 2 * LINES, at % 2 * LINES);
                let written = (rows.saturating_sub(down).min(LINES), cols.saturating_sub(across).min(LINES));
                let column = j * LINES + across;
                let to = target.values.as_mut_ptr().wrapping_add((first + down) * target.row_stride + column);
                // SAFETY: the rows and columns that are written lie within the target.
                unsafe { write(sums, written, finish, column, to.cast(), target.row_stride) };
            }
        }
    }
    if unit == Unit::Amx {
        // SAFETY: the processor has the unit.
        unsafe { amx::release() };
    }
    LEFT.set(packed);
}

/// Writes the first rows and columns of a tile of sums to a target, whose rows are `stride` apart. The first column is number
/// `column` of the product.
///
/// # Safety
/// The rows and columns lie within the target.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn write(sums: &Tile, (rows, cols): (usize, usize), finish: Finish, column: usize, to: *mut f32, stride: usize) {
    let lanes = lanes(cols);
    let scale = _mm512_set1_ps(finish.scale);
    let least = _mm512_set1_ps(if finish.relu { 0.0 } else { f32::NEG_INFINITY });
    // SAFETY: a bias has a value per column.
    let bias = finish.bias.map(|bias| unsafe { _mm512_maskz_loadu_ps(lanes, bias.as_ptr().wrapping_add(column)) });
    for (row, sums) in sums.0.iter().enumerate().take(rows) {
        let to = to.wrapping_add(row * stride);
        // SAFETY: as the caller guarantees; a row of sums is as large as a register.
        unsafe {
            let product = _mm512_castsi512_ps(_mm512_load_si512(sums.as_ptr().cast()));
            let mut value = match finish.before {
                Accumulate::Overwrite => _mm512_mul_ps(product, scale),
                Accumulate::Add => _mm512_fmadd_ps(product, scale, _mm512_maskz_loadu_ps(lanes, to)),
            };
            if let Some(bias) = bias {
                value = _mm512_add_ps(value, bias);
            }
            _mm512_mask_storeu_ps(to, lanes, _mm512_max_ps(least, value)); // NaN stays NaN
        }
    }
}
