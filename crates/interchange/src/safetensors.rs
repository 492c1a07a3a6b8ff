//! Tensors of a safetensors file in float32, float16 or bfloat16, read one after the other: they are in memory once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use ::safetensors::SafeTensorError;
use ::safetensors::tensor::{Metadata, TensorInfo};

use crate::InterchangeError;
use crate::tensor::{Dtype, StoredTensor};

/// Bytes per read, whole numbers of every type.
const PART: usize = 1 << 18;
/// Bytes of the header's length.
const LENGTH_BYTES: u64 = 8;

/// Reads all tensors of a file by name.
///
/// # Errors
/// A file that cannot be read or is not a safetensors file, or a tensor of another number type.
pub fn read(path: &Path) -> Result<BTreeMap<String, StoredTensor>, InterchangeError> {
    let damaged = |source: SafeTensorError| InterchangeError::Weights { path: path.to_owned(), source: source.into() };
    let unreadable = |source: io::Error| InterchangeError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut file = BufReader::with_capacity(PART, file);
    let header = header(&mut file, length).map_err(unreadable)?.map_err(damaged)?;
    let mut infos: Vec<(String, TensorInfo)> =
        header.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
    infos.sort_by_key(|(_, info)| info.data_offsets);
    let mut tensors = BTreeMap::new();
    for (name, TensorInfo { dtype: stored, shape, data_offsets: (from, to) }) in infos {
        let unsupported = |found: ::safetensors::Dtype| InterchangeError::Tensor {
            path: path.to_owned(),
            name: name.clone(),
            found: format!("{found:?}"),
            expected: "float32, float16 or bfloat16 numbers".to_owned(),
            remedy: "use the model from before its quantisation",
        };
        let dtype = dtype(stored).map_err(unsupported)?;
        let values = values(&mut file, dtype, to - from).map_err(unreadable)?;
        tensors.insert(name, StoredTensor { shape, values });
    }
    Ok(tensors)
}

/// Reads the header of a file of `length` bytes, in which tensors follow each other without gaps.
fn header(file: &mut impl Read, length: u64) -> io::Result<Result<Metadata, SafeTensorError>> {
    let mut size = Vec::new();
    file.take(LENGTH_BYTES).read_to_end(&mut size)?;
    let Ok(size) = <[u8; 8]>::try_from(size).map(u64::from_le_bytes) else {
        return Ok(Err(SafeTensorError::HeaderTooSmall));
    };
    if size > length - LENGTH_BYTES {
        return Ok(Err(SafeTensorError::InvalidHeaderLength));
    }
    let mut header = Vec::new();
    file.take(size).read_to_end(&mut header)?;
    // Also checks that offsets have no gaps and fit the shapes.
    let read: Result<Metadata, SafeTensorError> =
        serde_json::from_slice(&header).map_err(SafeTensorError::InvalidHeaderDeserialization);
    Ok(read.and_then(|header| match LENGTH_BYTES + size + header.data_len() as u64 == length {
        true => Ok(header),
        false => Err(SafeTensorError::MetadataIncompleteBuffer),
    }))
}

/// Reads the numbers in the next `left` bytes.
fn values(file: &mut impl Read, dtype: Dtype, mut left: usize) -> io::Result<Vec<f32>> {
    let mut values = Vec::with_capacity(left / dtype.width());
    let mut part = vec![0; PART.min(left)];
    while left > 0 {
        part.truncate(left);
        file.read_exact(&mut part)?;
        match dtype {
            Dtype::F32 => values.extend(part.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes))),
            Dtype::F16 | Dtype::Bf16 => {
                values.extend(part.chunks_exact(dtype.width()).map(|number| dtype.read(number)));
            }
        }
        left -= part.len();
    }
    Ok(values)
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
