//! All tensors of a Marian folder's weights file, as float32.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

use super::{MarianError, files};
use crate::pytorch::{self, StoredTensor};

/// Numbers in which weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    F32,
    F16,
    Bf16,
}

impl Dtype {
    /// Bytes of a number.
    pub fn width(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::Bf16 => 2,
        }
    }

    /// The number at the front of `bytes`.
    ///
    /// # Panics
    /// When there are fewer bytes than its [`width`](Self::width).
    pub fn read(self, bytes: &[u8]) -> f32 {
        match self {
            Dtype::F32 => f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            Dtype::F16 => half(u16::from_le_bytes([bytes[0], bytes[1]])),
            Dtype::Bf16 => f32::from_bits(u32::from(u16::from_le_bytes([bytes[0], bytes[1]])) << 16),
        }
    }
}

/// A float16: a sign, 5 bits of exponent, 10 of mantissa.
fn half(bits: u16) -> f32 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 0x1F), f32::from(bits & 0x3FF) / 1024.0);
    let magnitude = match exponent {
        0 => mantissa * 2f32.powi(-14),
        31 if mantissa == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + mantissa) * 2f32.powi(exponent - 15),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

/// The tensors of `model.safetensors`, else of `pytorch_model.bin`, and which file that was.
///
/// # Errors
/// Neither file, or one that cannot be read.
pub fn read(folder: &Path) -> Result<(BTreeMap<String, StoredTensor>, PathBuf), MarianError> {
    let path = [files::WEIGHTS, files::PYTORCH_WEIGHTS].map(|name| folder.join(name)).into_iter().find(|p| p.is_file());
    let path = path.ok_or_else(|| MarianError::NotMarian { path: folder.to_owned(), missing: files::WEIGHTS })?;
    let bytes = fs::read(&path).map_err(|source| MarianError::Read { path: path.clone(), source })?;
    let tensors = if path.ends_with(files::WEIGHTS) {
        from_safetensors(&bytes, &path)?
    } else {
        let wrong = |(found, expected)| MarianError::File {
            path: path.clone(),
            found,
            expected,
            remedy: "fetch the file anew, or convert it to model.safetensors",
        };
        pytorch::read(&bytes).map_err(wrong)?.into_iter().collect()
    };
    Ok((tensors, path))
}

fn from_safetensors(bytes: &[u8], path: &Path) -> Result<BTreeMap<String, StoredTensor>, MarianError> {
    let weights =
        |source: safetensors::SafeTensorError| MarianError::Weights { path: path.to_owned(), source: source.into() };
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(bytes).map_err(weights)?.iter() {
        let dtype = match view.dtype() {
            safetensors::Dtype::F32 => Dtype::F32,
            safetensors::Dtype::F16 => Dtype::F16,
            safetensors::Dtype::BF16 => Dtype::Bf16,
            other => {
                return Err(MarianError::Tensor {
                    path: path.to_owned(),
                    name: name.to_owned(),
                    found: format!("{other:?}"),
                    expected: "float32, float16 or bfloat16 numbers".to_owned(),
                    remedy: "take the model as it was before it was quantised",
                });
            }
        };
        let values = view.data().chunks_exact(dtype.width()).map(|number| dtype.read(number)).collect();
        tensors.insert(name.to_owned(), StoredTensor { shape: view.shape().to_vec(), values });
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_read_to_the_bit() {
        for (bits, value) in [
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x7BFF, 65504.0),
            (0x0001, 2f32.powi(-24)),
            (0x03FF, 2f32.powi(-14) - 2f32.powi(-24)),
            (0x0400, 2f32.powi(-14)),
            (0x3555, 0.333_251_95),
            (0x7C00, f32::INFINITY),
            (0x8000, -0.0),
        ] {
            assert_eq!(Dtype::F16.read(&u16::to_le_bytes(bits)).to_bits(), value.to_bits(), "{bits:04x}");
        }
        assert!(Dtype::F16.read(&[0x01, 0x7C]).is_nan());
        assert_eq!(Dtype::Bf16.read(&[0x80, 0xBF]), -1.0);
    }
}
