//! `training.matmul_precision`: how exactly matrix products read their operands.

use std::fmt;

use kernels::precision::{self, Precision};
use model::ConfigError;
use model::backend::Backend;
use serde::{Deserialize, Serialize};

/// What the operands of matrix products are rounded to; all else is float32 either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MatmulPrecision {
    Float32,
    Bfloat16,
}

impl MatmulPrecision {
    /// Makes it the precision of this process.
    pub fn set(self) {
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

/// The type computed with, and for bfloat16 what multiplies it here.
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
    fn bfloat16_is_for_flex_alone() {
        for backend in [Backend::Ndarray, Backend::Wgpu, Backend::Vulkan, Backend::Cuda] {
            let told = MatmulPrecision::Bfloat16.validate_on(backend).unwrap_err().to_string();
            assert!(told.contains("training.matmul_precision") && told.contains(&backend.to_string()), "{told}");
            MatmulPrecision::Float32.validate_on(backend).unwrap();
        }
        MatmulPrecision::Bfloat16.validate_on(Backend::Flex).unwrap();
    }
}
