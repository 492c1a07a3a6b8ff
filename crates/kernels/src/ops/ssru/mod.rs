//! The recurrence of the simpler simple recurrent unit (Kim et al. 2019, "From Research to Production and Back"):
//!
//! ```text
//! f_t = σ(a_t)
//! c_t = f_t ⊙ c_{t−1} + (1 − f_t) ⊙ w_t
//! ```
//!
//! **Why fused:** composed of tensor operations, each step is six of them on a slice, and as many nodes of the graph. Here all
//! steps are one pass, and their derivative is another from the last step to the first.

#[cfg(feature = "flex")]
pub(crate) mod cpu;
mod portable;

use burn::tensor::Tensor;
pub use portable::portable;

#[cfg(feature = "flex")]
use crate::autodiff;

/// The states c of all steps, `[batch, len, width]`, from the gates before σ and the inputs w, both of that shape, and the
/// state before the first step, `[batch, 1, width]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::flex();
/// let gates = Tensor::<3>::zeros([1, 2, 1], &device); // σ(0) = ½
/// let inputs = Tensor::from_floats([[[4.0], [2.0]]], &device);
/// let states = kernels::ssru::states(gates, inputs, Tensor::zeros([1, 1, 1], &device));
/// assert_eq!(states.into_data().iter().collect::<Vec<f32>>(), [2.0, 2.0]);
/// ```
pub fn states(gates: Tensor<3>, inputs: Tensor<3>, state: Tensor<3>) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&gates) {
        return cpu::states(gates, inputs, state);
    }
    portable(gates, inputs, state)
}
