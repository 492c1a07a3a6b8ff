//! Products with AVX-512's VNNI: a register of 16 outputs × 4 inputs at once.

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::matmul::{Epilogue, Prefetch, ROWS_512 as ROWS};
use super::super::output::Output;
use super::super::packed::{LANE, LANES};
use super::super::words::Words;
use super::{Int8Activations, Int8Matrix, WORD};

/// # Safety
/// The processor has AVX-512 with VNNI, and no other thread computes these panels.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub unsafe fn multiply(x: &Int8Activations, matrix: &Int8Matrix, epilogue: Epilogue, panels: Range<usize>, y: Output) {
    let prefetch = Prefetch::new(x.rows());
    for panel in panels {
        let lanes = matrix.words.panel(panel);
        for (at, first) in (0..x.rows()).step_by(ROWS).enumerate() {
            let (next, ahead) = prefetch.of(at, lanes.len());
            let next = lanes.as_ptr().wrapping_add(next);
            let block = Block { x, first, matrix, panel, epilogue, next, ahead };
            // SAFETY: as the caller guarantees.
            unsafe {
                match x.rows() - first {
                    1 => rows::<1>(block, y),
                    2 => rows::<2>(block, y),
                    3 => rows::<3>(block, y),
                    4 => rows::<4>(block, y),
                    5 => rows::<5>(block, y),
                    _ => rows::<ROWS>(block, y),
                }
            }
        }
    }
}

/// A few rows and a panel of the matrix.
struct Block<'a> {
    x: &'a Int8Activations,
    /// The first row.
    first: usize,
    matrix: &'a Int8Matrix,
    panel: usize,
    epilogue: Epilogue,
    /// Address to prefetch; it may lie behind the matrix.
    next: *const Words,
    /// Lanes to prefetch with each word.
    ahead: usize,
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn rows<const ROWS: usize>(block: Block, y: Output) {
    // SAFETY: as the caller guarantees.
    unsafe {
        match block.ahead {
            0 => rows_ahead::<ROWS, 0>(block, y),
            1 => rows_ahead::<ROWS, 1>(block, y),
            2 => rows_ahead::<ROWS, 2>(block, y),
            _ => rows_ahead::<ROWS, LANES>(block, y),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn rows_ahead<const ROWS: usize, const AHEAD: usize>(block: Block, y: Output) {
    let Block { x, first, matrix, panel, epilogue, next, .. } = block;
    let (lanes, width) = (matrix.words.panel(panel), x.width());
    let groups = lanes.len() / LANES;
    let x_rows = &x.values()[first * width..(first + ROWS) * width];
    assert!(width == groups * WORD, "a word of activations for each word of weights");
    let starts = &matrix.starts[panel * LANES..(panel + 1) * LANES];
    // SAFETY: all pointers stay inside their slices: `lanes` has `groups * LANES` elements and `x_rows` `ROWS * width`
    // bytes, which are `groups` words a row; a lane is one register. A prefetch is valid for any address. The mask of a
    // lane covers the outputs of the panel alone, which no other thread writes.
    unsafe {
        let start: [__m512i; LANES] = std::array::from_fn(|lane| _mm512_loadu_si512(starts[lane].as_ptr().cast()));
        let mut totals = [start; ROWS];
        let (x_rows, lanes) = (x_rows.as_ptr(), lanes.as_ptr());
        for group in 0..groups {
            let weights: [__m512i; LANES] =
                std::array::from_fn(|lane| _mm512_load_si512(lanes.add(group * LANES + lane).cast()));
            for lane in 0..AHEAD {
                _mm_prefetch::<_MM_HINT_T1>(next.wrapping_add(group * AHEAD + lane).cast());
            }
            for (row, totals) in totals.iter_mut().enumerate() {
                let inputs = x_rows.add(row * width + group * WORD).cast::<i32>().read_unaligned();
                let inputs = _mm512_set1_epi32(inputs);
                for (total, &weight) in totals.iter_mut().zip(&weights) {
                    *total = _mm512_dpbusd_epi32(*total, inputs, weight);
                }
            }
        }
        for (row, totals) in totals.iter().enumerate() {
            let scale = x.scales()[first + row];
            let y = y.panel(first + row, panel);
            for (lane, &total) in totals.iter().enumerate() {
                finish(total, scale, matrix, epilogue, (panel, lane), y);
            }
        }
    }
}

/// Writes the outputs of one lane of a panel from their sums, to which the starts have been added.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub fn finish(
    total: __m512i,
    scale: f32,
    matrix: &Int8Matrix,
    epilogue: Epilogue,
    (panel, lane): (usize, usize),
    y: &mut [f32],
) {
    let at = panel * LANES + lane;
    let (scales, bias) = (&matrix.scales[at], &matrix.bias[at]);
    let min = _mm512_set1_ps(if epilogue == Epilogue::Relu { 0.0 } else { f32::NEG_INFINITY });
    let left = y.len().saturating_sub(lane * LANE).min(LANE);
    let mask = ((1u32 << left) - 1) as __mmask16;
    // SAFETY: scales and bias are one register each; the mask covers the outputs of the panel alone.
    unsafe {
        let factor = _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_loadu_ps(scales.as_ptr()));
        let value = _mm512_mul_ps(_mm512_cvtepi32_ps(total), factor);
        let value = _mm512_add_ps(value, _mm512_loadu_ps(bias.as_ptr()));
        let target = y.as_mut_ptr().wrapping_add(lane * LANE);
        _mm512_mask_storeu_ps(target, mask, _mm512_max_ps(min, value));
    }
}
