//! Positional encoding (paper, section 3.5).

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::{ModelConfig, PositionKind};

/// Adds to each token's vector one that tells its position.
#[derive(Module, Debug)]
pub struct Positions {
    /// One trained vector per position, `[max_length, d_model]`.
    pub table: Option<Param<Tensor<2>>>,
    /// The fixed sinusoids, `[max_length, d_model]`; computed, never saved.
    sinusoids: Option<Tensor<2>>,
}

impl Positions {
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let (rows, width) = (config.max_length, config.d_model);
        let fixed = |kind| {
            let data = TensorData::new(sinusoids(kind, rows, width), [rows, width]);
            Some(Tensor::from_data(data, &device.clone().without_autodiff()))
        };
        match config.positions {
            PositionKind::Learned => {
                Self { table: Some(Initializer::Zeros.init([rows, width], device)), sinusoids: None }
            }
            kind => Self { table: None, sinusoids: fixed(kind) },
        }
    }

    /// Adds the encoding of positions `start..start + len` to `[batch, len, d_model]`.
    ///
    /// # Panics
    /// When the last position exceeds `max_length`; callers check their input's length first.
    pub fn forward(&self, x: Tensor<3>, start: usize) -> Tensor<3> {
        let [_, len, width] = x.dims();
        let table = match (&self.table, &self.sinusoids) {
            (Some(table), _) => table.val(),
            (None, Some(sinusoids)) => sinusoids.clone(),
            (None, None) => unreachable!("positions are either learned or fixed"),
        };
        x + table.slice([start..start + len, 0..width]).unsqueeze()
    }
}

/// Rows of sin(pos / 10000^(2i/d)) and cos(pos / 10000^(2i/d)), position 0 first.
///
/// Interleaved as in the paper (pair i at columns 2i and 2i + 1), or in halves as in Marian (sines first). `width` is even.
///
/// ```
/// use model::{config::PositionKind, position::sinusoids};
/// let table = sinusoids(PositionKind::Sinusoidal, 2, 4);
/// assert_eq!(table[..4], [0.0, 1.0, 0.0, 1.0]); // position 0: sin 0, cos 0
/// assert!((table[4] - 1f32.sin()).abs() < 1e-7); // position 1, i = 0
/// assert!((table[6] - 0.01f32.sin()).abs() < 1e-7); // position 1, i = 1: 10000^(2/4) = 100
/// ```
pub fn sinusoids(kind: PositionKind, rows: usize, width: usize) -> Vec<f32> {
    let wavelengths: Vec<f64> = (0..width / 2).map(|i| 10_000f64.powf(2.0 * i as f64 / width as f64)).collect();
    let mut table = vec![0.0; rows * width];
    for (position, row) in table.chunks_mut(width).enumerate() {
        for (i, wavelength) in wavelengths.iter().enumerate() {
            let (sine, cosine) = match kind {
                PositionKind::SinusoidalHalves => (i, width / 2 + i),
                _ => (2 * i, 2 * i + 1),
            };
            let (sin, cos) = (position as f64 / wavelength).sin_cos();
            (row[sine], row[cosine]) = (sin as f32, cos as f32);
        }
    }
    table
}
