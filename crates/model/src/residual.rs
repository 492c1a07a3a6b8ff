//! The connection around every sub-layer (paper, sections 3.1 and 5.4): dropout, add, norm.
//!
//! The order of norm and sub-layer is decided here and nowhere else.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use kernels::residual;

use crate::config::{ModelConfig, NormOrder};
use crate::forward_pass::Pass;
use crate::norm::Norm;

/// Post-norm `norm(x + dropout(sublayer(x)))`, or pre-norm `x + dropout(sublayer(norm(x)))`.
#[derive(Module, Debug)]
pub struct Residual {
    pub norm: Norm,
    #[module(skip)]
    order: NormOrder,
    dropout: f64,
}

impl Residual {
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        Self { norm: Norm::new(config.norm_kind, config.d_model, device), order: config.norm, dropout: config.dropout }
    }

    /// `[batch, len, d_model]` to the same shape.
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

/// The norm after a whole stack, which only pre-norm needs: its last sum is not normalised otherwise.
pub(crate) fn final_norm(config: &ModelConfig, device: &Device) -> Option<Norm> {
    (config.norm == NormOrder::Pre).then(|| Norm::new(config.norm_kind, config.d_model, device))
}
