//! A reader of safetensors files, one tensor at a time: weights that are packed on loading are in memory once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};

use kernels::decode::Int8Rows;

use crate::weights::{NamedTensor, WeightsError, require_float32};

/// An open weights file whose header has been read.
#[derive(Debug)]
pub struct SafetensorsReader {
    file: fs::File,
    /// The offset of the values.
    start: u64,
    header: Metadata,
    /// Names of the tensors not read yet.
    unread: BTreeSet<String>,
}

/// The values of a tensor as the file holds them.
#[derive(Clone, Debug, PartialEq)]
pub enum StoredValues {
    /// Float32.
    Float32(Vec<f32>),
    /// Rows of integers of 8 bits, from the tensor and [`scale_name`].
    Int8(Int8Rows),
}

impl StoredValues {
    /// The values in float32.
    pub fn into_float32(self) -> Vec<f32> {
        match self {
            Self::Float32(values) => values,
            Self::Int8(rows) => rows.dequantised(),
        }
    }

    /// The values as rows of integers, `width` each; float32 is quantised.
    ///
    /// # Panics
    /// Values that are not rows of `width`.
    pub fn into_int8(self, width: usize) -> Int8Rows {
        match self {
            Self::Float32(values) => Int8Rows::quantise(&values, width),
            Self::Int8(rows) => rows,
        }
    }
}

/// The name of the tensor with the scales of the rows of an int8 tensor.
pub fn scale_name(name: &str) -> String {
    format!("{name}_scale")
}

/// Bytes per read.
const PART: usize = 1 << 16;
/// Bytes of the header's length.
const LENGTH_BYTES: usize = 8;

/// The values of bytes in float32.
fn float32(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

impl SafetensorsReader {
    /// Reads the header of a file that this program wrote.
    ///
    /// # Errors
    /// A file that is unreadable, damaged or truncated, or that another program wrote.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let mut file = fs::File::open(path)?;
        let total = file.metadata()?.len();
        let mut length = Vec::new();
        file.by_ref().take(LENGTH_BYTES as u64).read_to_end(&mut length)?;
        let length = <[u8; LENGTH_BYTES]>::try_from(length).map_err(|_| SafeTensorError::HeaderTooSmall)?;
        let start = u64::from_le_bytes(length).saturating_add(LENGTH_BYTES as u64);
        if start > total {
            return Err(SafeTensorError::InvalidHeaderLength.into());
        }
        let mut header = Vec::new();
        file.by_ref().take(start - LENGTH_BYTES as u64).read_to_end(&mut header)?;
        let header: Metadata =
            serde_json::from_slice(&header).map_err(SafeTensorError::InvalidHeaderDeserialization)?;
        if start.checked_add(header.data_len() as u64) != Some(total) {
            return Err(SafeTensorError::MetadataIncompleteBuffer.into());
        }
        if header.metadata().as_ref().is_none_or(|metadata| !metadata.contains_key("attend")) {
            return Err(WeightsError::Foreign);
        }
        let unread = header.offset_keys().into_iter().collect();
        Ok(Self { file, start, header, unread })
    }

    /// The number of values in the file, about: by its bytes, since the shapes of a damaged file may be anything.
    pub fn parameters(&self) -> usize {
        self.header.data_len() / if self.is_quantised() { size_of::<i8>() } else { size_of::<f32>() }
    }

    /// The shape of each tensor, by name.
    pub fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.header.tensors().into_iter().map(|(name, info)| (name, info.shape.clone())).collect()
    }

    /// Reads the tensor of this name, which must have this shape.
    ///
    /// # Errors
    /// A tensor that is missing, of another shape, or not of float32; a file that cannot be read.
    pub fn read(&mut self, name: &str, shape: &[usize]) -> Result<NamedTensor, WeightsError> {
        let (from, to) = self.place(name, shape)?;
        let mut values = Vec::with_capacity((to - from) / 4);
        self.read_parts(name, from, to, PART, |part| values.extend(float32(part)))?;
        Ok(NamedTensor { name: name.to_string(), shape: shape.to_vec(), values })
    }

    /// The bytes of the float32 tensor of this name, which must have this shape.
    fn place(&self, name: &str, shape: &[usize]) -> Result<(usize, usize), WeightsError> {
        let Some(TensorInfo { dtype, shape: found, data_offsets }) = self.header.info(name) else {
            return Err(WeightsError::Missing(name.to_string()));
        };
        require_float32(name, *dtype)?;
        if found != shape {
            return Err(WeightsError::Shape { name: name.to_string(), found: found.clone(), expected: shape.to_vec() });
        }
        Ok(*data_offsets)
    }

    /// Reads the matrix of this name and shape in parts of whole rows, in float32, and calls `add` with each.
    ///
    /// # Errors
    /// As [`read_stored`](Self::read_stored).
    pub fn read_rows(
        &mut self,
        name: &str,
        shape: [usize; 2],
        mut add: impl FnMut(&[f32]),
    ) -> Result<(), WeightsError> {
        if self.header.info(name).is_some_and(|info| info.dtype == Dtype::I8) {
            add(&self.read_stored(name, &shape)?.into_float32());
            return Ok(());
        }
        let (from, to) = self.place(name, &shape)?;
        let row = 4 * shape[1].max(1);
        let mut values = Vec::new();
        self.read_parts(name, from, to, (PART / row).max(1) * row, |part| {
            values.clear();
            values.extend(float32(part));
            add(&values);
        })
    }

    /// Reads the tensor of this name in float32 or int8; it must have this shape.
    ///
    /// # Errors
    /// As [`read`](Self::read); an int8 tensor that is no matrix, or without a scale per row.
    pub fn read_stored(&mut self, name: &str, shape: &[usize]) -> Result<StoredValues, WeightsError> {
        let Some(TensorInfo { dtype: Dtype::I8, shape: found, data_offsets: (from, to) }) = self.header.info(name)
        else {
            return Ok(StoredValues::Float32(self.read(name, shape)?.values));
        };
        if found != shape || shape.len() != 2 {
            return Err(WeightsError::Shape { name: name.to_string(), found: found.clone(), expected: shape.to_vec() });
        }
        let (from, to) = (*from, *to);
        let mut values = Vec::with_capacity(to - from);
        self.read_parts(name, from, to, PART, |part| values.extend(part.iter().map(|&byte| byte as i8)))?;
        let scales = self.read(&scale_name(name), &shape[..1])?.values;
        Ok(StoredValues::Int8(Int8Rows { values, scales }))
    }

    /// Calls `add` with the bytes of a tensor, in parts of `length` bytes.
    fn read_parts(
        &mut self,
        name: &str,
        from: usize,
        to: usize,
        length: usize,
        mut add: impl FnMut(&[u8]),
    ) -> Result<(), WeightsError> {
        self.file.seek(SeekFrom::Start(self.start + from as u64))?;
        let mut part = vec![0; length.min(to - from)];
        let mut left = to - from;
        while left > 0 {
            part.truncate(left);
            self.file.read_exact(&mut part)?;
            add(&part);
            left -= part.len();
        }
        self.unread.remove(name);
        Ok(())
    }

    /// Reads all tensors in the order of their names.
    ///
    /// # Errors
    /// A tensor that is not of float32; a file that cannot be read.
    pub fn read_all(mut self) -> Result<Vec<NamedTensor>, WeightsError> {
        let shapes: BTreeMap<String, Vec<usize>> =
            self.header.tensors().into_iter().map(|(name, info)| (name, info.shape.clone())).collect();
        shapes.into_iter().map(|(name, shape)| self.read(&name, &shape)).collect()
    }

    /// Whether weights are quantised to int8.
    pub fn is_quantised(&self) -> bool {
        self.header.tensors().values().any(|info| info.dtype == Dtype::I8)
    }

    /// The `attend` entry of the metadata, which `train` fills with the step as JSON.
    pub fn note(&self) -> &str {
        self.header.metadata().as_ref().and_then(|metadata| metadata.get("attend")).map_or("", String::as_str)
    }

    /// Checks that every tensor has been read.
    ///
    /// # Errors
    /// The first tensor not read.
    pub fn finish(self) -> Result<(), WeightsError> {
        self.unread.into_iter().next().map_or(Ok(()), |extra| Err(WeightsError::Unexpected(extra)))
    }
}
