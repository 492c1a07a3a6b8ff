//! Precision of the operands of matrix products.

use std::sync::atomic::{AtomicU8, Ordering};

/// The type that a product's operands are rounded to. Values are stored and sums accumulated in float32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// No rounding.
    #[default]
    Float32,
    /// 11 significant bits, the operands of NVIDIA's TF32 units; on GPUs alone.
    Tfloat32,
    /// 8 significant bits, as `torch.set_float32_matmul_precision("medium")` allows. Several times as fast on processors
    /// with AMX, up to twice as fast with AVX-512's bfloat16 instructions, slower on others.
    Bfloat16,
}

/// The current precision: 0 for float32, 1 for tfloat32, 2 for bfloat16.
static CURRENT: AtomicU8 = AtomicU8::new(0);

/// Sets the precision of this crate's operations on the CPU backend `flex` and on GPUs, in the whole process. Call it in `main`.
///
/// On `flex`, [`Precision::Tfloat32`] is float32. Products of [`crate::decode`], and those of the portable definitions, are
/// not affected.
pub fn set(precision: Precision) {
    let number = match precision {
        Precision::Float32 => 0,
        Precision::Tfloat32 => 1,
        Precision::Bfloat16 => 2,
    };
    CURRENT.store(number, Ordering::Relaxed);
}

/// The precision last [`set`].
pub fn current() -> Precision {
    match CURRENT.load(Ordering::Relaxed) {
        0 => Precision::Float32,
        1 => Precision::Tfloat32,
        _ => Precision::Bfloat16,
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
