//! Positional encoding (paper, section 3.5).
//!
//! > "we must inject some information about the relative or absolute position of the tokens in the sequence."
//!
//! The paper's encoding is fixed: PE(pos, 2i) = sin(pos / 10000^(2i / d_model)), and the cosine at column 2i + 1.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use model::{ModelConfig, position::Positions};
//!
//! let config = ModelConfig { d_model: 2, n_heads: 1, max_length: 8, ..ModelConfig::default() };
//! let positions = Positions::new(&config, &Device::flex());
//! let x = Tensor::<3>::zeros([1, 2, 2], &Device::flex());
//! let encoded: Vec<f32> = positions.forward(x, 0).into_data().iter().collect();
//! assert_eq!(encoded[..2], [0.0, 1.0]); // position 0: sin 0, cos 0
//! assert!((encoded[2] - 1f32.sin()).abs() < 1e-6 && (encoded[3] - 1f32.cos()).abs() < 1e-6);
//! ```

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::{ModelConfig, PositionKind};

/// The encoding that is added to the embedding of each token.
#[derive(Module, Debug)]
pub struct Positions {
    /// One trained vector per position, `[max_length, d_model]`.
    pub table: Option<Param<Tensor<2>>>,
    /// The fixed sinusoids, `[max_length, d_model]`; computed, never saved.
    sinusoids: Option<Tensor<2>>,
}

impl Positions {
    /// Positions `0..max_length`; trained vectors are zeros before initialisation.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let (rows, width) = (config.max_length, config.d_model);
        let fixed = |layout| {
            let table = sinusoids(layout, config.position_offset, rows, width);
            let data = TensorData::new(table, [rows, width]);
            Self { table: None, sinusoids: Some(Tensor::from_data(data, &device.clone().without_autodiff())) }
        };
        match config.positions {
            PositionKind::Learned => {
                Self { table: Some(Initializer::Zeros.init([rows, width], device)), sinusoids: None }
            }
            PositionKind::Sinusoidal | PositionKind::SinusoidalRelative => fixed(SinusoidLayout::Interleaved),
            PositionKind::SinusoidalHalves => fixed(SinusoidLayout::Halves),
            PositionKind::SinusoidalFairseq => fixed(SinusoidLayout::Fairseq),
            PositionKind::Relative | PositionKind::RelativePerLayer => Self { table: None, sinusoids: None },
        }
    }

    /// Adds the encoding of positions `start..start + len` to `[batch, len, d_model]`; nothing for relative positions alone.
    ///
    /// # Panics
    /// If the last position exceeds `max_length`; callers check the length of their input first.
    pub fn forward(&self, x: Tensor<3>, start: usize) -> Tensor<3> {
        let [_, len, width] = x.dims();
        let table = match (&self.table, &self.sinusoids) {
            (Some(table), _) => table.val(),
            (None, Some(sinusoids)) => sinusoids.clone(),
            (None, None) => return x,
        };
        x + table.slice([start..start + len, 0..width]).unsqueeze()
    }
}

/// The order of the columns of sines and cosines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinusoidLayout {
    /// Pair i at columns 2i and 2i + 1: the paper.
    Interleaved,
    /// All sines, then all cosines: Marian.
    Halves,
    /// All sines, then all cosines, with exponents from 0 to 1 inclusive: fairseq.
    Fairseq,
}

/// Rows of sin(pos / 10000^(2i/d)) and cos(pos / 10000^(2i/d)), position `first` first, `[rows, width]` in row-major
/// order.
///
/// In fairseq's layout the exponent is i / (d/2 − 1), and frequencies and angles are float32, as in training there.
/// `width` is even, and at least 4 for fairseq's layout.
///
/// ```
/// use model::position::{SinusoidLayout, sinusoids};
/// let table = sinusoids(SinusoidLayout::Interleaved, 0, 2, 4);
/// assert_eq!(table[..4], [0.0, 1.0, 0.0, 1.0]); // position 0: sin 0, cos 0
/// assert!((table[4] - 1f32.sin()).abs() < 1e-7); // position 1, i = 0
/// assert!((table[6] - 0.01f32.sin()).abs() < 1e-7); // position 1, i = 1: 10000^(2/4) = 100
/// assert_eq!(sinusoids(SinusoidLayout::Halves, 0, 1, 4), [0.0, 0.0, 1.0, 1.0]);
/// ```
pub fn sinusoids(layout: SinusoidLayout, first: usize, rows: usize, width: usize) -> Vec<f32> {
    let half = width / 2;
    let wavelength = |i: usize| 10_000f64.powf(2.0 * i as f64 / width as f64);
    // fairseq: exp(−i · ln(10000) / (d/2 − 1)), each step rounded to float32.
    let step = -((10_000f64.ln() / (half as f64 - 1.0)) as f32);
    let frequency = |i: usize| f64::from(i as f32 * step).exp() as f32;
    let factors: Vec<f64> = match layout {
        SinusoidLayout::Interleaved | SinusoidLayout::Halves => (0..half).map(wavelength).collect(),
        SinusoidLayout::Fairseq => (0..half).map(|i| f64::from(frequency(i))).collect(),
    };
    let mut table = vec![0.0; rows * width];
    for (row, position) in table.chunks_mut(width).zip(first..) {
        for (i, factor) in factors.iter().enumerate() {
            let (sine, cosine, angle) = match layout {
                SinusoidLayout::Interleaved => (2 * i, 2 * i + 1, position as f64 / factor),
                SinusoidLayout::Halves => (i, half + i, position as f64 / factor),
                SinusoidLayout::Fairseq => (i, half + i, f64::from(position as f32 * *factor as f32)),
            };
            let (sin, cos) = angle.sin_cos();
            (row[sine], row[cosine]) = (sin as f32, cos as f32);
        }
    }
    table
}
