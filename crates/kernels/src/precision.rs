//! How exactly matrix products read their operands.

use std::sync::atomic::{AtomicBool, Ordering};

/// What the operands of a matrix product are rounded to; values are stored, and products summed, in float32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Nothing is rounded.
    #[default]
    Float32,
    /// To 8 significant bits, as `torch.set_float32_matmul_precision("medium")` allows. Several times as fast on
    /// processors with matrix registers (AMX), up to twice on those with AVX-512's products of bfloat16, slower on others.
    Bfloat16,
}

static BFLOAT16: AtomicBool = AtomicBool::new(false);

/// Sets the precision of all products that this crate's operations take on the CPU backend `flex` from now on, with and
/// without gradients, in the whole process. Other backends' products, and those of [`crate::decode`], stay as they are.
pub fn set(precision: Precision) {
    BFLOAT16.store(precision == Precision::Bfloat16, Ordering::Relaxed);
}

/// The precision of products: what [`set`] was last called with.
pub fn current() -> Precision {
    match BFLOAT16.load(Ordering::Relaxed) {
        true => Precision::Bfloat16,
        false => Precision::Float32,
    }
}

/// What multiplies bfloat16 on this processor, such as `AMX`; nothing where float32 is faster. Asking makes Linux keep the
/// matrix registers of this process's threads, which are large.
pub fn bfloat16_unit() -> Option<&'static str> {
    #[cfg(feature = "flex")]
    return crate::matmul::bf16::unit();
    #[cfg(not(feature = "flex"))]
    return None;
}
