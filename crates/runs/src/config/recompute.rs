//! `training.recompute`, and the options that a backend may lack.

use model::ConfigError;
use model::backend::Backend;

use super::TrainingConfig;

impl TrainingConfig {
    /// Rejects recomputation of layers with weights that are not differentiated.
    pub(super) fn validate_recompute(&self) -> Result<(), ConfigError> {
        if !self.recompute || (self.lora.is_none() && self.freeze.is_empty()) {
            return Ok(());
        }
        let expected = "false with training.freeze or training.lora, which keep some weights as they are";
        Err(ConfigError::new("training.recompute", true, expected, "remove it"))
    }

    /// Checks that the backend supports all options.
    pub(super) fn validate_on(&self, backend: Backend) -> Result<(), ConfigError> {
        if self.recompute && !backend.is_gpu() {
            let expected = format!("false on {backend}");
            let remedy =
                "train on a GPU (--device wgpu), or remove it; on a CPU, raise training.micro_batches to save memory";
            return Err(ConfigError::new("training.recompute", true, expected, remedy));
        }
        self.matmul_precision.validate_on(backend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LoraConfig;

    #[test]
    fn only_gpus_recompute() {
        let training = TrainingConfig { recompute: true, ..TrainingConfig::default() };
        for backend in [Backend::Flex, Backend::Ndarray] {
            let message = training.validate_on(backend).unwrap_err().to_string();
            let parts = ["training.recompute", "true", &format!("false on {backend}"), "--device wgpu"];
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
            TrainingConfig::default().validate_on(backend).unwrap();
        }
        for backend in [Backend::Wgpu, Backend::Vulkan, Backend::Cuda] {
            training.validate_on(backend).unwrap();
        }
    }

    #[test]
    fn layers_with_frozen_weights_are_not_recomputed() {
        let training = TrainingConfig { recompute: true, ..TrainingConfig::default() };
        training.validate_recompute().unwrap();
        let frozen = TrainingConfig { freeze: vec!["encoder".into()], ..training.clone() };
        for training in [frozen, TrainingConfig { lora: Some(LoraConfig::default()), ..training }] {
            let message = training.validate_recompute().unwrap_err().to_string();
            assert!(message.contains("training.recompute") && message.contains("training.lora"), "{message}");
        }
    }
}
