//! Weights by name, from a file or from memory.

use std::collections::HashMap;

use model::safetensors_reader::{SafetensorsReader, StoredValues};
use model::weights::{NamedTensor, WeightsError};

/// Gives the weights of a network.
pub(super) trait Source {
    /// The number of all weights, about.
    fn parameters(&self) -> usize;

    /// Returns the tensor of a name and shape.
    fn read_stored(&mut self, name: &str, shape: &[usize]) -> Result<StoredValues, WeightsError>;

    /// Calls `add` with the matrix of a name and shape, in parts of whole rows, in float32.
    fn read_rows(&mut self, name: &str, shape: [usize; 2], add: &mut dyn FnMut(&[f32])) -> Result<(), WeightsError>;
}

impl Source for SafetensorsReader {
    fn parameters(&self) -> usize {
        self.parameters()
    }

    fn read_stored(&mut self, name: &str, shape: &[usize]) -> Result<StoredValues, WeightsError> {
        self.read_stored(name, shape)
    }

    fn read_rows(&mut self, name: &str, shape: [usize; 2], add: &mut dyn FnMut(&[f32])) -> Result<(), WeightsError> {
        self.read_rows(name, shape, add)
    }
}

impl Source for HashMap<&str, &NamedTensor> {
    fn parameters(&self) -> usize {
        self.values().map(|tensor| tensor.values.len()).sum()
    }

    fn read_stored(&mut self, name: &str, _: &[usize]) -> Result<StoredValues, WeightsError> {
        let tensor = self.get(name).ok_or_else(|| WeightsError::Missing(name.to_string()))?;
        Ok(StoredValues::Float32(tensor.values.clone()))
    }

    fn read_rows(&mut self, name: &str, _: [usize; 2], add: &mut dyn FnMut(&[f32])) -> Result<(), WeightsError> {
        let tensor = self.get(name).ok_or_else(|| WeightsError::Missing(name.to_string()))?;
        add(&tensor.values);
        Ok(())
    }
}
