//! Operands packed for matrix registers: tiles of sixteen lines by thirty-two bfloat16 values.
//!
//! A line is a row of the left operand or a column of the right one; a product sums over its values. Two successive values
//! of a line are a word. A left tile has a register row for each line, a right tile one for each word.

use std::arch::x86_64::*;

use crate::matmul::Matrix;

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

/// The lowest `count` of sixteen lanes.
fn lanes(count: usize) -> __mmask16 {
    ((1u32 << count.min(16)) - 1) as __mmask16
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn halves(low: __m512, high: __m512) -> __m512i {
    // SAFETY: both are 64 bytes of plain data.
    unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(high, low)) }
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
        unsafe {
            let start = start.add(line * line_stride);
            let high = _mm512_maskz_loadu_ps(high, start.wrapping_add(16));
            store(row, halves(_mm512_maskz_loadu_ps(low, start), high));
        }
    }
}

/// Packs a tile row per word, of contiguous lines.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn words_across_lines(tile: &mut Tile, start: *const f32, stride: usize, lines: usize, depth: usize) {
    const ALTERNATING: [u16; 32] = {
        let mut from = [0; 32];
        let mut i = 0;
        while i < 32 {
            from[i] = (i / 2 + i % 2 * 16) as u16;
            i += 1;
        }
        from
    };
    // SAFETY: 64 bytes of plain data.
    let alternating: __m512i = unsafe { std::mem::transmute(ALTERNATING) };
    let lines = lanes(lines);
    let read = |value: usize| match value < depth {
        // SAFETY: the lanes read lie within the operand.
        true => unsafe { _mm512_maskz_loadu_ps(lines, start.add(value * stride)) },
        false => _mm512_setzero_ps(),
    };
    for (word, row) in tile.0.iter_mut().enumerate() {
        store(row, _mm512_permutexvar_epi16(alternating, halves(read(2 * word), read(2 * word + 1))));
    }
}

/// Transposes sixteen rows of sixteen words.
#[target_feature(enable = "avx512f")]
fn transpose(tile: &mut Tile) {
    // SAFETY: a row is as large as a register.
    let r = tile.0.each_ref().map(|row| unsafe { _mm512_loadu_si512(row.as_ptr().cast()) });
    let mut t = r;
    for i in 0..8 {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    let mut q = t; // q[4 i + j]: in each quarter its word j of rows 4 i to 4 i + 3
    for i in 0..4 {
        for j in 0..2 {
            q[4 * i + 2 * j] = _mm512_unpacklo_epi64(t[4 * i + j], t[4 * i + 2 + j]);
            q[4 * i + 2 * j + 1] = _mm512_unpackhi_epi64(t[4 * i + j], t[4 * i + 2 + j]);
        }
    }
    for j in 0..4 {
        let even_low = _mm512_shuffle_i32x4::<0x88>(q[j], q[4 + j]); // quarters 0 and 2 of rows 0 to 7
        let odd_low = _mm512_shuffle_i32x4::<0xdd>(q[j], q[4 + j]);
        let even_high = _mm512_shuffle_i32x4::<0x88>(q[8 + j], q[12 + j]);
        let odd_high = _mm512_shuffle_i32x4::<0xdd>(q[8 + j], q[12 + j]);
        store(&mut tile.0[j], _mm512_shuffle_i32x4::<0x88>(even_low, even_high));
        store(&mut tile.0[8 + j], _mm512_shuffle_i32x4::<0xdd>(even_low, even_high));
        store(&mut tile.0[4 + j], _mm512_shuffle_i32x4::<0x88>(odd_low, odd_high));
        store(&mut tile.0[12 + j], _mm512_shuffle_i32x4::<0xdd>(odd_low, odd_high));
    }
}
