//! The connection around every sub-layer (paper, sections 3.1 and 5.4): dropout, add, norm.
//!
//! > "We employ a residual connection around each of the two sub-layers, followed by layer normalization."
//!
//! The order of norm and sub-layer is decided here and nowhere else.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use model::config::{ModelConfig, NormOrder};
//! use model::{Pass, residual::Residual};
//!
//! let device = Device::flex();
//! let x = || Tensor::<3>::from_floats([[[0.0, 2.0]]], &device);
//! let run = |norm| -> Vec<f32> {
//!     let config = ModelConfig { d_model: 2, n_heads: 1, norm, ..ModelConfig::default() };
//!     let residual = Residual::new(&config, &device);
//!     residual.forward(x(), &mut Pass::inference(), |x, _| x).into_data().iter().collect()
//! };
//! let close = |found: Vec<f32>, expected: [f32; 2]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4);
//! assert!(close(run(NormOrder::Post), [-1.0, 1.0])); // norm(x + x) = norm([0, 4])
//! assert!(close(run(NormOrder::Pre), [-1.0, 3.0])); // x + norm(x) = [0, 2] + [-1, 1]
//! ```

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use kernels::residual;

use crate::config::{ModelConfig, NormOrder};
use crate::forward_pass::Pass;
use crate::norm::Norm;

/// Post-norm `norm(x + dropout(sublayer(x)))`, or pre-norm `x + dropout(sublayer(norm(x)))`.
#[derive(Module, Debug)]
pub struct Residual {
    /// The norm after the sum (post-norm) or before the sub-layer (pre-norm).
    pub norm: Norm,
    #[module(skip)]
    order: NormOrder,
    dropout: f64,
}

impl Residual {
    /// A connection with the norm order, norm and dropout of the configuration.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        Self { norm: Norm::new(config, device), order: config.norm, dropout: config.dropout }
    }

    /// Applies `sublayer` inside the connection: `[batch, len, d_model]` to the same shape.
    pub fn forward<'a>(
        &self,
        x: Tensor<3>,
        pass: &mut Pass<'a>,
        sublayer: impl FnOnce(Tensor<3>, &mut Pass<'a>) -> Tensor<3>,
    ) -> Tensor<3> {
        match self.order {
            NormOrder::Post => {
                let change = sublayer(x.clone(), pass);
                self.norm.add_and_norm(x, change, pass.next_dropout(self.dropout))
            }
            NormOrder::Pre => {
                let change = sublayer(self.norm.forward(x.clone()), pass);
                residual::add(x, change, pass.next_dropout(self.dropout))
            }
        }
    }
}

/// The norm after a whole stack. Only pre-norm has one, since its last sum is not normalised otherwise.
pub(crate) fn final_norm(config: &ModelConfig, device: &Device) -> Option<Norm> {
    match config.norm {
        NormOrder::Post => None,
        NormOrder::Pre => Some(Norm::new(config, device)),
    }
}
