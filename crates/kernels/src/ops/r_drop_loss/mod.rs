//! Output projection and cross-entropy of two passes over one batch, with a penalty on their divergence: R-Drop
//! (Liang et al. 2021, "Regularized Dropout for Neural Networks").
//!
//! With a and b the distributions that two draws of dropout predict at one position, and the paper's weight α:
//!
//! ```text
//! ½ (cross-entropy(a) + cross-entropy(b)) + α/4 · (KL(a‖b) + KL(b‖a))
//! ```
//!
//! This is half of the paper's objective, so that α = 0 is the ordinary loss, averaged over both passes.
//!
//! **Why fused:** for the reasons of [`projection_loss`](crate::projection_loss), twice.

#[cfg(feature = "flex")]
pub(crate) mod cpu;
#[cfg(feature = "cube")]
mod gpu;
mod portable;

pub use portable::portable;

#[cfg(feature = "flex")]
use crate::autodiff;
use crate::projection_loss::{LossSums, Projection, Targets};

/// The R-Drop loss of a projection. Its `hidden` states are `[2 * rows, d_model]`, one pass after the other, for `rows`
/// targets.
pub fn r_drop_loss(projection: Projection, targets: Targets, alpha: f64) -> LossSums {
    #[cfg(feature = "flex")]
    if autodiff::applies(&projection.hidden) {
        return cpu::r_drop_loss(projection, targets, alpha);
    }
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&projection.hidden) {
        return gpu::r_drop_loss(projection, targets, alpha);
    }
    portable(projection, targets, alpha)
}
