//! The simpler simple recurrent unit (Kim et al. 2019, "From Research to Production and Back"): a cell in place of the
//! decoder's self-attention.
//!
//! ```text
//! f_t = σ(W_f x_t + b_f)
//! c_t = f_t ⊙ c_{t−1} + (1 − f_t) ⊙ W x_t
//! h_t = max(0, c_t)
//! ```
//!
//! Its state is one vector, whatever the length of the target.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use model::{ModelConfig, ssru::Ssru};
//!
//! let device = Device::flex();
//! let cell = Ssru::new(&ModelConfig { d_model: 2, n_heads: 1, ..ModelConfig::default() }, &device); // all weights zero
//! let x = Tensor::<3>::from_floats([[[1.0, 3.0], [2.0, 2.0]]], &device);
//! let state = Tensor::<3>::from_floats([[[4.0, -4.0]]], &device);
//! let (hidden, state) = cell.forward(x, state);
//! let values = |tensor: Tensor<3>| tensor.into_data().iter().collect::<Vec<f32>>();
//! assert_eq!(values(hidden), [2.0, 0.0, 1.0, 0.0]); // f = ½ halves the state at each step
//! assert_eq!(values(state), [1.0, -1.0]);
//! ```

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, activation};
use kernels::ssru;

use crate::config::ModelConfig;
use crate::linear::{apply, linear};

/// A cell with a forget gate and no output gate.
#[derive(Module, Debug)]
pub struct Ssru {
    /// W, without a bias.
    pub input: Linear,
    /// W_f and b_f, the forget gate.
    pub forget: Linear,
}

impl Ssru {
    /// A cell with all weights zero.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let d_model = config.d_model;
        Self { input: linear(d_model, d_model, false, device), forget: linear(d_model, d_model, config.bias, device) }
    }

    /// The initial state of `batch` rows, `[batch, 1, d_model]`: zeros.
    pub fn initial_state(&self, batch: usize, device: &Device) -> Tensor<3> {
        let [d_model, _] = self.input.weight.dims();
        Tensor::zeros([batch, 1, d_model], device)
    }

    /// Reads `x`, `[batch, len, d_model]`, after the `state`, `[batch, 1, d_model]`. Returns the hidden states, of the
    /// shape of `x`, and the new state.
    pub fn forward(&self, x: Tensor<3>, state: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let [batch, len, d_model] = x.dims();
        let states = ssru::states(apply(&self.forget, x.clone()), apply(&self.input, x), state);
        let last = states.clone().slice([0..batch, len - 1..len, 0..d_model]);
        (activation::relu(states), last)
    }
}
