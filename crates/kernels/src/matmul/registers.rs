//! Registers of sixteen words, in which operands are packed.

use std::arch::x86_64::*;

/// Words of a register.
pub const LANE: usize = 16;

/// The lowest `count` of sixteen lanes.
pub fn lanes(count: usize) -> __mmask16 {
    ((1u32 << count.min(LANE)) - 1) as __mmask16
}

/// Two registers of values, rounded to bfloat16.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub fn halves(low: __m512, high: __m512) -> __m512i {
    // SAFETY: both are 64 bytes of plain data.
    unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(high, low)) }
}

/// Sixteen pairs of the values of two registers, rounded to bfloat16.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub fn pairs(first: __m512, second: __m512) -> __m512i {
    const ALTERNATING: [u16; 2 * LANE] = {
        let mut from = [0; 2 * LANE];
        let mut i = 0;
        while i < 2 * LANE {
            from[i] = (i / 2 + i % 2 * LANE) as u16;
            i += 1;
        }
        from
    };
    // SAFETY: 64 bytes of plain data.
    let alternating: __m512i = unsafe { std::mem::transmute(ALTERNATING) };
    _mm512_permutexvar_epi16(alternating, halves(first, second))
}

/// Thirty-two contiguous values as pairs, those outside `low` and `high` as zeros.
///
/// # Safety
/// The lanes lie within an operand.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub unsafe fn pairs_at(start: *const f32, low: __mmask16, high: __mmask16) -> __m512i {
    // SAFETY: as the caller guarantees.
    unsafe { halves(_mm512_maskz_loadu_ps(low, start), _mm512_maskz_loadu_ps(high, start.wrapping_add(LANE))) }
}

/// Transposes sixteen rows of sixteen words.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn transpose(r: [__m512i; LANE]) -> [__m512i; LANE] {
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
    let mut out = q;
    for j in 0..4 {
        let even_low = _mm512_shuffle_i32x4::<0x88>(q[j], q[4 + j]); // quarters 0 and 2 of rows 0 to 7
        let odd_low = _mm512_shuffle_i32x4::<0xdd>(q[j], q[4 + j]);
        let even_high = _mm512_shuffle_i32x4::<0x88>(q[8 + j], q[12 + j]);
        let odd_high = _mm512_shuffle_i32x4::<0xdd>(q[8 + j], q[12 + j]);
        out[j] = _mm512_shuffle_i32x4::<0x88>(even_low, even_high);
        out[8 + j] = _mm512_shuffle_i32x4::<0xdd>(even_low, even_high);
        out[4 + j] = _mm512_shuffle_i32x4::<0x88>(odd_low, odd_high);
        out[12 + j] = _mm512_shuffle_i32x4::<0xdd>(odd_low, odd_high);
    }
    out
}
