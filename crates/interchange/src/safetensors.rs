//! Tensors of a safetensors file in float32, float16 or bfloat16.

use std::collections::BTreeMap;
use std::path::Path;

use ::safetensors::SafeTensors;

use crate::InterchangeError;
use crate::tensor::{Dtype, StoredTensor};

/// Reads all tensors of a file by name; `path` appears in errors.
///
/// # Errors
/// Bytes that are not a safetensors file, or a tensor of another number type.
pub fn read(bytes: &[u8], path: &Path) -> Result<BTreeMap<String, StoredTensor>, InterchangeError> {
    let damaged = |source: ::safetensors::SafeTensorError| InterchangeError::Weights {
        path: path.to_owned(),
        source: source.into(),
    };
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(bytes).map_err(damaged)?.iter() {
        let unsupported = |found: ::safetensors::Dtype| InterchangeError::Tensor {
            path: path.to_owned(),
            name: name.to_owned(),
            found: format!("{found:?}"),
            expected: "float32, float16 or bfloat16 numbers".to_owned(),
            remedy: "use the model from before its quantisation",
        };
        let dtype = dtype(view.dtype()).map_err(unsupported)?;
        let values = view.data().chunks_exact(dtype.width()).map(|number| dtype.read(number)).collect();
        tensors.insert(name.to_owned(), StoredTensor { shape: view.shape().to_vec(), values });
    }
    Ok(tensors)
}

/// Returns the supported type, or the unsupported one as the error.
#[expect(clippy::wildcard_enum_match_arm, reason = "the enum of the safetensors crate is open to new variants")]
fn dtype(stored: ::safetensors::Dtype) -> Result<Dtype, ::safetensors::Dtype> {
    match stored {
        ::safetensors::Dtype::F32 => Ok(Dtype::F32),
        ::safetensors::Dtype::F16 => Ok(Dtype::F16),
        ::safetensors::Dtype::BF16 => Ok(Dtype::Bf16),
        other => Err(other),
    }
}
