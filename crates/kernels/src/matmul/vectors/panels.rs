//! The right operand of a product, packed in panels of 64 columns.
//!
//! Within a panel, steps follow each other: a word of each column, padded with zeros to whole registers. A word is a value
//! in float32 or a pair of values in bfloat16.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::left::pack_pairs;
use super::{PANEL, Unit, Words, depths, part_of_cols, part_of_rows};
use crate::matmul::registers::{LANE, lanes, pairs_at, transpose};
use crate::matmul::view::Matrix;

/// A right operand that several products use.
#[derive(Debug)]
pub struct Panels {
    unit: Unit,
    shape: [usize; 2],
    words: Vec<Words>,
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Panels {
    /// Packs an operand for products of this unit.
    ///
    /// # Panics
    /// A processor without the unit, or a slice that is too short.
    pub fn new(unit: Unit, right: Matrix, threads: usize) -> Self {
        assert!(unit.available() && right.end() <= right.values.len(), "an operand is too short");
        let steps: usize = depths(right.rows, unit.pack()).map(|(_, length)| length.div_ceil(unit.pack())).sum();
        let mut words = Vec::with_capacity(steps * right.cols.div_ceil(LANE));
        for (from, length) in depths(right.rows, unit.pack()) {
            pack(unit, part_of_rows(right, from, length), &mut words, threads);
        }
        Self { unit, shape: [right.rows, right.cols], words }
    }

    pub fn unit(&self) -> Unit {
        self.unit
    }

    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// The panels of a partial sum.
    pub fn steps(&self, start: usize, steps: usize) -> &[Words] {
        let registers = self.shape[1].div_ceil(LANE);
        &self.words[start * registers..][..steps * registers]
    }
}

/// Packs an operand as deep as one partial sum, behind the words that are already there.
pub fn pack(unit: Unit, right: Matrix, words: &mut Vec<Words>, threads: usize) {
    let steps = right.rows.div_ceil(unit.pack());
    let count = steps * right.cols.div_ceil(LANE);
    words.reserve(count);
    let panel = |(i, words): (usize, &mut [MaybeUninit<Words>])| {
        let part = part_of_cols(right, i * PANEL, PANEL.min(right.cols - i * PANEL));
        // SAFETY: the unit is available, and the part lies within the operand, as callers check.
        unsafe { pack_panel(unit, part, words) };
    };
    let size = (PANEL / LANE * steps).max(1);
    let panels = &mut words.spare_capacity_mut()[..count];
    match threads {
        1 => panels.chunks_mut(size).enumerate().for_each(panel),
        _ => panels.par_chunks_mut(size).enumerate().for_each(panel),
    }
    // SAFETY: the panels have `count` words, and each has been written.
    unsafe { words.set_len(words.len() + count) };
}

/// Packs one panel and writes each word.
///
/// # Safety
/// The processor has the unit, and every index that the strides reach lies inside the values.
unsafe fn pack_panel(unit: Unit, right: Matrix, words: &mut [MaybeUninit<Words>]) {
    let registers = right.cols.div_ceil(LANE);
    let values = right.values.as_ptr();
    match (unit, right.col_stride, right.row_stride) {
        (Unit::Float32Avx512 | Unit::Float32Avx2, 1, _) => {
            for (step, words) in words.chunks_exact_mut(registers).enumerate() {
                copy(&right.values[step * right.row_stride..][..right.cols], words);
            }
        }
        // SAFETY: as the caller guarantees; the words have a register for each step and lane.
        (Unit::Bfloat16Avx512, 1, stride) => unsafe {
            let step = registers * LANE;
            pack_pairs(values, stride, [right.rows, right.cols], words.as_mut_ptr().cast(), step);
        },
        // SAFETY: as above.
        (Unit::Float32Avx512, _, 1) => unsafe { transposed_values(right, words) },
        // SAFETY: as above.
        (Unit::Bfloat16Avx512, _, 1) => unsafe { transposed_pairs(right, words) },
        (Unit::Float32Avx512 | Unit::Float32Avx2, ..) => one_by_one(right, words),
        (Unit::Bfloat16Avx512, ..) => panic!("an operand has neighbouring rows or columns"),
    }
}

/// Packs the values of one step.
#[inline(always)]
fn copy(values: &[f32], words: &mut [MaybeUninit<Words>]) {
    let mut parts = values.chunks_exact(LANE);
    let mut words = words.iter_mut();
    for (part, words) in (&mut parts).zip(&mut words) {
        words.write(Words(std::array::from_fn(|i| part[i].to_bits())));
    }
    if let Some(words) = words.next() {
        let rest = parts.remainder();
        words.write(Words(std::array::from_fn(|i| rest.get(i).map_or(0, |value| value.to_bits()))));
    }
}

/// Packs an operand of any strides.
fn one_by_one(right: Matrix, words: &mut [MaybeUninit<Words>]) {
    let registers = right.cols.div_ceil(LANE);
    for first in (0..right.rows).step_by(LANE) {
        for lane in 0..registers {
            for step in first..right.rows.min(first + LANE) {
                let value = |i: usize| match lane * LANE + i {
                    col if col < right.cols => right.values[step * right.row_stride + col * right.col_stride].to_bits(),
                    _ => 0,
                };
                words[step * registers + lane].write(Words(std::array::from_fn(value)));
            }
        }
    }
}

macro_rules! transposed {
    ($name:ident, $features:literal, $values:literal, $word:expr) => {
        /// Packs an operand with contiguous columns: sixteen columns by sixteen words at a time.
        ///
        /// # Safety
        /// The processor has the instructions, and the columns lie within the operand.
        #[target_feature(enable = $features)]
        unsafe fn $name(right: Matrix, words: &mut [MaybeUninit<Words>]) {
            let registers = right.cols.div_ceil(LANE);
            let each = $values * LANE;
            for lane in 0..registers {
                let cols = LANE.min(right.cols - lane * LANE);
                for (block, from) in (0..right.rows).step_by(each).enumerate() {
                    let depth = each.min(right.rows - from);
                    let (low, high) = (lanes(depth), lanes(depth.saturating_sub(LANE)));
                    let mut rows = [_mm512_setzero_si512(); LANE];
                    for (col, row) in rows.iter_mut().enumerate().take(cols) {
                        // SAFETY: the lanes read lie within the operand.
                        unsafe {
                            let start = right.values.as_ptr().add((lane * LANE + col) * right.col_stride + from);
                            *row = $word(start, low, high);
                        }
                    }
                    for (step, row) in transpose(rows).into_iter().enumerate().take(depth.div_ceil($values)) {
                        let to = words[(block * LANE + step) * registers + lane].as_mut_ptr();
                        // SAFETY: the words fill a register.
                        unsafe { _mm512_store_si512(to.cast(), row) };
                    }
                }
            }
        }
    };
}

transposed!(transposed_values, "avx512f", 1, values_at);
transposed!(transposed_pairs, "avx512f,avx512bw,avx512bf16", 2, pairs_at);

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn values_at(start: *const f32, low: __mmask16, _: __mmask16) -> __m512i {
    // SAFETY: the lanes read lie within the operand, as the caller guarantees.
    unsafe { _mm512_castps_si512(_mm512_maskz_loadu_ps(low, start)) }
}
