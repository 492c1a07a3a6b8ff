//! Precision of the operands of matrix products.

use std::sync::atomic::{AtomicBool, Ordering};

/// The type that a product's operands are rounded to. Values are stored and sums accumulated in float32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// No rounding.
    #[default]
    Float32,
    /// 8 significant bits, as `torch.set_float32_matmul_precision("medium")` allows. Several times as fast on processors
    /// with AMX, up to twice as fast with AVX-512's bfloat16 instructions, slower on others.
    Bfloat16,
}

static BFLOAT16: AtomicBool = AtomicBool::new(false);

/// Sets the precision of this crate's operations on the CPU backend `flex`, in the whole process. Call it in `main`.
///
/// Other backends' products and those of [`crate::decode`] are not affected.
pub fn set(precision: Precision) {
    BFLOAT16.store(precision == Precision::Bfloat16, Ordering::Relaxed);
}

/// The precision last [`set`].
pub fn current() -> Precision {
    match BFLOAT16.load(Ordering::Relaxed) {
        true => Precision::Bfloat16,
        false => Precision::Float32,
    }
}

/// The unit that multiplies bfloat16 on this processor, such as `AMX`; `None` where float32 is faster.
///
/// The first call requests the matrix registers from Linux, which then saves them for every thread of the process.
pub fn bfloat16_unit() -> Option<&'static str> {
    #[cfg(feature = "flex")]
    return crate::matmul::bf16::unit();
    #[cfg(not(feature = "flex"))]
    return None;
}
