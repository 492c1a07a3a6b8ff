//! A writer of safetensors files, part by part: weights are in memory once.

use std::collections::HashMap;
use std::io::{self, Write};

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};

use crate::weights::{NamedTensor, WeightsError, check_numbers};

/// A weights file that is not written yet.
#[derive(Debug)]
pub struct SafetensorsWriter {
    /// The length of the header, and the header.
    start: Vec<u8>,
    /// Sorted by name.
    tensors: Vec<NamedTensor>,
}

/// Values per write.
const PART: usize = 1 << 14;
/// Bytes of the header's length, of which the header is a multiple.
const LENGTH_BYTES: usize = 8;

impl SafetensorsWriter {
    /// A file of these tensors whose metadata is the single key `attend`. It has the bytes of
    /// [`to_safetensors`](crate::weights::to_safetensors).
    ///
    /// # Errors
    /// A tensor whose number of elements does not match its shape, or with a value that is NaN.
    pub fn new(tensors: Vec<NamedTensor>, attend: &str) -> Result<Self, WeightsError> {
        Self::with_metadata(tensors, ("attend", attend))
    }

    /// A file of these tensors whose metadata is a single key with its value.
    ///
    /// # Errors
    /// A tensor whose number of elements does not match its shape, or with a value that is NaN.
    pub fn with_metadata(mut tensors: Vec<NamedTensor>, (key, value): (&str, &str)) -> Result<Self, WeightsError> {
        check_numbers(&tensors)?;
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        let (mut infos, mut offset) = (Vec::with_capacity(tensors.len()), 0);
        for NamedTensor { name, shape, values } in &tensors {
            let end = offset + 4 * values.len();
            infos.push((
                name.clone(),
                TensorInfo { dtype: Dtype::F32, shape: shape.clone(), data_offsets: (offset, end) },
            ));
            offset = end;
        }
        let metadata = HashMap::from([(key.to_string(), value.to_string())]);
        let header = Metadata::new(Some(metadata), infos)?;
        let mut header = serde_json::to_vec(&header).map_err(SafeTensorError::InvalidHeaderDeserialization)?;
        header.resize(header.len().next_multiple_of(LENGTH_BYTES), b' ');
        let mut start = (header.len() as u64).to_le_bytes().to_vec();
        start.extend(header);
        Ok(Self { start, tensors })
    }

    /// Writes the file. The memory of each tensor is free after its last byte.
    ///
    /// # Errors
    /// An output that cannot be written to.
    pub fn write(self, output: &mut dyn Write) -> io::Result<()> {
        output.write_all(&self.start)?;
        let mut bytes = Vec::with_capacity(4 * PART);
        for tensor in self.tensors {
            for part in tensor.values.chunks(PART) {
                bytes.clear();
                bytes.extend(part.iter().flat_map(|value| value.to_le_bytes()));
                output.write_all(&bytes)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::to_safetensors;

    #[test]
    fn its_bytes_are_those_of_the_library() {
        let tensor = |name: &str, shape: &[usize]| {
            let size: usize = shape.iter().product();
            NamedTensor { name: name.to_string(), shape: shape.to_vec(), values: (0..size).map(|i| i as f32).collect() }
        };
        for tensors in [vec![], vec![tensor("b.weight", &[70, 300]), tensor("a", &[3]), tensor("b.bias", &[1])]] {
            let mut written = Vec::new();
            SafetensorsWriter::new(tensors.clone(), "{}").unwrap().write(&mut written).unwrap();
            assert!(written == to_safetensors(&tensors, "{}").unwrap(), "{tensors:?}");
        }
        let wrong = NamedTensor { shape: vec![4], ..tensor("a", &[3]) };
        assert!(SafetensorsWriter::new(vec![wrong], "{}").is_err());
    }
}
