//! A reader of safetensors files, one tensor at a time: weights that are packed on loading are in memory once.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};

use crate::weights::{NamedTensor, WeightsError};

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

/// Bytes per read.
const PART: usize = 1 << 16;
/// Bytes of the header's length.
const LENGTH_BYTES: usize = 8;

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

    /// Reads the tensor of this name, which must have this shape.
    ///
    /// # Errors
    /// A tensor that is missing, of another shape, or not of float32; a file that cannot be read.
    pub fn read(&mut self, name: &str, shape: &[usize]) -> Result<NamedTensor, WeightsError> {
        let Some(TensorInfo { dtype, shape: found, data_offsets: (from, to) }) = self.header.info(name) else {
            return Err(WeightsError::Missing(name.to_string()));
        };
        if *dtype != Dtype::F32 {
            return Err(WeightsError::Dtype { name: name.to_string(), found: *dtype });
        }
        if found != shape {
            return Err(WeightsError::Shape { name: name.to_string(), found: found.clone(), expected: shape.to_vec() });
        }
        self.file.seek(SeekFrom::Start(self.start + *from as u64))?;
        let mut values = Vec::with_capacity((to - from) / 4);
        let mut part = vec![0; PART.min(to - from)];
        while values.len() < (to - from) / 4 {
            part.truncate(to - from - 4 * values.len());
            self.file.read_exact(&mut part)?;
            values.extend(part.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        }
        self.unread.remove(name);
        Ok(NamedTensor { name: name.to_string(), shape: shape.to_vec(), values })
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
