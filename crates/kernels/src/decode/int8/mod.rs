//! Products of 8-bit integers: weights with a scale per output, activations with a scale per token.
//!
//! y = (Σ x̂ ŵ) · (scale of the token · scale of the output) + bias, where x̂ and ŵ are integers within ±127 and the sum has
//! 32 bits. Every implementation computes the same integers, and the same float32 operations after them: results are
//! equal bit for bit on every processor.
//!
//! Instructions multiply integers without a sign by integers with one, so that activations are stored as x̂ + 128, and sums
//! start from −128 · Σ ŵ.
//!
//! | unit | instructions | products per instruction |
//! |---|---|---:|
//! | AMX | tiles of 16 tokens × 64 inputs by 64 inputs × 16 outputs; for few tokens the next | 16,384 |
//! | AVX-512 | VNNI, 16 outputs × 4 inputs | 64 |
//! | AVX-VNNI | the same in shorter vectors | 32 |
//! | AVX2 | widened to 16 bits, since sums of 8-bit products would saturate | 16 |
//! | none | a plain loop, the oracle of the tests | 1 |

#[cfg(all(target_arch = "x86_64", feature = "flex"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;
mod rows;

use std::ops::Range;
use std::sync::OnceLock;

pub use rows::Int8Rows;
pub(super) use rows::{DEPTH, Int8Activations};

use super::matmul::Epilogue;
use super::output::Output;
#[cfg(test)]
use super::packed::PANEL;
use super::packed::{LANE, LANES};
use super::weight_memory::WeightMemory;
use super::words::{WordPanels, in_lanes, place};
use crate::simd::relu;

/// Inputs of a word.
const WORD: usize = 4;
/// The sum of more products could exceed 32 bits: 2³¹ / (255 · 127).
const MAX_INPUT: usize = 66_000;

/// Weight and bias of a linear layer in 8-bit integers, packed for decoding.
#[derive(Clone, Debug)]
pub struct Int8Matrix {
    d_input: usize,
    /// Four inputs a word.
    words: WordPanels,
    /// −128 · Σ ŵ of each output, `[panel, LANES]`.
    starts: Vec<[i32; LANE]>,
    scales: Vec<[f32; LANE]>,
    bias: Vec<[f32; LANE]>,
}

impl Int8Matrix {
    /// Bytes in memory, those of padding included.
    pub(super) fn bytes(&self) -> usize {
        let tables = size_of_val(&self.starts[..]) + size_of_val(&self.scales[..]) + size_of_val(&self.bias[..]);
        self.words.bytes() + tables
    }

    /// Packs several layers over the same input as one; their outputs follow each other. A bias has one value an output.
    ///
    /// # Panics
    /// Rows that are not `d_input` wide, a bias of another length, or more than 66,000 inputs.
    pub fn stacked(layers: &[(&Int8Rows, Option<&[f32]>)], d_input: usize, memory: &mut WeightMemory) -> Self {
        assert!((1..=MAX_INPUT).contains(&d_input), "1 to {MAX_INPUT} inputs, not {d_input}");
        let d_output = layers.iter().map(|(rows, _)| rows.rows()).sum();
        let mut words = WordPanels::zeros(d_output, d_input.next_multiple_of(DEPTH) / WORD, memory);
        let (mut sums, mut scales) = (Vec::with_capacity(d_output), Vec::with_capacity(d_output));
        let mut all_bias = Vec::with_capacity(d_output);
        for (rows, bias) in layers {
            assert_eq!(rows.values.len(), rows.rows() * d_input, "rows of {d_input} weights");
            for row in rows.values.chunks_exact(d_input) {
                words.set(sums.len(), row.chunks(WORD).map(word));
                sums.push(-128 * row.iter().map(|&value| i32::from(value)).sum::<i32>());
            }
            scales.extend_from_slice(&rows.scales);
            match bias {
                Some(bias) => all_bias.extend_from_slice(bias),
                None => all_bias.resize(scales.len(), 0.0),
            }
            assert_eq!(all_bias.len(), scales.len(), "a bias has one value an output");
        }
        let [scales, bias] = [scales, all_bias].map(|values| in_lanes(values.into_iter()));
        Self { d_input, words, starts: in_lanes(sums.into_iter()), scales, bias }
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
        let (panel, lane, at) = place(output);
        let factor = factor * self.scales[panel * LANES + lane][at];
        for (row, word) in row.chunks_mut(WORD).zip(self.words.get(output)) {
            row.iter_mut().zip(word.to_le_bytes()).for_each(|(x, byte)| *x = factor * f32::from(byte as i8));
        }
    }

    /// A matrix of the given outputs alone, in this order.
    ///
    /// # Panics
    /// An output that the matrix does not have.
    pub fn select(&self, outputs: &[u32]) -> Self {
        fn of<T: Copy + Default>(lanes: &[[T; LANE]], outputs: &[u32]) -> Vec<[T; LANE]> {
            in_lanes(outputs.iter().map(|&output| lanes[output as usize / LANE][output as usize % LANE]))
        }
        Self {
            d_input: self.d_input,
            words: self.words.select(outputs),
            starts: of(&self.starts, outputs),
            scales: of(&self.scales, outputs),
            bias: of(&self.bias, outputs),
        }
    }
}

fn word(inputs: &[i8]) -> u32 {
    let mut bytes = [0; WORD];
    bytes.iter_mut().zip(inputs).for_each(|(byte, &input)| *byte = input as u8);
    u32::from_le_bytes(bytes)
}

/// A unit of the processor that multiplies integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Matrix registers of Intel's server processors since 2023.
    Amx,
    /// AVX-512 with VNNI.
    Avx512,
    /// AVX2 with VNNI.
    AvxVnni,
    /// AVX2.
    Avx2,
    /// Plain loops.
    Portable,
}

impl Unit {
    /// All units, fastest first.
    pub const ALL: [Self; 5] = [Self::Amx, Self::Avx512, Self::AvxVnni, Self::Avx2, Self::Portable];

    /// The fastest unit of this processor.
    pub fn best() -> Self {
        static BEST: OnceLock<Unit> = OnceLock::new();
        *BEST.get_or_init(|| Self::ALL.into_iter().find(|unit| unit.available()).unwrap_or(Self::Portable))
    }

    /// Whether this processor has the unit.
    pub fn available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            #[cfg(feature = "flex")]
            Self::Amx => amx::available() && Self::Avx512.available(),
            #[cfg(not(feature = "flex"))]
            Self::Amx => false,
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vnni")
            }
            Self::AvxVnni => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni"),
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            Self::Portable => true,
        };
        #[cfg(not(target_arch = "x86_64"))]
        return self == Self::Portable;
    }

    /// The name in reports, such as `AVX-512 VNNI`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amx => "AMX",
            Self::Avx512 => "AVX-512 VNNI",
            Self::AvxVnni => "AVX-VNNI",
            Self::Avx2 => "AVX2",
            Self::Portable => "no vectors",
        }
    }
}

/// Computes the given panels of `y = x · matrixᵀ + bias` on a unit.
///
/// # Safety
/// The processor has the unit, and no other thread computes these panels.
pub(super) unsafe fn multiply(
    unit: Unit,
    x: &Int8Activations,
    matrix: &Int8Matrix,
    epilogue: Epilogue,
    panels: Range<usize>,
    y: Output,
) {
    assert_eq!(x.width(), matrix.words.groups() * WORD, "activations as wide as the matrix");
    // SAFETY: as the caller guarantees.
    unsafe {
        match unit {
            #[cfg(all(target_arch = "x86_64", feature = "flex"))]
            Unit::Amx if x.rows() > amx::FEW => amx::multiply(x, matrix, epilogue, panels, y),
            #[cfg(target_arch = "x86_64")]
            Unit::Amx | Unit::Avx512 => avx512::multiply(x, matrix, epilogue, panels, y),
            #[cfg(target_arch = "x86_64")]
            Unit::AvxVnni => avx_vnni::multiply(x, matrix, epilogue, panels, y),
            #[cfg(target_arch = "x86_64")]
            Unit::Avx2 => avx2::multiply(x, matrix, epilogue, panels, y),
            #[cfg(not(target_arch = "x86_64"))]
            Unit::Amx | Unit::Avx512 | Unit::AvxVnni | Unit::Avx2 => plainly(x, matrix, epilogue, panels, y),
            Unit::Portable => plainly(x, matrix, epilogue, panels, y),
        }
    }
}

/// The product without vector instructions.
///
/// # Safety
/// No other thread computes these panels.
unsafe fn plainly(x: &Int8Activations, matrix: &Int8Matrix, epilogue: Epilogue, panels: Range<usize>, y: Output) {
    for panel in panels {
        let lanes = matrix.words.panel(panel);
        for (row, (values, &scale)) in x.values().chunks_exact(x.width()).zip(x.scales()).enumerate() {
            let mut sums = [[0i32; LANE]; LANES];
            for (inputs, lanes) in values.chunks_exact(WORD).zip(lanes.chunks_exact(LANES)) {
                for (sums, words) in sums.iter_mut().zip(lanes) {
                    for (sum, word) in sums.iter_mut().zip(words.0) {
                        let products = inputs.iter().zip(word.to_le_bytes());
                        *sum += products.map(|(&x, weight)| i32::from(x) * i32::from(weight as i8)).sum::<i32>();
                    }
                }
            }
            // SAFETY: as the caller guarantees.
            let y = unsafe { y.panel(row, panel) };
            for (lane, sums) in sums.iter().enumerate() {
                finish(sums, scale, matrix, epilogue, (panel, lane), y);
            }
        }
    }
}

/// Writes the outputs of one lane of a panel from their sums over stored activations.
#[inline(always)]
fn finish(
    sums: &[i32; LANE],
    scale: f32,
    matrix: &Int8Matrix,
    epilogue: Epilogue,
    (panel, lane): (usize, usize),
    y: &mut [f32],
) {
    let at = panel * LANES + lane;
    let (starts, scales, bias) = (&matrix.starts[at], &matrix.scales[at], &matrix.bias[at]);
    for (i, y) in y.iter_mut().skip(lane * LANE).take(LANE).enumerate() {
        let sum = sums[i].wrapping_add(starts[i]) as f32;
        let value = sum * (scale * scales[i]) + bias[i];
        *y = if epilogue == Epilogue::Relu { relu(value) } else { value };
    }
}

#[cfg(test)]
mod tests;
