//! Rows times a packed matrix.
//!
//! For each panel of 64 outputs a few rows go through at once, their sums in registers: the panel is read from memory for
//! the first of them, and from the cache for the others. Each sum runs over the inputs in order, however many rows there
//! are and however wide the registers, so that every x86 processor with fused multiply-add gives the same bits.

use super::packed::{LANE, LANES, Lane, PANEL, PackedMatrix};
use crate::simd::relu;

pub use crate::linear::Epilogue;

/// `y = x · matrixᵀ + bias`, for `x` of `[rows, d_input]` and `y` of `[rows, d_output]`.
///
/// # Panics
/// Slices that are not of these shapes.
pub fn multiply(x: &[f32], matrix: &PackedMatrix, then: Epilogue, y: &mut [f32]) {
    let (d_input, d_output) = (matrix.d_input(), matrix.d_output());
    assert!(x.len().is_multiple_of(d_input), "rows of {d_input} inputs");
    assert_eq!(x.len() / d_input * d_output, y.len(), "rows of {d_output} outputs, as many as of inputs");
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has these instructions, as just asked.
            return unsafe { x86::multiply_avx512(x, matrix, then, y) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { x86::multiply_avx2(x, matrix, then, y) };
        }
    }
    plainly(x, matrix, then, y);
}

/// For processors of which nothing is known.
fn plainly(x: &[f32], matrix: &PackedMatrix, then: Epilogue, y: &mut [f32]) {
    let (d_input, d_output) = (matrix.d_input(), matrix.d_output());
    let panels = matrix.lanes().chunks_exact(d_input * LANES).zip(matrix.bias().chunks_exact(LANES));
    for (panel, (lanes, bias)) in panels.enumerate() {
        for (x, y) in x.chunks_exact(d_input).zip(y.chunks_exact_mut(d_output)) {
            let mut sums: [Lane; LANES] = std::array::from_fn(|lane| bias[lane]);
            for (&x, weights) in x.iter().zip(lanes.chunks_exact(LANES)) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    sum.0.iter_mut().zip(&weight.0).for_each(|(sum, &weight)| *sum += x * weight);
                }
            }
            store(&sums, then, panel, y);
        }
    }
}

/// Writes one panel's outputs of one row.
#[inline(always)]
fn store(sums: &[Lane; LANES], then: Epilogue, panel: usize, y: &mut [f32]) {
    let y = &mut y[panel * PANEL..];
    for (sum, y) in sums.iter().zip(y.chunks_mut(LANE)) {
        y.iter_mut().zip(&sum.0).for_each(|(y, &sum)| *y = if then == Epilogue::Relu { relu(sum) } else { sum });
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::ops::Range;

    use super::super::packed::{LANE, LANES, Lane, PANEL, PackedMatrix};
    use super::{Epilogue, store};

    /// Rows whose sums fit into registers beside a row of the panel: 6 · 4 + 4 of 32.
    const ROWS_512: usize = 6;

    #[target_feature(enable = "avx512f")]
    pub fn multiply_avx512(x: &[f32], matrix: &PackedMatrix, then: Epilogue, y: &mut [f32]) {
        let (d_input, d_output) = (matrix.d_input(), matrix.d_output());
        let panels = matrix.lanes().chunks_exact(d_input * LANES).zip(matrix.bias().chunks_exact(LANES));
        // While a panel is computed with, the next one is fetched, a part of it by each block. A single block has no time
        // for that: it waits for the memory anyhow.
        let share = match x.len().div_ceil(ROWS_512 * d_input) {
            0 | 1 => 0,
            blocks => LANES.div_ceil(blocks),
        };
        for (panel, (lanes, bias)) in panels.enumerate() {
            let outputs = panel * PANEL..d_output.min((panel + 1) * PANEL);
            let blocks = x.chunks(ROWS_512 * d_input).zip(y.chunks_mut(ROWS_512 * d_output));
            for (at, (x, y)) in blocks.enumerate() {
                let next = lanes.as_ptr().wrapping_add(lanes.len() + at * share * d_input);
                let ahead = if at * share < LANES { share } else { 0 };
                let block = Block { x, lanes, bias, then, outputs: outputs.clone(), next, ahead };
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

    /// A few rows, and the panel that they go through.
    struct Block<'a> {
        x: &'a [f32],
        lanes: &'a [Lane],
        bias: &'a [Lane],
        then: Epilogue,
        /// The panel's outputs in a row of `y`.
        outputs: Range<usize>,
        /// What will be read soon; it may lie behind the matrix.
        next: *const Lane,
        /// How many lanes of that to fetch with each input.
        ahead: usize,
    }

    #[target_feature(enable = "avx512f")]
    fn block_avx512<const ROWS: usize>(block: Block, y: &mut [f32]) {
        match block.ahead {
            0 => block_ahead_avx512::<ROWS, 0>(block, y),
            1 => block_ahead_avx512::<ROWS, 1>(block, y),
            _ => block_ahead_avx512::<ROWS, 2>(block, y),
        }
    }

    #[target_feature(enable = "avx512f")]
    fn block_ahead_avx512<const ROWS: usize, const AHEAD: usize>(block: Block, y: &mut [f32]) {
        let Block { x, lanes, bias, then, outputs, next, .. } = block;
        let d_input = lanes.len() / LANES;
        let d_output = y.len() / ROWS;
        assert!(x.len() == ROWS * d_input && bias.len() == LANES, "a block of {ROWS} rows");
        assert!(y.len() == ROWS * d_output && outputs.len() <= PANEL && outputs.end <= d_output, "outputs in a row");
        // SAFETY: all pointers stay inside their slices: `lanes` has `d_input * LANES` elements, `x` `ROWS * d_input`, a row
        // of `y` has all of `outputs`, and the mask of a lane covers those alone; a lane is exactly one aligned register of
        // 16 values. Fetching ahead reads nothing, wherever it points.
        unsafe {
            let start: [__m512; LANES] = std::array::from_fn(|lane| _mm512_load_ps(bias[lane].0.as_ptr()));
            let mut totals = [start; ROWS];
            let (x, lanes) = (x.as_ptr(), lanes.as_ptr());
            for input in 0..d_input {
                let weights: [__m512; LANES] =
                    std::array::from_fn(|lane| _mm512_load_ps(lanes.add(input * LANES + lane).cast::<f32>()));
                for lane in 0..AHEAD {
                    _mm_prefetch::<_MM_HINT_T1>(next.wrapping_add(input * AHEAD + lane).cast());
                }
                for (row, totals) in totals.iter_mut().enumerate() {
                    let x = _mm512_set1_ps(*x.add(row * d_input + input));
                    for (total, &weight) in totals.iter_mut().zip(&weights) {
                        *total = _mm512_fmadd_ps(x, weight, *total);
                    }
                }
            }
            let least = _mm512_set1_ps(if then == Epilogue::Relu { 0.0 } else { f32::NEG_INFINITY });
            for (row, totals) in totals.iter().enumerate() {
                let y = y.as_mut_ptr().add(row * d_output + outputs.start);
                for (lane, &total) in totals.iter().enumerate() {
                    let left = outputs.len().saturating_sub(lane * LANE).min(LANE);
                    let mask = ((1u32 << left) - 1) as __mmask16;
                    _mm512_mask_storeu_ps(y.wrapping_add(lane * LANE), mask, _mm512_max_ps(least, total));
                }
            }
        }
    }

    /// Rows whose sums of one lane fit into registers: 6 · 2 + 2 of 16.
    const ROWS_256: usize = 6;

    #[target_feature(enable = "avx2,fma")]
    pub fn multiply_avx2(x: &[f32], matrix: &PackedMatrix, then: Epilogue, y: &mut [f32]) {
        let (d_input, d_output) = (matrix.d_input(), matrix.d_output());
        let panels = matrix.lanes().chunks_exact(d_input * LANES).zip(matrix.bias().chunks_exact(LANES));
        for (panel, (lanes, bias)) in panels.enumerate() {
            let blocks = x.chunks(ROWS_256 * d_input).zip(y.chunks_mut(ROWS_256 * d_output));
            for (x, y) in blocks {
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
                y.chunks_exact_mut(d_output).zip(&sums).for_each(|(y, sums)| store(sums, then, panel, y));
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * step) % 23) as f32 / 8.0 - 1.25).collect()
    }

    type Way = fn(&[f32], &PackedMatrix, Epilogue, &mut [f32]);

    /// The products of all ways that this processor has, the portable one first.
    fn products(x: &[f32], matrix: &PackedMatrix, then: Epilogue) -> Vec<Vec<f32>> {
        let mut ways: Vec<Way> = vec![plainly, multiply];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has these instructions, as just asked.
            ways.push(|x, matrix, then, y| unsafe { x86::multiply_avx2(x, matrix, then, y) });
        }
        let rows = x.len() / matrix.d_input();
        let product = |way: Way| {
            let mut y = vec![f32::NAN; rows * matrix.d_output()];
            way(x, matrix, then, &mut y);
            y
        };
        ways.into_iter().map(product).collect()
    }

    #[test]
    fn a_product_is_the_sum_of_products() {
        for (rows, d_input, d_output) in [(1, 1, 1), (2, 3, 16), (7, 16, 64), (13, 33, 70), (5, 128, 130)] {
            let (x, weight) = (values(rows * d_input, 7), values(d_output * d_input, 5));
            let bias = values(d_output, 3);
            for (bias, then) in
                [(None, Epilogue::None), (Some(&bias[..]), Epilogue::None), (Some(&bias[..]), Epilogue::Relu)]
            {
                let matrix = PackedMatrix::new(&weight, bias, d_input);
                for y in products(&x, &matrix, then) {
                    for row in 0..rows {
                        for output in 0..d_output {
                            let terms = (0..d_input).map(|i| x[row * d_input + i] * weight[output * d_input + i]);
                            let sum = terms.sum::<f32>() + bias.map_or(0.0, |bias| bias[output]);
                            let expected = if then == Epilogue::Relu { sum.max(0.0) } else { sum };
                            let found = y[row * d_output + output];
                            assert!((found - expected).abs() < 1e-3, "{found}, not {expected}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_company_nor_on_the_width_of_registers() {
        let (x, weight) = (values(29 * 100, 11), values(80 * 100, 13));
        let matrix = PackedMatrix::new(&weight, None, 100);
        let together = &products(&x, &matrix, Epilogue::None)[1..];
        assert!(together.iter().all(|y| y == &together[0]));
        for (x, y) in x.chunks(100).zip(together[0].chunks(80)) {
            assert_eq!(products(x, &matrix, Epilogue::None)[1], y);
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        let matrix = PackedMatrix::new(&values(70 * 8, 5), None, 8);
        for y in products(&[f32::NAN; 7 * 8], &matrix, Epilogue::Relu) {
            assert!(y.iter().all(|y| y.is_nan()), "{y:?}");
        }
    }

    #[test]
    fn stacked_layers_follow_each_other_and_rows_come_back() {
        let (a, b) = (values(20 * 8, 3), values(70 * 8, 5));
        let bias = values(70, 2);
        let stacked = PackedMatrix::stacked(&[(&a, None), (&b, Some(&bias))], 8);
        let x = values(8, 9);
        let mut y = vec![0.0; 90];
        multiply(&x, &stacked, Epilogue::None, &mut y);
        let (mut first, mut second) = (vec![0.0; 20], vec![0.0; 70]);
        multiply(&x, &PackedMatrix::new(&a, None, 8), Epilogue::None, &mut first);
        multiply(&x, &PackedMatrix::new(&b, Some(&bias), 8), Epilogue::None, &mut second);
        assert_eq!(y, [first, second].concat());
        let mut row = vec![0.0; 8];
        stacked.row(20 + 66, 2.0, &mut row);
        assert_eq!(row, b[66 * 8..67 * 8].iter().map(|x| 2.0 * x).collect::<Vec<f32>>());
    }
}
