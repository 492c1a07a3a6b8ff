//! Quantised rows: weights by output, activations by token.

use crate::simd::vectorised;

/// The largest magnitude of a quantised value; −128 is not used, so that the range is symmetric.
const LARGEST: f32 = 127.0;
/// Adding it leaves no bits for a fraction, rounding half to even: 1.5 · 2²³.
const ROUND: f32 = 12_582_912.0;
/// Inputs are padded to a multiple of this, the depth of a matrix register.
pub(in crate::decode) const DEPTH: usize = 64;
/// Rows are padded to a multiple of this, the height of a matrix register.
const HEIGHT: usize = 16;

/// The rows of a weight matrix, `[rows, width]`, as integers of 8 bits with a scale per row.
///
/// A weight is `scale · integer`. For a float32 row, the scale is its largest magnitude divided by 127, and an integer the
/// quotient of weight and scale, rounded half to even.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Rows {
    /// Row after row.
    pub values: Vec<i8>,
    /// The scale of each row.
    pub scales: Vec<f32>,
}

impl Int8Rows {
    /// Quantises rows of `width` values. A row with NaN or an infinite value gets a scale that is not finite.
    ///
    /// # Panics
    /// Values that are not rows of `width`.
    pub fn quantise(weights: &[f32], width: usize) -> Self {
        assert!(width > 0 && weights.len().is_multiple_of(width), "rows of {width} weights");
        let mut values = vec![0; weights.len()];
        let mut scales = vec![0.0; weights.len() / width];
        let rows = weights.chunks_exact(width).zip(values.chunks_exact_mut(width)).zip(&mut scales);
        for ((row, values), scale) in rows {
            *scale = vectorised!({
                let scale = largest_magnitude(row) / LARGEST;
                let divisor = if scale > 0.0 { scale } else { 1.0 };
                for (value, &weight) in values.iter_mut().zip(row) {
                    *value = rounded((weight / divisor).clamp(-LARGEST, LARGEST)) as i8;
                }
                scale
            });
        }
        Self { values, scales }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// The weights in float32, `[rows, width]`.
    pub fn dequantised(&self) -> Vec<f32> {
        let width = self.values.len() / self.rows().max(1);
        let rows = self.values.chunks_exact(width.max(1)).zip(&self.scales);
        rows.flat_map(|(row, &scale)| row.iter().map(move |&value| scale * f32::from(value))).collect()
    }
}

/// Quantised activations: 128 is added to each integer, so that it has no sign.
#[derive(Debug, Default)]
pub(in crate::decode) struct Int8Activations {
    /// `[rows, width]`, both padded; the padding is arbitrary.
    values: Vec<u8>,
    /// The scale of each row.
    scales: Vec<f32>,
    width: usize,
}

impl Int8Activations {
    /// Quantises rows of `d_input` values, each with its own scale.
    pub fn quantise(&mut self, x: &[f32], d_input: usize) {
        let rows = x.len() / d_input;
        self.width = d_input.next_multiple_of(DEPTH);
        self.values.resize(rows.next_multiple_of(HEIGHT) * self.width, 0);
        self.scales.resize(rows, 0.0);
        let outputs = self.values.chunks_exact_mut(self.width).zip(&mut self.scales);
        for (row, (values, scale)) in x.chunks_exact(d_input).zip(outputs) {
            *scale = vectorised!({
                let peak = largest_magnitude(row);
                let factor = LARGEST / peak;
                let factor = if factor < f32::INFINITY { factor } else { 0.0 };
                for (value, &x) in values.iter_mut().zip(row) {
                    *value = (rounded(x * factor) as u8) ^ 0x80;
                }
                if factor == 0.0 && peak < 1.0 { 0.0 } else { peak / LARGEST }
            });
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// Values per row, padding included.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, `[rows, width]`, both padded.
    pub fn values(&self) -> &[u8] {
        &self.values
    }

    /// The scale of each row.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }
}

/// The nearest integer of a number within ±2²², ties to even, in the lowest bits.
#[inline(always)]
fn rounded(x: f32) -> u32 {
    (x + ROUND).to_bits()
}

/// The largest magnitude of a row; NaN if it has one. Magnitudes are compared as integers: their bits have the same order, and
/// those of NaN are the largest.
#[inline(always)]
fn largest_magnitude(row: &[f32]) -> f32 {
    f32::from_bits(row.iter().fold(0, |largest, x| largest.max(x.abs().to_bits())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_round_half_to_even_by_row() {
        let rows = Int8Rows::quantise(&[127.0, 0.5, 1.5, -2.5, 0.0, 0.0, 0.0, 0.0, -1.0, 0.25, 1.0, 0.0], 4);
        assert_eq!(rows.values, [127, 0, 2, -2, 0, 0, 0, 0, -127, 32, 127, 0]);
        assert_eq!(rows.scales, [1.0, 0.0, 1.0 / 127.0]);
        assert_eq!(rows.dequantised()[..5], [127.0, 0.0, 2.0, -2.0, 0.0]);
        let twice = Int8Rows::quantise(&rows.dequantised(), 4);
        assert_eq!(twice.values, rows.values, "quantising twice changes nothing");
    }

    #[test]
    fn activations_have_a_scale_per_row() {
        let mut rows = Int8Activations::default();
        rows.quantise(&[254.0, 1.0, -254.0, 3.0, 0.0, 0.0, 0.0, 0.0], 4);
        assert_eq!((rows.rows(), rows.width()), (2, 64));
        assert_eq!(rows.values()[..4], [255, 128, 1, 130], "0.5 and 1.5, half to even");
        assert_eq!(rows.values()[64..68], [128; 4]);
        assert_eq!(rows.scales(), [2.0, 0.0]);
        rows.quantise(&[1e-44, 0.0], 2);
        assert_eq!((rows.values()[0], rows.scales()[0]), (128, 0.0), "too small to divide by");
    }

    #[test]
    fn nan_and_infinity_reach_the_scale() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut rows = Int8Activations::default();
            let row: Vec<f32> = (0..70).map(|i| if i == 40 { wrong } else { i as f32 }).collect();
            rows.quantise(&row, 70);
            assert!(!rows.scales()[0].is_finite(), "{wrong}");
            assert!(!Int8Rows::quantise(&row, 70).scales[0].is_finite(), "{wrong}");
        }
    }
}
