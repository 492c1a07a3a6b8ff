//! Products of tiles by AVX-512's bfloat16 instructions, of some Intel processors since 2020 and of AMD's since 2022.
//!
//! One instruction multiplies a word of a left line by the same word of sixteen right lines, two values at once: twice
//! the rate of float32 vectors.

use std::arch::x86_64::*;

use super::pack::Tile;

/// Whether the processor has the instructions.
pub fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

/// Rows whose sums stay in registers, for both right tiles.
const ROWS: usize = 8;

/// `sums[2 i + j]` = Σ over `deep` tiles of `left[i]` · `right[j]`, for the first `rows` of both left tiles' rows.
///
/// # Safety
/// The processor has the instructions, and each pointer points to `deep` tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub unsafe fn multiply_tiles(
    left: [*const Tile; 2],
    right: [*const Tile; 2],
    deep: usize,
    rows: usize,
    sums: &mut [Tile; 4],
) {
    for first in (0..rows).step_by(ROWS) {
        let (i, first) = (first / 16, first % 16);
        let mut acc = [[_mm512_setzero_ps(); 2]; ROWS];
        for step in 0..deep {
            // SAFETY: within the tiles of the pointers; every bit pattern is a valid word and value.
            unsafe {
                let left = &(*left[i].add(step)).0;
                let rights = right.map(|tile| &(*tile.add(step)).0);
                for word in 0..16 {
                    let columns = rights.map(|tile| pairs(_mm512_load_si512(tile[word].as_ptr().cast())));
                    for (row, acc) in acc.iter_mut().enumerate() {
                        let pair = pairs(_mm512_set1_epi32(left[first + row][word] as i32));
                        acc[0] = _mm512_dpbf16_ps(acc[0], pair, columns[0]);
                        acc[1] = _mm512_dpbf16_ps(acc[1], pair, columns[1]);
                    }
                }
            }
        }
        for (row, acc) in acc.into_iter().enumerate() {
            for (j, acc) in acc.into_iter().enumerate() {
                let out = &mut sums[2 * i + j].0[first + row];
                // SAFETY: a row is as large as a register.
                unsafe { _mm512_store_si512(out.as_mut_ptr().cast(), _mm512_castps_si512(acc)) };
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
fn pairs(words: __m512i) -> __m512bh {
    // SAFETY: 64 bytes of plain data.
    unsafe { std::mem::transmute(words) }
}
