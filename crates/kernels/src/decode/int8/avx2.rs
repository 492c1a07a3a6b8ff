//! Products with AVX2: integers widened to 16 bits and multiplied in pairs, without saturation.

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::matmul::Epilogue;
use super::super::output::Output;
use super::super::packed::{LANE, LANES};
use super::{Int8Activations, Int8Matrix, WORD, finish};

/// Rows whose sums of one lane fit into registers: 2 · 4 + 6 of 16.
const ROWS: usize = 2;

/// # Safety
/// The processor has AVX2, and no other thread computes these panels.
#[target_feature(enable = "avx2")]
pub unsafe fn multiply(x: &Int8Activations, matrix: &Int8Matrix, epilogue: Epilogue, panels: Range<usize>, y: Output) {
    for panel in panels {
        for first in (0..x.rows()).step_by(ROWS) {
            for lane in 0..LANES {
                let sums = match x.rows() - first {
                    1 => sums::<1>(x, first, matrix, (panel, lane)),
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

#[target_feature(enable = "avx2")]
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
    // `lane` is read, and `x` has `N * width` bytes, which are `groups` words a row; a lane is four registers of 16 bytes.
    unsafe {
        // Two sums for each of four outputs a register.
        let mut totals = [[_mm256_setzero_si256(); 4]; N];
        for group in 0..groups {
            let words = lanes.as_ptr().add(group * LANES + lane).cast::<__m128i>();
            let weights: [__m256i; 4] =
                std::array::from_fn(|quarter| _mm256_cvtepi8_epi16(_mm_load_si128(words.add(quarter))));
            for (row, totals) in totals.iter_mut().enumerate() {
                let inputs = x.as_ptr().add(row * width + group * WORD).cast::<i32>().read_unaligned();
                let inputs = _mm256_cvtepu8_epi16(_mm_set1_epi32(inputs));
                for (total, &weights) in totals.iter_mut().zip(&weights) {
                    *total = _mm256_add_epi32(*total, _mm256_madd_epi16(inputs, weights));
                }
            }
        }
        for (sums, totals) in sums.iter_mut().zip(totals) {
            for (half, sums) in sums.chunks_exact_mut(8).enumerate() {
                let pairs = _mm256_hadd_epi32(totals[2 * half], totals[2 * half + 1]);
                // Outputs 0, 1, 4, 5, 2, 3, 6, 7 in order.
                _mm256_storeu_si256(sums.as_mut_ptr().cast(), _mm256_permute4x64_epi64::<0b11_01_10_00>(pairs));
            }
        }
    }
    sums
}
