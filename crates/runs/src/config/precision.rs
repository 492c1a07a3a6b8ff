//! `training.matmul_precision`: the type of the operands of matrix products.

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
    /// Rounding to 11 significant bits as for NVIDIA's TF32 units, with sums in float32; on GPUs alone.
    Tfloat32,
    /// Rounding to bfloat16, with sums in float32.
    Bfloat16,
}

impl MatmulPrecision {
    /// Sets the precision of the whole process; for `main` only.
    pub fn set_process_wide(self) {
        precision::set(match self {
            Self::Float32 => Precision::Float32,
            Self::Tfloat32 => Precision::Tfloat32,
            Self::Bfloat16 => Precision::Bfloat16,
        });
    }

    pub(crate) fn validate_on(self, backend: Backend) -> Result<(), ConfigError> {
        let (expected, remedy) = match (self, backend) {
            (Self::Float32, _) | (Self::Bfloat16, Backend::Flex) => return Ok(()),
            (Self::Tfloat32 | Self::Bfloat16, Backend::Wgpu | Backend::Vulkan | Backend::Cuda) => return Ok(()),
            (Self::Tfloat32, Backend::Flex) => {
                ("\"float32\" or \"bfloat16\" on flex".to_string(), "train on a GPU (--device wgpu), or remove it")
            }
            (Self::Tfloat32, Backend::Ndarray) => {
                (format!("\"float32\" on {backend}"), "train on a GPU (--device wgpu), or remove it")
            }
            (Self::Bfloat16, Backend::Ndarray) => {
                (format!("\"float32\" on {backend}"), "train with --device flex, or remove it")
            }
        };
        Err(ConfigError::new("training.matmul_precision", format!("\"{}\"", self.name()), expected, remedy))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Tfloat32 => "tfloat32",
            Self::Bfloat16 => "bfloat16",
        }
    }

    /// The type and what multiplies it: on a CPU the processor's unit for bfloat16.
    pub fn describe_on(self, backend: Backend) -> String {
        let unit = match (self, backend) {
            (Self::Float32, _) => return self.name().to_string(),
            (Self::Tfloat32 | Self::Bfloat16, Backend::Wgpu | Backend::Vulkan | Backend::Cuda) => {
                "rounded by kernels that multiply in float32"
            }
            (Self::Tfloat32 | Self::Bfloat16, Backend::Flex | Backend::Ndarray) => {
                precision::bfloat16_unit().unwrap_or("which this processor lacks: float32 would be faster")
            }
        };
        format!("float32 with products of {} ({unit})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPUS: [Backend; 3] = [Backend::Wgpu, Backend::Vulkan, Backend::Cuda];

    #[test]
    fn each_backend_has_its_precisions() {
        let fields = ["training.matmul_precision", "remove it"];
        for (precision, backend, parts) in [
            (MatmulPrecision::Bfloat16, Backend::Ndarray, ["\"bfloat16\"", "\"float32\" on ndarray", "--device flex"]),
            (MatmulPrecision::Tfloat32, Backend::Ndarray, ["\"tfloat32\"", "\"float32\" on ndarray", "--device wgpu"]),
            (MatmulPrecision::Tfloat32, Backend::Flex, ["\"tfloat32\"", "\"bfloat16\" on flex", "--device wgpu"]),
        ] {
            let message = precision.validate_on(backend).unwrap_err().to_string();
            assert!(fields.iter().chain(&parts).all(|part| message.contains(part)), "{message}");
        }
        MatmulPrecision::Bfloat16.validate_on(Backend::Flex).unwrap();
        for backend in GPUS {
            MatmulPrecision::Bfloat16.validate_on(backend).unwrap();
            MatmulPrecision::Tfloat32.validate_on(backend).unwrap();
        }
        for backend in GPUS.into_iter().chain([Backend::Flex, Backend::Ndarray]) {
            MatmulPrecision::Float32.validate_on(backend).unwrap();
        }
    }

    #[test]
    fn descriptions_name_what_multiplies() {
        for backend in GPUS {
            assert_eq!(MatmulPrecision::Float32.describe_on(backend), "float32");
            for (precision, name) in [(MatmulPrecision::Tfloat32, "tfloat32"), (MatmulPrecision::Bfloat16, "bfloat16")]
            {
                let found = precision.describe_on(backend);
                assert!(found.contains(name) && found.contains("multiply in float32"), "{found}");
            }
        }
    }
}
