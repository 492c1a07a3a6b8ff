//! Rows times a packed matrix.
//!
//! A few rows at a time are multiplied with each panel of 64 outputs, with their sums in registers. The panel is read from
//! memory for the first rows and from the cache for the others. Each sum runs over the inputs in order, for any number of
//! rows and any register width: every x86 processor with fused multiply-add gives the same bits.

#[cfg(target_arch = "x86_64")]
mod x86;

use std::ops::Range;

use super::output::Output;
use super::packed::{LANE, LANES, Lane, PANEL, PackedMatrix};
use crate::simd::relu;

pub use crate::linear::Epilogue;

/// `y = x · matrixᵀ + bias`, for `x` of `[rows, d_input]` and `y` of `[rows, d_output]`.
///
/// # Panics
/// Slices that are not of these shapes.
pub fn multiply(x: &[f32], matrix: &PackedMatrix, epilogue: Epilogue, y: &mut [f32]) {
    let (d_input, d_output) = (matrix.d_input(), matrix.d_output());
    assert!(x.len().is_multiple_of(d_input), "rows of {d_input} inputs");
    assert_eq!(x.len() / d_input * d_output, y.len(), "rows of {d_output} outputs, as many as of inputs");
    // SAFETY: one thread computes all panels.
    unsafe { multiply_panels(x, matrix, epilogue, 0..d_output.div_ceil(PANEL), Output::new(y, d_output)) };
}

/// Computes the given panels of [`multiply`].
///
/// # Safety
/// No other thread computes these panels.
pub(super) unsafe fn multiply_panels(
    x: &[f32],
    matrix: &PackedMatrix,
    epilogue: Epilogue,
    panels: Range<usize>,
    y: Output,
) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has these instructions, as just detected; the panels as the caller guarantees.
            return unsafe { x86::multiply_avx512(x, matrix, epilogue, panels, y) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { x86::multiply_avx2(x, matrix, epilogue, panels, y) };
        }
    }
    // SAFETY: as the caller guarantees.
    unsafe { plainly(x, matrix, epilogue, panels, y) };
}

/// Rows whose sums fit into AVX-512's registers together with a row of the panel: 6 · 4 + 4 of 32, and an input.
#[cfg(target_arch = "x86_64")]
pub(super) const ROWS_512: usize = 6;

/// What each block of rows prefetches with every input.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Prefetch {
    blocks: usize,
}

#[cfg(target_arch = "x86_64")]
impl Prefetch {
    /// Inputs between a prefetch and its use.
    const DISTANCE: usize = 16;

    pub(super) fn new(rows: usize) -> Self {
        Self { blocks: rows.div_ceil(ROWS_512) }
    }

    /// The first lane that a block prefetches, counted from the first of its panel, and the number of lanes with every input. A
    /// single block prefetches its own panel, several blocks share the next one. The lanes may lie behind the matrix. A part of
    /// a panel may take the place of the panel.
    pub(super) fn of(self, block: usize, panel: usize) -> (usize, usize) {
        if self.blocks == 1 {
            return (Self::DISTANCE * LANES, LANES);
        }
        let share = LANES.div_ceil(self.blocks);
        let ahead = if block * share < LANES { share } else { 0 };
        (panel + block * share * panel / LANES, ahead)
    }
}

/// The product without vector instructions.
///
/// # Safety
/// No other thread computes these panels.
unsafe fn plainly(x: &[f32], matrix: &PackedMatrix, epilogue: Epilogue, panels: Range<usize>, y: Output) {
    for panel in panels {
        let (lanes, bias) = matrix.panel(panel);
        for (row, x) in x.chunks_exact(matrix.d_input()).enumerate() {
            let mut sums: [Lane; LANES] = std::array::from_fn(|lane| bias[lane]);
            for (&x, weights) in x.iter().zip(lanes.chunks_exact(LANES)) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    sum.0.iter_mut().zip(&weight.0).for_each(|(sum, &weight)| *sum += x * weight);
                }
            }
            // SAFETY: as the caller guarantees.
            store(&sums, epilogue, unsafe { y.panel(row, panel) });
        }
    }
}

/// Writes one panel's outputs of one row.
#[inline(always)]
fn store(sums: &[Lane; LANES], epilogue: Epilogue, y: &mut [f32]) {
    for (sum, y) in sums.iter().zip(y.chunks_mut(LANE)) {
        y.iter_mut().zip(&sum.0).for_each(|(y, &sum)| *y = if epilogue == Epilogue::Relu { relu(sum) } else { sum });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * step) % 23) as f32 / 8.0 - 1.25).collect()
    }

    type Multiply = unsafe fn(&[f32], &PackedMatrix, Epilogue, Range<usize>, Output);

    /// The products by every implementation for this processor, the portable one first.
    fn products(x: &[f32], matrix: &PackedMatrix, epilogue: Epilogue) -> Vec<Vec<f32>> {
        let mut implementations: Vec<Multiply> = vec![plainly, multiply_panels];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            implementations.push(|x, matrix, epilogue, panels, y| {
                // SAFETY: the processor has these instructions, as just detected.
                unsafe { x86::multiply_avx2(x, matrix, epilogue, panels, y) }
            });
        }
        let (rows, d_output) = (x.len() / matrix.d_input(), matrix.d_output());
        let product = |multiply: Multiply| {
            let mut y = vec![f32::NAN; rows * d_output];
            let panels = 0..d_output.div_ceil(PANEL);
            // SAFETY: there is one thread.
            unsafe { multiply(x, matrix, epilogue, panels, Output::new(&mut y, d_output)) };
            y
        };
        implementations.into_iter().map(product).collect()
    }

    #[test]
    fn a_product_is_the_sum_of_products() {
        let shapes = [(1, 1, 1), (2, 3, 16), (7, 16, 64), (13, 33, 70), (5, 128, 130), (67, 130, 70)];
        for (rows, d_input, d_output) in shapes {
            let (x, weight) = (values(rows * d_input, 7), values(d_output * d_input, 5));
            let bias = values(d_output, 3);
            for (bias, epilogue) in
                [(None, Epilogue::None), (Some(&bias[..]), Epilogue::None), (Some(&bias[..]), Epilogue::Relu)]
            {
                let matrix = PackedMatrix::new(&weight, bias, d_input);
                for y in products(&x, &matrix, epilogue) {
                    for row in 0..rows {
                        for output in 0..d_output {
                            let terms = (0..d_input).map(|i| x[row * d_input + i] * weight[output * d_input + i]);
                            let sum = terms.sum::<f32>() + bias.map_or(0.0, |bias| bias[output]);
                            let expected = if epilogue == Epilogue::Relu { sum.max(0.0) } else { sum };
                            let found = y[row * d_output + output];
                            assert!((found - expected).abs() < 1e-3, "{found}, not {expected}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rows_are_independent_of_other_rows_and_registers() {
        let (x, weight) = (values(69 * 100, 11), values(80 * 100, 13));
        let matrix = PackedMatrix::new(&weight, None, 100);
        let together = &products(&x, &matrix, Epilogue::None)[1..];
        assert!(together.iter().all(|y| y == &together[0]));
        for (x, y) in x.chunks(100).zip(together[0].chunks(80)) {
            assert_eq!(products(x, &matrix, Epilogue::None)[1], y);
        }
    }

    #[test]
    fn nan_stays_nan() {
        let matrix = PackedMatrix::new(&values(70 * 8, 5), None, 8);
        for y in products(&[f32::NAN; 7 * 8], &matrix, Epilogue::Relu) {
            assert!(y.iter().all(|y| y.is_nan()), "{y:?}");
        }
    }

    #[test]
    fn stacked_layers_and_their_rows() {
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
