//! Products with AVX-VNNI, of processors without AVX-512: a register of 8 outputs × 4 inputs at once.

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::matmul::Epilogue;
use super::super::output::Output;
use super::super::packed::{LANE, LANES};
use super::{Int8Activations, Int8Matrix, WORD, finish};

/// Rows whose sums of one lane fit into registers: 6 · 2 + 3 of 16.
const ROWS: usize = 6;

/// # Safety
/// The processor has AVX2 and AVX-VNNI, and no other thread computes these panels.
#[target_feature(enable = "avx2,avxvnni")]
pub unsafe fn multiply(x: &Int8Activations, matrix: &Int8Matrix, epilogue: Epilogue, panels: Range<usize>, y: Output) {
    for panel in panels {
        for first in (0..x.rows()).step_by(ROWS) {
            for lane in 0..LANES {
                let sums = match x.rows() - first {
                    1 => sums::<1>(x, first, matrix, (panel, lane)),
                    2 => sums::<2>(x, first, matrix, (panel, lane)),
                    3 => sums::<3>(x, first, matrix, (panel, lane)),
                    4 => sums::<4>(x, first, matrix, (panel, lane)),
                    5 => sums::<5>(x, first, matrix, (panel, lane)),
                    _ => sums::<ROWS>(x, first, matrix, (panel, lane)),
                };
                for (row, sums) in (first..x.rows()).zip(&sums) {
                    // SAFETY: as the caller guarantees.
                    let y = unsafe { y.panel(row, panel) };
                    finish(sums, x.scales()[row], matrix, epilogue, (panel, lane), y);
                }
            }
        }
    }
}

#[target_feature(enable = "avx2,avxvnni")]
fn sums<const N: usize>(
    x: &Int8Activations,
    first: usize,
    matrix: &Int8Matrix,
    (panel, lane): (usize, usize),
) -> [[i32; LANE]; ROWS] {
    let (lanes, width) = (matrix.words.panel(panel), x.width());
    let groups = lanes.len() / LANES;
    let x = &x.values()[first * width..(first + N) * width];
    assert!(width == groups * WORD && lane < LANES && N <= ROWS, "a word of activations for each word of weights");
    let mut sums = [[0; LANE]; ROWS];
    // SAFETY: all pointers stay inside their slices: `lanes` has `groups * LANES` elements, of which each group's number
    // `lane` is read, and `x` has `N * width` bytes, which are `groups` words a row; a lane is two registers.
    unsafe {
        let mut totals = [[_mm256_setzero_si256(); 2]; N];
        for group in 0..groups {
            let words = lanes.as_ptr().add(group * LANES + lane).cast::<__m256i>();
            let weights = [_mm256_load_si256(words), _mm256_load_si256(words.add(1))];
            for (row, totals) in totals.iter_mut().enumerate() {
                let inputs = x.as_ptr().add(row * width + group * WORD).cast::<i32>().read_unaligned();
                let inputs = _mm256_set1_epi32(inputs);
                totals[0] = _mm256_dpbusd_avx_epi32(totals[0], inputs, weights[0]);
                totals[1] = _mm256_dpbusd_avx_epi32(totals[1], inputs, weights[1]);
            }
        }
        for (sums, totals) in sums.iter_mut().zip(totals) {
            let sums = sums.as_mut_ptr().cast::<__m256i>();
            _mm256_storeu_si256(sums, totals[0]);
            _mm256_storeu_si256(sums.add(1), totals[1]);
        }
    }
    sums
}
