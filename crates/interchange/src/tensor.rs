//! A tensor as an exchange file stores it, converted to float32.

/// A tensor in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTensor {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Values, the last axis varying fastest.
    pub values: Vec<f32>,
}

/// Number types of stored weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16: the upper half of a binary32.
    Bf16,
}

impl Dtype {
    /// Bytes per number.
    pub fn width(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::Bf16 => 2,
        }
    }

    /// Reads the little-endian number at the start of `bytes`.
    ///
    /// # Panics
    /// If `bytes` is shorter than [`width`](Self::width).
    pub fn read(self, bytes: &[u8]) -> f32 {
        match self {
            Dtype::F32 => f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            Dtype::F16 => half(u16::from_le_bytes([bytes[0], bytes[1]])),
            Dtype::Bf16 => f32::from_bits(u32::from(u16::from_le_bytes([bytes[0], bytes[1]])) << 16),
        }
    }
}

/// Converts a float16: 1 sign bit, 5 exponent bits, 10 mantissa bits.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float16_is_read_to_the_bit() {
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
