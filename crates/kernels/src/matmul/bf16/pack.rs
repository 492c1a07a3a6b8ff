//! Operands packed for matrix registers: tiles of sixteen lines by thirty-two bfloat16 values.
//!
//! A line is a row of the left operand or a column of the right one; a product sums over its values. Two successive values
//! of a line are a word. A left tile has a register row for each line, a right tile one for each word.

use std::arch::x86_64::*;

use crate::matmul::Matrix;
use crate::matmul::registers::{self, lanes, pairs, pairs_at};

/// Lines of a tile.
pub const LINES: usize = 16;
/// Values of each line in a tile.
pub const DEPTH: usize = 32;

/// The contents of one matrix register.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Tile(pub [[u32; 16]; LINES]);

impl Tile {
    pub const EMPTY: Self = Self([[0; 16]; LINES]);
}

/// An operand as lines.
#[derive(Clone, Copy)]
pub struct Lines<'a> {
    values: &'a [f32],
    lines: usize,
    depth: usize,
    line_stride: usize,
    stride: usize,
}

impl<'a> Lines<'a> {
    pub fn rows_of(left: Matrix<'a>) -> Self {
        Self {
            values: left.values,
            lines: left.rows,
            depth: left.cols,
            line_stride: left.row_stride,
            stride: left.col_stride,
        }
    }

    pub fn columns_of(right: Matrix<'a>) -> Self {
        Self::rows_of(right.transposed())
    }

    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Values of each line.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// A part: some lines, and some values of each.
    pub fn part(self, (first, lines): (usize, usize), (from, depth): (usize, usize)) -> Self {
        let start = first * self.line_stride + from * self.stride;
        Self { values: &self.values[start..], lines, depth, ..self }
    }

    /// Packs tiles of sixteen lines, all depths of a line before the next lines, padded with zeros.
    ///
    /// # Panics
    /// An operand without a stride of one.
    ///
    /// # Safety
    /// The processor has AVX-512 with its bfloat16 instructions, and every index that the strides reach lies inside
    /// `values`.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub unsafe fn pack<const RIGHT: bool>(self, tiles: &mut Vec<Tile>) {
        assert!(self.line_stride == 1 || self.stride == 1, "an operand has neighbouring rows or columns");
        let deep = self.depth.div_ceil(DEPTH);
        let count = self.lines.div_ceil(LINES) * deep;
        if tiles.len() < count {
            tiles.resize(count, Tile::EMPTY);
        }
        for (block, tiles) in tiles[..count].chunks_exact_mut(deep.max(1)).enumerate() {
            let first = block * LINES;
            let lines = LINES.min(self.lines - first);
            for (step, tile) in tiles.iter_mut().enumerate() {
                let from = step * DEPTH;
                let depth = DEPTH.min(self.depth - from);
                // SAFETY: within the operand, as the caller guarantees.
                let start = unsafe { self.values.as_ptr().add(first * self.line_stride + from * self.stride) };
                let along = self.stride == 1;
                match along {
                    // SAFETY: as above.
                    true => unsafe { words_of_lines(tile, start, self.line_stride, lines, depth) },
                    false => unsafe { words_across_lines(tile, start, self.stride, lines, depth) },
                }
                if along == RIGHT {
                    transpose(tile);
                }
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
fn store(row: &mut [u32; 16], words: __m512i) {
    // SAFETY: a row is as large as a register.
    unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), words) };
}

/// Packs a tile row per line, of lines with contiguous values.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn words_of_lines(tile: &mut Tile, start: *const f32, line_stride: usize, lines: usize, depth: usize) {
    let (low, high) = (lanes(depth), lanes(depth.saturating_sub(16)));
    for (line, row) in tile.0.iter_mut().enumerate() {
        if line >= lines {
            *row = [0; 16];
            continue;
        }
        // SAFETY: the lanes read lie within the operand.
        store(row, unsafe { pairs_at(start.add(line * line_stride), low, high) });
    }
}

/// Packs a tile row per word, of contiguous lines.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn words_across_lines(tile: &mut Tile, start: *const f32, stride: usize, lines: usize, depth: usize) {
    let lines = lanes(lines);
    let read = |value: usize| match value < depth {
        // SAFETY: the lanes read lie within the operand.
        true => unsafe { _mm512_maskz_loadu_ps(lines, start.add(value * stride)) },
        false => _mm512_setzero_ps(),
    };
    for (word, row) in tile.0.iter_mut().enumerate() {
        store(row, pairs(read(2 * word), read(2 * word + 1)));
    }
}

/// Transposes a tile's words.
#[target_feature(enable = "avx512f")]
fn transpose(tile: &mut Tile) {
    // SAFETY: a row is as large as a register.
    let rows = tile.0.each_ref().map(|row| unsafe { _mm512_loadu_si512(row.as_ptr().cast()) });
    tile.0.iter_mut().zip(registers::transpose(rows)).for_each(|(row, words)| store(row, words));
}
