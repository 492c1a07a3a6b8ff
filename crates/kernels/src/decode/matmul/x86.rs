//! Rows times a packed matrix with AVX-512 and AVX2.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;
use std::ops::Range;

use super::super::output::Output;
use super::super::packed::{LANE, LANES, Lane, PackedMatrix};
use super::{Epilogue, Prefetch, ROWS_512, store};

/// Inputs of a part of a panel, 16 KiB. The part stays in the first-level cache while several blocks of rows are multiplied
/// with it, and the next one is prefetched meanwhile. Reads of a whole panel from the second-level cache would wait for the
/// prefetches: both need the few buffers of misses that a core has.
const DEPTH: usize = 64;
/// Rows that are multiplied with a part. Their sums are as large as the part.
const ROWS: usize = 10 * ROWS_512;

/// The sums of a row and a panel, in memory between two parts.
type Sums = MaybeUninit<[Lane; LANES]>;

/// # Safety
/// The processor has AVX-512, and no other thread computes these panels.
#[target_feature(enable = "avx512f")]
pub unsafe fn multiply_avx512(x: &[f32], matrix: &PackedMatrix, epilogue: Epilogue, panels: Range<usize>, y: Output) {
    let d_input = matrix.d_input();
    let mut sums: [Sums; ROWS] = [const { MaybeUninit::uninit() }; ROWS];
    for panel in panels {
        let (lanes, bias) = matrix.panel(panel);
        for (group, x) in x.chunks(ROWS * d_input).enumerate() {
            let rows = x.len() / d_input;
            let (depth, prefetch) = (if rows > ROWS_512 { DEPTH } else { d_input }, Prefetch::new(rows));
            for start in (0..d_input).step_by(depth) {
                let inputs = start..(start + depth).min(d_input);
                let blocks = x.chunks(ROWS_512 * d_input).zip(sums.chunks_mut(ROWS_512));
                for (at, (x, sums)) in blocks.enumerate() {
                    let (next, ahead) = prefetch.of(at, inputs.len() * LANES);
                    let next = lanes.as_ptr().wrapping_add(start * LANES + next);
                    let place = (group * ROWS + at * ROWS_512, panel);
                    let block = Block { x, lanes, bias, inputs: inputs.clone(), sums, epilogue, place, next, ahead };
                    // SAFETY: as the caller guarantees; an earlier part has set the sums that a later one reads.
                    unsafe {
                        match x.len() / d_input {
                            6 => block_avx512::<6>(block, y),
                            5 => block_avx512::<5>(block, y),
                            4 => block_avx512::<4>(block, y),
                            3 => block_avx512::<3>(block, y),
                            2 => block_avx512::<2>(block, y),
                            _ => block_avx512::<1>(block, y),
                        }
                    }
                }
            }
        }
    }
}

/// A few rows and a part of a panel of the matrix.
struct Block<'a> {
    x: &'a [f32],
    lanes: &'a [Lane],
    bias: &'a [Lane],
    /// The part.
    inputs: Range<usize>,
    /// The sums of the parts before this one, and after it those with it.
    sums: &'a mut [Sums],
    epilogue: Epilogue,
    /// The first row, and the panel.
    place: (usize, usize),
    /// Address to prefetch; it may lie behind the matrix.
    next: *const Lane,
    /// Lanes to prefetch with each input.
    ahead: usize,
}

/// # Safety
/// As [`multiply_avx512`]; the sums are set unless the part is the first.
#[target_feature(enable = "avx512f")]
unsafe fn block_avx512<const ROWS: usize>(block: Block, y: Output) {
    // SAFETY: as the caller guarantees.
    unsafe {
        match block.ahead {
            0 => block_ahead_avx512::<ROWS, 0>(block, y),
            1 => block_ahead_avx512::<ROWS, 1>(block, y),
            2 => block_ahead_avx512::<ROWS, 2>(block, y),
            _ => block_ahead_avx512::<ROWS, LANES>(block, y),
        }
    }
}

#[target_feature(enable = "avx512f")]
unsafe fn block_ahead_avx512<const ROWS: usize, const AHEAD: usize>(block: Block, y: Output) {
    let Block { x, lanes, bias, inputs, sums, epilogue, place: (first, panel), next, .. } = block;
    let d_input = lanes.len() / LANES;
    assert!(x.len() == ROWS * d_input && bias.len() == LANES && sums.len() >= ROWS, "a block of {ROWS} rows");
    assert!(inputs.end <= d_input, "inputs {inputs:?} of {d_input}");
    // SAFETY: all pointers stay inside their slices: `lanes` has `d_input * LANES` elements, `x` `ROWS * d_input`, `sums` at
    // least `ROWS`, set as the caller guarantees, and the mask of a lane covers the outputs of the panel alone, which no other
    // thread writes; a lane is exactly one aligned register of 16 values. A prefetch is valid for any address.
    unsafe {
        let start: [__m512; LANES] = std::array::from_fn(|lane| _mm512_load_ps(bias[lane].0.as_ptr()));
        let mut totals = [start; ROWS];
        if inputs.start > 0 {
            for (totals, sums) in totals.iter_mut().zip(&*sums) {
                let sums = sums.as_ptr().cast::<f32>();
                *totals = std::array::from_fn(|lane| _mm512_load_ps(sums.add(lane * LANE)));
            }
        }
        let (x, lanes) = (x.as_ptr(), lanes.as_ptr());
        for (at, input) in inputs.clone().enumerate() {
            let weights: [__m512; LANES] =
                std::array::from_fn(|lane| _mm512_load_ps(lanes.add(input * LANES + lane).cast::<f32>()));
            for lane in 0..AHEAD {
                _mm_prefetch::<_MM_HINT_T1>(next.wrapping_add(at * AHEAD + lane).cast());
            }
            for (row, totals) in totals.iter_mut().enumerate() {
                let x = _mm512_set1_ps(*x.add(row * d_input + input));
                for (total, &weight) in totals.iter_mut().zip(&weights) {
                    *total = _mm512_fmadd_ps(x, weight, *total);
                }
            }
        }
        if inputs.end < d_input {
            for (totals, sums) in totals.iter().zip(sums) {
                let sums = sums.as_mut_ptr().cast::<f32>();
                totals.iter().enumerate().for_each(|(lane, &total)| _mm512_store_ps(sums.add(lane * LANE), total));
            }
            return;
        }
        let least = _mm512_set1_ps(if epilogue == Epilogue::Relu { 0.0 } else { f32::NEG_INFINITY });
        for (row, totals) in totals.iter().enumerate() {
            let y = y.panel(first + row, panel);
            for (lane, &total) in totals.iter().enumerate() {
                let left = y.len().saturating_sub(lane * LANE).min(LANE);
                let mask = ((1u32 << left) - 1) as __mmask16;
                let target = y.as_mut_ptr().wrapping_add(lane * LANE);
                _mm512_mask_storeu_ps(target, mask, _mm512_max_ps(least, total));
            }
        }
    }
}

/// Rows whose sums of one lane fit into registers: 6 · 2 + 2 of 16.
const ROWS_256: usize = 6;

/// # Safety
/// The processor has AVX2 and FMA, and no other thread computes these panels.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn multiply_avx2(x: &[f32], matrix: &PackedMatrix, epilogue: Epilogue, panels: Range<usize>, y: Output) {
    let d_input = matrix.d_input();
    for panel in panels {
        let (lanes, bias) = matrix.panel(panel);
        for (at, x) in x.chunks(ROWS_256 * d_input).enumerate() {
            let mut sums = [[Lane::default(); LANES]; ROWS_256];
            for (lane, bias) in bias.iter().enumerate() {
                match x.len() / d_input {
                    6 => block_avx2::<6>(x, lanes, lane, bias, &mut sums),
                    5 => block_avx2::<5>(x, lanes, lane, bias, &mut sums),
                    4 => block_avx2::<4>(x, lanes, lane, bias, &mut sums),
                    3 => block_avx2::<3>(x, lanes, lane, bias, &mut sums),
                    2 => block_avx2::<2>(x, lanes, lane, bias, &mut sums),
                    _ => block_avx2::<1>(x, lanes, lane, bias, &mut sums),
                }
            }
            for (row, sums) in sums.iter().take(x.len() / d_input).enumerate() {
                // SAFETY: as the caller guarantees.
                store(sums, epilogue, unsafe { y.panel(at * ROWS_256 + row, panel) });
            }
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn block_avx2<const ROWS: usize>(x: &[f32], lanes: &[Lane], lane: usize, bias: &Lane, sums: &mut [[Lane; LANES]]) {
    let d_input = lanes.len() / LANES;
    assert!(x.len() == ROWS * d_input && lane < LANES && sums.len() >= ROWS, "a block of {ROWS} rows");
    // SAFETY: all pointers stay inside their slices: `lanes` has `d_input * LANES` elements, of which each input's number
    // `lane` is read, and `x` has `ROWS * d_input`; a lane is exactly two aligned registers of 8 values.
    unsafe {
        let start = [_mm256_load_ps(bias.0.as_ptr()), _mm256_load_ps(bias.0.as_ptr().add(8))];
        let mut totals = [start; ROWS];
        let (x, lanes) = (x.as_ptr(), lanes.as_ptr());
        for input in 0..d_input {
            let weights = lanes.add(input * LANES + lane).cast::<f32>();
            let weights = [_mm256_load_ps(weights), _mm256_load_ps(weights.add(8))];
            for (row, totals) in totals.iter_mut().enumerate() {
                let x = _mm256_set1_ps(*x.add(row * d_input + input));
                totals[0] = _mm256_fmadd_ps(x, weights[0], totals[0]);
                totals[1] = _mm256_fmadd_ps(x, weights[1], totals[1]);
            }
        }
        for (sums, totals) in sums.iter_mut().zip(&totals) {
            let sum = sums[lane].0.as_mut_ptr();
            _mm256_store_ps(sum, totals[0]);
            _mm256_store_ps(sum.add(8), totals[1]);
        }
    }
}
