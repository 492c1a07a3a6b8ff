//! Products of weights and activations rounded to bfloat16, with sums in float32.
//!
//! AVX-512's bfloat16 instructions add two products to each sum at a time; every processor that has them computes the same
//! bits, for any number of rows. Processors without them are slower than in float32 and are not supported.

#[cfg(target_arch = "x86_64")]
mod avx512;

use std::ops::Range;

use super::matmul::Epilogue;
use super::output::Output;
use super::packed::LANE;
#[cfg(any(test, not(target_arch = "x86_64")))]
use super::packed::LANES;
use super::weight_memory::WeightMemory;
use super::words::{WordPanels, in_lanes, place};
use crate::simd::vectorised;

/// Inputs of a word.
const WORD: usize = 2;

/// Weight and bias of a linear layer, the weight in bfloat16, packed for decoding.
#[derive(Clone, Debug)]
pub struct Bfloat16Matrix {
    d_input: usize,
    /// Two inputs a word.
    words: WordPanels,
    /// `[panel, LANES]`.
    bias: Vec<[f32; LANE]>,
}

/// Whether this processor multiplies bfloat16.
pub fn available() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

impl Bfloat16Matrix {
    /// Bytes in memory, those of padding included.
    pub(super) fn bytes(&self) -> usize {
        self.words.bytes() + size_of_val(&self.bias[..])
    }

    /// Rounds and packs several layers over the same input as one; their outputs follow each other. A weight is
    /// `[d_output, d_input]`, a bias has one value an output.
    ///
    /// # Panics
    /// Slices that are not of these shapes.
    pub fn stacked(layers: &[(&[f32], Option<&[f32]>)], d_input: usize, memory: &mut WeightMemory) -> Self {
        assert!(d_input > 0, "at least one input");
        let d_output = layers.iter().map(|(weight, _)| weight.len() / d_input).sum();
        let mut words = WordPanels::zeros(d_output, d_input.div_ceil(WORD), memory);
        let (mut output, mut all_bias) = (0, Vec::with_capacity(d_output));
        for (weight, bias) in layers {
            assert!(weight.len().is_multiple_of(d_input), "rows of {d_input} weights");
            for row in weight.chunks_exact(d_input) {
                words.set(output, row.chunks(WORD).map(word));
                output += 1;
            }
            match bias {
                Some(bias) => all_bias.extend_from_slice(bias),
                None => all_bias.resize(output, 0.0),
            }
            assert_eq!(all_bias.len(), output, "a bias has one value an output");
        }
        Self { d_input, words, bias: in_lanes(all_bias.into_iter()) }
    }

    /// Width of the inputs.
    pub fn d_input(&self) -> usize {
        self.d_input
    }

    /// Width of the outputs, of all stacked layers.
    pub fn d_output(&self) -> usize {
        self.words.d_output()
    }

    /// One output's weights times `factor`: the embedding of a token, where the matrix is also an output projection.
    ///
    /// # Panics
    /// An output that the matrix does not have, or a row of another length than `d_input`.
    pub fn row(&self, output: usize, factor: f32, row: &mut [f32]) {
        assert_eq!(row.len(), self.d_input, "a row of {} values", self.d_input);
        for (row, word) in row.chunks_mut(WORD).zip(self.words.get(output)) {
            row.iter_mut().zip(values(word)).for_each(|(x, value)| *x = factor * value);
        }
    }

    /// A matrix of the given outputs alone, in this order.
    ///
    /// # Panics
    /// An output that the matrix does not have.
    pub fn select(&self, outputs: &[u32]) -> Self {
        let bias = outputs.iter().map(|&output| {
            let (panel, lane, at) = place(output as usize);
            self.bias[panel * super::packed::LANES + lane][at]
        });
        Self { d_input: self.d_input, words: self.words.select(outputs), bias: in_lanes(bias) }
    }
}

/// Rounded activations, two inputs a word.
#[derive(Debug, Default)]
pub(super) struct Bfloat16Activations {
    /// `[rows, groups]`.
    words: Vec<u32>,
    groups: usize,
}

impl Bfloat16Activations {
    /// Rounds rows of `d_input` values.
    pub fn round(&mut self, x: &[f32], d_input: usize) {
        self.groups = d_input.div_ceil(WORD);
        self.words.resize(x.len() / d_input * self.groups, 0);
        for (words, row) in self.words.chunks_exact_mut(self.groups).zip(x.chunks_exact(d_input)) {
            vectorised!({
                let pairs = row.chunks_exact(WORD);
                let rest = pairs.remainder();
                words.iter_mut().zip(pairs).for_each(|(target, pair)| *target = word(pair));
                if let ([_], Some(last)) = (rest, words.last_mut()) {
                    *last = word(rest);
                }
            });
        }
    }

    pub fn rows(&self) -> usize {
        self.words.len() / self.groups.max(1)
    }
}

/// Computes the given panels of `y = x · matrixᵀ + bias`.
///
/// # Safety
/// The processor multiplies bfloat16, and no other thread computes these panels.
pub(super) unsafe fn multiply(
    x: &Bfloat16Activations,
    matrix: &Bfloat16Matrix,
    epilogue: Epilogue,
    panels: Range<usize>,
    y: Output,
) {
    assert_eq!(x.groups, matrix.words.groups(), "activations as wide as the matrix");
    // SAFETY: as the caller guarantees.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        avx512::multiply(x, matrix, epilogue, panels, y);
        #[cfg(not(target_arch = "x86_64"))]
        plainly(x, matrix, epilogue, panels, y);
    }
}

/// The product without vector instructions, up to the order of sums.
///
/// # Safety
/// No other thread computes these panels.
#[cfg(any(test, not(target_arch = "x86_64")))]
unsafe fn plainly(
    x: &Bfloat16Activations,
    matrix: &Bfloat16Matrix,
    epilogue: Epilogue,
    panels: Range<usize>,
    y: Output,
) {
    for panel in panels {
        for (row, inputs) in x.words.chunks_exact(x.groups).enumerate() {
            // SAFETY: as the caller guarantees.
            let y = unsafe { y.panel(row, panel) };
            for (output, y) in y.iter_mut().enumerate() {
                let (lane, at) = (output / LANE, output % LANE);
                let mut sum = matrix.bias[panel * LANES + lane][at];
                for (&input, weights) in inputs.iter().zip(matrix.words.panel(panel).chunks_exact(LANES)) {
                    let products = values(input).into_iter().zip(values(weights[lane].0[at]));
                    products.for_each(|(x, weight)| sum += x * weight);
                }
                *y = if epilogue == Epilogue::Relu { crate::simd::relu(sum) } else { sum };
            }
        }
    }
}

/// One or two values rounded to bfloat16, the first in the lower half.
#[inline(always)]
fn word(inputs: &[f32]) -> u32 {
    let low = inputs.first().map_or(0, |&x| round(x));
    low | inputs.get(1).map_or(0, |&x| round(x)) << 16
}

/// The nearest bfloat16, ties to even; NaN stays NaN.
#[inline(always)]
fn round(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    if x.is_nan() { bits >> 16 | 0x40 } else { rounded }
}

/// The two values of a word.
fn values(word: u32) -> [f32; 2] {
    [f32::from_bits(word << 16), f32::from_bits(word & 0xffff_0000)]
}

#[cfg(test)]
mod tests {
    use super::super::packed::PANEL;
    use super::*;

    fn numbers(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * step) % 1009) as f32 / 500.0 - 1.0).collect()
    }

    #[test]
    fn rounding_is_to_even() {
        for (x, expected) in [(1.0, 1.0), (1.003_906_2, 1.0), (1.011_718_8, 1.015_625), (-3.0, -3.0), (0.0, 0.0)] {
            assert_eq!(values(word(&[x, 2.0])), [expected, 2.0], "{x}");
        }
        assert!(values(word(&[f32::NAN]))[0].is_nan());
    }

    #[test]
    fn products_are_sums_of_rounded_products() {
        if !available() {
            return; // another processor runs this
        }
        for (rows, d_input, d_output) in [(1, 1, 1), (2, 3, 16), (7, 64, 65), (13, 33, 200), (6, 512, 64)] {
            let (x, weight) = (numbers(rows * d_input, 7), numbers(d_output * d_input, 11));
            let bias = numbers(d_output, 3);
            let matrix = Bfloat16Matrix::stacked(&[(&weight, Some(&bias))], d_input, &mut WeightMemory::separate());
            let mut inputs = Bfloat16Activations::default();
            inputs.round(&x, d_input);
            let panels = d_output.div_ceil(PANEL);
            for epilogue in [Epilogue::None, Epilogue::Relu] {
                let [mut found, mut expected] = [(); 2].map(|()| vec![f32::NAN; rows * d_output]);
                // SAFETY: the processor has the instructions, and there is one thread.
                unsafe {
                    multiply(&inputs, &matrix, epilogue, 0..panels, Output::new(&mut found, d_output));
                    plainly(&inputs, &matrix, epilogue, 0..panels, Output::new(&mut expected, d_output));
                }
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-4 * d_input as f32, "{found}, not {expected}");
                }
                let mut alone = Bfloat16Activations::default();
                for (x, together) in x.chunks(d_input).zip(found.chunks(d_output)) {
                    alone.round(x, d_input);
                    let mut y = vec![f32::NAN; d_output];
                    // SAFETY: as above.
                    unsafe { multiply(&alone, &matrix, epilogue, 0..panels, Output::new(&mut y, d_output)) };
                    assert_eq!(y, together, "a row does not depend on the others");
                }
            }
            let mut row = vec![0.0; d_input];
            matrix.row(d_output - 1, 1.0, &mut row);
            let last = &weight[(d_output - 1) * d_input..];
            row.iter().zip(last).for_each(|(found, w)| assert!((found - w).abs() <= w.abs() / 256.0));
        }
    }
}
