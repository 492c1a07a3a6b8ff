//! Weights files in int8: a matrix is a tensor of integers, with a second tensor of scales, one a row.

use std::collections::HashMap;

pub use kernels::decode::Int8Rows;
use safetensors::{Dtype, tensor::TensorView};

use crate::safetensors_reader::scale_name;
use crate::weights::{NamedTensor, WeightsError, check_numbers};

/// Whether a tensor is quantised: matrices of linear layers and of embeddings are, tables of positions and vectors are not.
pub fn is_quantised(tensor: &NamedTensor) -> bool {
    tensor.shape.len() == 2 && (tensor.name.ends_with(".weight") || tensor.name.starts_with("embeddings."))
}

/// The weights as a safetensors file whose matrices are int8, `quantise`d row by row, with their scales in float32 beside
/// them. The metadata is the single key `attend`.
///
/// # Errors
/// A tensor whose number of elements does not match its shape, or with a value that is NaN.
pub fn to_safetensors(
    tensors: &[NamedTensor],
    attend: &str,
    quantise: impl Fn(&NamedTensor) -> Int8Rows,
) -> Result<Vec<u8>, WeightsError> {
    check_numbers(tensors)?;
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let mut parts = Vec::with_capacity(2 * tensors.len());
    for tensor in tensors {
        if is_quantised(tensor) {
            let Int8Rows { values, scales } = quantise(tensor);
            let bytes = values.iter().map(|&value| value as u8).collect();
            parts.push((tensor.name.clone(), Dtype::I8, tensor.shape.clone(), bytes));
            parts.push((scale_name(&tensor.name), Dtype::F32, vec![scales.len()], floats(&scales)));
        } else {
            parts.push((tensor.name.clone(), Dtype::F32, tensor.shape.clone(), floats(&tensor.values)));
        }
    }
    let views = parts
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let metadata = HashMap::from([("attend".to_string(), attend.to_string())]);
    Ok(safetensors::serialize(views, Some(metadata))?)
}

/// The rows of a float32 matrix in int8, each with a scale of its own.
///
/// # Panics
/// A tensor that is no matrix.
pub fn rows(tensor: &NamedTensor) -> Int8Rows {
    Int8Rows::quantise(&tensor.values, tensor.shape[1])
}

#[cfg(test)]
mod tests {
    use temp_dir::TempDir;

    use super::*;
    use crate::safetensors_reader::{SafetensorsReader, StoredValues};
    use crate::weights;

    #[test]
    fn matrices_are_integers_and_vectors_floats() {
        let tensor = |name: &str, shape: &[usize]| {
            let values = (0..shape.iter().product::<usize>()).map(|i| (i as f32 - 3.0) * 0.7).collect();
            NamedTensor { name: name.to_string(), shape: shape.to_vec(), values }
        };
        let tensors = [
            tensor("embeddings.shared", &[3, 4]),
            tensor("embeddings.output_bias", &[3]),
            tensor("a.query.weight", &[2, 4]),
            tensor("positions.table", &[2, 4]),
        ];
        let file = to_safetensors(&tensors, "{}", rows).unwrap();
        let error = weights::from_safetensors(&file).unwrap_err().to_string();
        assert!(error.contains("is quantised to int8: expected float32"), "{error}");
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.child("m"), &file).unwrap();
        let mut reader = SafetensorsReader::open(&folder.child("m")).unwrap();
        assert!(reader.is_quantised());
        for tensor in &tensors {
            let expected = match is_quantised(tensor) {
                true => StoredValues::Int8(rows(tensor)),
                false => StoredValues::Float32(tensor.values.clone()),
            };
            assert_eq!(reader.read_stored(&tensor.name, &tensor.shape).unwrap(), expected, "{}", tensor.name);
        }
        reader.finish().expect("every tensor has been read, the scales too");
        let mut reader = SafetensorsReader::open(&folder.child("m")).unwrap();
        assert!(reader.read_stored("a.query.weight", &[4, 2]).unwrap_err().to_string().contains("shape"));
    }
}
