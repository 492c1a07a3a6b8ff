//! Products in vector registers: AVX-512 and AVX2 in float32, AVX-512 in bfloat16.
//!
//! The right operand is packed in panels of 64 columns ([`Panels`]), or read in place where few rows use it. The left one
//! is read in place in float32; in bfloat16, a few rows at a time are converted to pairs of values. [Blocks](Block) of six
//! or eight rows by a panel stay in registers while the sum runs over the depth.
//!
//! Every element is the same sum in the same order for any number of threads and any register width.

mod avx2;
mod avx512;
mod left;
mod panels;

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
use std::cell::Cell;
use std::mem::MaybeUninit;

use rayon::prelude::*;

use left::Left;
pub use panels::Panels;

use super::registers::LANE;
use super::view::{Accumulate, Finish, Matrix, MatrixMut, check};

/// Columns of a panel.
const PANEL: usize = 4 * LANE;
/// Maximum steps of a partial sum: a panel of this depth stays in the second-level cache.
const STEPS: usize = 512;
/// Rows per unit of work of a thread, a multiple of the rows of all blocks.
const SHARE: usize = 240;
/// Steps of a transposed left operand from which on it is too large to be in the second-level cache already.
const DEEP: usize = 128;
/// Maximum rows for which the right operand is not worth packing.
const FEW: usize = 64;

/// The words of one register.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Words(pub [u32; LANE]);

/// The instructions that multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// float32 in AVX-512.
    Float32Avx512,
    /// float32 in AVX2.
    Float32Avx2,
    /// Pairs of bfloat16 values in AVX-512.
    Bfloat16Avx512,
}

impl Unit {
    /// The fastest unit in float32; `None` without AVX2.
    pub fn float32() -> Option<Self> {
        [Self::Float32Avx512, Self::Float32Avx2].into_iter().find(|unit| unit.available())
    }

    /// The unit in bfloat16, if the processor has it.
    pub fn bfloat16() -> Option<Self> {
        Some(Self::Bfloat16Avx512).filter(|unit| unit.available())
    }

    pub fn available(self) -> bool {
        match self {
            Self::Float32Avx512 => is_x86_feature_detected!("avx512f"),
            Self::Float32Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Bfloat16Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512bf16")
            }
        }
    }

    /// Values per word.
    fn pack(self) -> usize {
        match self {
            Self::Float32Avx512 | Self::Float32Avx2 => 1,
            Self::Bfloat16Avx512 => 2,
        }
    }
}

/// A block of a product: some rows by up to four registers of columns.
struct Block<'a> {
    /// The word of the first row and step.
    left: *const u32,
    row_stride: usize,
    step: usize,
    /// The words of the first step.
    right: *const u32,
    right_step: usize,
    steps: usize,
    target: *mut f32,
    target_stride: usize,
    /// Columns in the last register.
    last_lane: usize,
    finish: &'a BlockFinish,
}

/// The values that a block's sums become.
#[derive(Clone, Copy)]
struct BlockFinish {
    before: Accumulate,
    scale: f32,
    bias: Option<*const f32>,
    relu: bool,
}

/// The right operand of a product.
#[derive(Clone, Copy)]
pub enum Right<'a> {
    /// Packed for this product alone, or read in place.
    Plain(Matrix<'a>),
    /// Packed before; a product of fewer columns uses the first ones.
    Packed(&'a Panels),
}

/// The ranges of partial sums: of equal length, up to 16 steps.
fn depths(depth: usize, pack: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    let steps = depth.div_ceil(pack);
    let each = steps.div_ceil(steps.div_ceil(STEPS).max(1)).next_multiple_of(LANE) * pack;
    (0..depth).step_by(each.max(1)).map(move |from| (from, each.min(depth - from)))
}

thread_local! {
    static RIGHT: Cell<Vec<Words>> = const { Cell::new(Vec::new()) };
    static LEFT: Cell<Vec<Words>> = const { Cell::new(Vec::new()) };
}

/// `target = finish(left · right)`; no shape is empty.
///
/// # Panics
/// A processor without the unit, shapes that do not fit, or a slice that is too short.
pub fn product(unit: Unit, target: MatrixMut, finish: Finish, left: Matrix, right: Right, threads: usize) {
    assert!(unit.available(), "this processor has no {unit:?}");
    let (rows, cols, depth) = (target.rows, target.cols, left.cols);
    match right {
        Right::Plain(matrix) => check(&target, &finish, &left, &matrix),
        Right::Packed(panels) => {
            let [packed_depth, packed_cols] = panels.shape();
            assert!(panels.unit() == unit && packed_depth == depth && cols <= packed_cols, "other panels");
            // The shape of the right operand is that of the first columns of the panels, its values are packed.
            check(&target, &finish, &left, &Matrix { values: &[0.0], rows: depth, cols, row_stride: 0, col_stride: 0 });
        }
    }
    if rows == 0 || cols == 0 {
        return;
    }
    let row_stride = if rows == 1 { cols } else { target.row_stride }; // of a single row it may be anything
    let mut buffer = RIGHT.take();
    let mut start = 0;
    for (from, length) in depths(depth, unit.pack()) {
        let steps = length.div_ceil(unit.pack());
        let right = match right {
            Right::Plain(matrix) => {
                let part = part_of_rows(matrix, from, length);
                if rows <= FEW && unit.pack() == 1 && part.col_stride == 1 && cols.is_multiple_of(LANE) {
                    Source::InPlace(part)
                } else {
                    buffer.clear();
                    panels::pack(unit, part, &mut buffer, threads);
                    Source::Panels(&buffer, cols)
                }
            }
            Right::Packed(panels) => Source::Panels(panels.steps(start, steps), panels.shape()[1]),
        };
        start += steps;
        let finish = finish.of_part(from == 0, from + length == depth);
        let share = |(i, values): (usize, &mut [MaybeUninit<f32>])| {
            let at = i * SHARE;
            let part = Part {
                unit,
                values,
                rows: SHARE.min(rows - at),
                cols,
                row_stride,
                finish,
                left: part_of_cols(part_of_rows(left, at, SHARE.min(rows - at)), from, length),
                right,
            };
            // SAFETY: the unit is available, as asserted; operands and target fit, as `check` asserts.
            unsafe { part.compute() };
        };
        let shares = target.values.len().min(rows * row_stride);
        let values = &mut target.values[..shares];
        match threads {
            1 => values.chunks_mut(SHARE * row_stride).enumerate().for_each(share),
            _ => values.par_chunks_mut(SHARE * row_stride).enumerate().for_each(share),
        }
    }
    RIGHT.set(buffer);
}

fn part_of_rows(matrix: Matrix, first: usize, rows: usize) -> Matrix {
    Matrix { values: &matrix.values[first * matrix.row_stride..], rows, ..matrix }
}

fn part_of_cols(matrix: Matrix, first: usize, cols: usize) -> Matrix {
    Matrix { values: &matrix.values[first * matrix.col_stride..], cols, ..matrix }
}

/// The right operand of a partial sum.
#[derive(Clone, Copy)]
enum Source<'a> {
    InPlace(Matrix<'a>),
    /// The words, and the number of columns packed.
    Panels(&'a [Words], usize),
}

/// Some rows of a partial sum.
struct Part<'a> {
    unit: Unit,
    values: &'a mut [MaybeUninit<f32>],
    rows: usize,
    cols: usize,
    row_stride: usize,
    finish: Finish<'a>,
    left: Matrix<'a>,
    right: Source<'a>,
}

impl Part<'_> {
    /// Prefetches a deep transposed left operand into the second-level cache. Each block of rows reads a part of a line of each
    /// step, so that the first blocks would wait for memory at every step.
    fn prefetch_left(&self) {
        let Matrix { values, cols: steps, row_stride, col_stride, .. } = self.left;
        if row_stride == 1 && col_stride > 1 && steps >= DEEP {
            for step in 0..steps {
                for row in (0..self.rows).step_by(LANE) {
                    let line = values.as_ptr().wrapping_add(step * col_stride + row);
                    // SAFETY: a prefetch is valid for any address, on any processor.
                    unsafe { _mm_prefetch::<_MM_HINT_T1>(line.cast()) };
                }
            }
        }
    }

    /// # Safety
    /// The processor has the unit; the operands fit, and the target has the rows.
    unsafe fn compute(self) {
        self.prefetch_left();
        let mut buffer = LEFT.take();
        let steps = self.left.cols.div_ceil(self.unit.pack());
        // SAFETY: as the caller guarantees.
        let Left { words, row_stride, step } = unsafe { Left::new(self.unit, self.left, &mut buffer) };
        for first in (0..self.cols).step_by(PANEL) {
            let cols = PANEL.min(self.cols - first);
            let lanes = cols.div_ceil(LANE);
            let (right, right_step) = match self.right {
                Source::InPlace(matrix) => (matrix.values[first..].as_ptr().cast(), matrix.row_stride),
                Source::Panels(panels, packed_cols) => {
                    debug_assert!(panels.len() >= steps * packed_cols.div_ceil(LANE));
                    let step = PANEL.min(packed_cols - first).next_multiple_of(LANE);
                    (panels[first / LANE * steps..].as_ptr().cast(), step)
                }
            };
            let finish = BlockFinish {
                before: self.finish.before,
                scale: self.finish.scale,
                bias: self.finish.bias.map(|bias| bias[first..].as_ptr()),
                relu: self.finish.relu,
            };
            let rows = match self.unit {
                Unit::Float32Avx512 | Unit::Bfloat16Avx512 => avx512::rows(lanes),
                Unit::Float32Avx2 => avx2::ROWS,
            };
            for row in (0..self.rows).step_by(rows) {
                let count = rows.min(self.rows - row);
                let block = Block {
                    left: words.wrapping_add(row * row_stride),
                    row_stride,
                    step,
                    right,
                    right_step,
                    steps,
                    target: self.values[row * self.row_stride + first..].as_mut_ptr().cast(),
                    target_stride: self.row_stride,
                    last_lane: cols - (lanes - 1) * LANE,
                    finish: &finish,
                };
                // SAFETY: as the caller guarantees; the words are those of the operands.
                unsafe {
                    match self.unit {
                        Unit::Float32Avx512 => avx512::float32(&block, count, lanes),
                        Unit::Bfloat16Avx512 => avx512::bfloat16(&block, count, lanes),
                        Unit::Float32Avx2 => avx2::float32(&block, count, lanes),
                    }
                }
            }
        }
        LEFT.set(buffer);
    }
}

#[cfg(test)]
mod tests;
