//! Products with AVX-512's bfloat16 instructions: 16 outputs × 2 inputs at once.

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::matmul::{Epilogue, Prefetch, ROWS_512 as ROWS};
use super::super::output::Output;
use super::super::packed::{LANE, LANES};
use super::super::words::Words;
use super::{Bfloat16Activations, Bfloat16Matrix};

/// # Safety
/// The processor has AVX-512 with its bfloat16 instructions, and no other thread computes these panels.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub unsafe fn multiply(
    x: &Bfloat16Activations,
    matrix: &Bfloat16Matrix,
    epilogue: Epilogue,
    panels: Range<usize>,
    y: Output,
) {
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
    x: &'a Bfloat16Activations,
    /// The first row.
    first: usize,
    matrix: &'a Bfloat16Matrix,
    panel: usize,
    epilogue: Epilogue,
    /// Address to prefetch; it may lie behind the matrix.
    next: *const Words,
    /// Lanes to prefetch with each word.
    ahead: usize,
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn rows<const ROWS: usize>(block: Block, y: Output) {
    let Block { x, first, matrix, panel, epilogue, next, ahead } = block;
    let (lanes, groups) = (matrix.words.panel(panel), x.groups);
    let inputs = &x.words[first * groups..(first + ROWS) * groups];
    let bias = &matrix.bias[panel * LANES..(panel + 1) * LANES];
    assert!(lanes.len() == groups * LANES, "a word of activations for each word of weights");
    // SAFETY: all pointers stay inside their slices: `lanes` has `groups * LANES` elements and `inputs` `ROWS * groups`; a
    // lane is one register, of which every bit pattern is valid. A prefetch is valid for any address. The mask of a lane
    // covers the outputs of the panel alone, which no other thread writes.
    unsafe {
        let start: [__m512; LANES] = std::array::from_fn(|lane| _mm512_loadu_ps(bias[lane].as_ptr()));
        let mut totals = [start; ROWS];
        let (inputs, lanes) = (inputs.as_ptr(), lanes.as_ptr());
        for group in 0..groups {
            let weights: [__m512bh; LANES] =
                std::array::from_fn(|lane| pairs(_mm512_load_si512(lanes.add(group * LANES + lane).cast())));
            for lane in 0..ahead {
                _mm_prefetch::<_MM_HINT_T1>(next.wrapping_add(group * ahead + lane).cast());
            }
            for (row, totals) in totals.iter_mut().enumerate() {
                let input = pairs(_mm512_set1_epi32(*inputs.add(row * groups + group) as i32));
                for (total, &weight) in totals.iter_mut().zip(&weights) {
                    *total = _mm512_dpbf16_ps(*total, input, weight);
                }
            }
        }
        let min = _mm512_set1_ps(if epilogue == Epilogue::Relu { 0.0 } else { f32::NEG_INFINITY });
        for (row, totals) in totals.iter().enumerate() {
            let y = y.panel(first + row, panel);
            for (lane, &total) in totals.iter().enumerate() {
                let left = y.len().saturating_sub(lane * LANE).min(LANE);
                let mask = ((1u32 << left) - 1) as __mmask16;
                let target = y.as_mut_ptr().wrapping_add(lane * LANE);
                _mm512_mask_storeu_ps(target, mask, _mm512_max_ps(min, total));
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
fn pairs(words: __m512i) -> __m512bh {
    // SAFETY: 64 bytes of plain data.
    unsafe { std::mem::transmute(words) }
}
