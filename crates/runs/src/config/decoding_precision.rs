//! The number type in which weights are multiplied while decoding.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number type in which weights are multiplied while decoding; attention, norms and softmax are float32 in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum DecodingPrecision {
    /// As trained.
    Float32,
    /// Weights and activations rounded to 8 significant bits, sums in float32.
    Bfloat16,
    /// Integers of 8 bits: weights with a scale per output, activations with a scale per token.
    Int8,
}

impl DecodingPrecision {
    /// Bytes of a weight in memory.
    pub fn bytes(self) -> usize {
        match self {
            Self::Float32 => 4,
            Self::Bfloat16 => 2,
            Self::Int8 => 1,
        }
    }
}

impl fmt::Display for DecodingPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float32 => "float32",
            Self::Bfloat16 => "bfloat16",
            Self::Int8 => "int8",
        })
    }
}
