//! `training.matmul_precision`: the type of the operands of matrix products.

use std::fmt;

use kernels::precision::{self, Precision};
use model::ConfigError;
use model::backend::Backend;
use serde::{Deserialize, Serialize};

/// The type to which the operands of matrix products are rounded; everything else is float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MatmulPrecision {
    /// No rounding.
    Float32,
    /// Rounding to bfloat16, with sums in float32.
    Bfloat16,
}

impl MatmulPrecision {
    /// Sets the precision of the whole process; for `main` only.
    pub fn set_process_wide(self) {
        precision::set(match self {
            Self::Float32 => Precision::Float32,
            Self::Bfloat16 => Precision::Bfloat16,
        });
    }

    pub(crate) fn validate_on(self, backend: Backend) -> Result<(), ConfigError> {
        if self == Self::Float32 || backend == Backend::Flex {
            return Ok(());
        }
        let expected = format!("\"float32\" on {backend}");
        let remedy = "train with --device flex, or remove it";
        Err(ConfigError::new("training.matmul_precision", "\"bfloat16\"", expected, remedy))
    }
}

/// The type, and for bfloat16 the processor's unit that multiplies it.
impl fmt::Display for MatmulPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::Float32 {
            return f.write_str("float32");
        }
        match precision::bfloat16_unit() {
            Some(unit) => write!(f, "float32 with products of bfloat16 ({unit})"),
            None => {
                f.write_str("float32 with products of bfloat16 (which this processor lacks: float32 would be faster)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flex_supports_bfloat16() {
        for backend in [Backend::Ndarray, Backend::Wgpu, Backend::Vulkan, Backend::Cuda] {
            let message = MatmulPrecision::Bfloat16.validate_on(backend).unwrap_err().to_string();
            assert!(
                message.contains("training.matmul_precision") && message.contains(&backend.to_string()),
                "{message}"
            );
            MatmulPrecision::Float32.validate_on(backend).unwrap();
        }
        MatmulPrecision::Bfloat16.validate_on(Backend::Flex).unwrap();
    }
}
