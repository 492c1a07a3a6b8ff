//! Dropout (paper, section 5.4) whose mask is a function of a key, so that no mask is stored.
//!
//! **Why fused:** a stateful generator costs a lock and a draw per element, and a stored mask costs memory and its traffic
//! twice. Here the backward pass computes the same mask again, in registers.

#[cfg(feature = "flex")]
pub(crate) mod cpu;
#[cfg(feature = "cube")]
pub(crate) mod gpu;
mod portable;

use burn::tensor::Tensor;
pub use portable::portable;

#[cfg(feature = "flex")]
use crate::autodiff;

/// A dropout mask by its key: each element is dropped with probability `rate`, as a function of `key` and its row-major
/// index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Key of the mask.
    pub key: u64,
    /// Probability of zero, from 0 (included) to 1 (excluded).
    pub rate: f64,
}

impl Dropout {
    /// The mask's factors: 0, or 1 / (1 − rate).
    ///
    /// ```
    /// let mask = kernels::Dropout { key: 7, rate: 0.25 }.factors(1000);
    /// assert!(mask.iter().all(|&factor| factor == 0.0 || factor == 4.0 / 3.0));
    /// let dropped = mask.iter().filter(|&&factor| factor == 0.0).count();
    /// assert!((200..300).contains(&dropped));
    /// ```
    pub fn factors(&self, len: usize) -> Vec<f32> {
        let drawn = self.prepare();
        (0..len).map(|index| drawn.factor(index as u32)).collect()
    }

    #[inline(always)]
    pub(crate) fn prepare(&self) -> DropoutMask {
        DropoutMask {
            low: self.key as u32,
            high: (self.key >> 32) as u32,
            threshold: (self.rate * (1u64 << 32) as f64) as u32,
            scale: (1.0 / (1.0 - self.rate)) as f32,
        }
    }
}

/// A [`Dropout`] prepared for drawing factors.
#[derive(Clone, Copy)]
pub(crate) struct DropoutMask {
    low: u32,
    high: u32,
    threshold: u32,
    scale: f32,
}

impl DropoutMask {
    /// The factor of the element with this index, modulo 2³².
    #[inline(always)]
    pub(crate) fn factor(&self, index: u32) -> f32 {
        let drawn = mix(mix(index ^ self.low).wrapping_add(self.high));
        if drawn >= self.threshold { self.scale } else { 0.0 }
    }

    /// `values *= factors`, for the elements from index `first` on.
    #[cfg(feature = "flex")]
    #[inline(always)]
    pub(crate) fn apply_in_place(&self, values: &mut [f32], first: usize) {
        let mut index = first as u32;
        for value in values {
            *value *= self.factor(index);
            index = index.wrapping_add(1);
        }
    }
}

/// A 32-bit mixer (Wellons 2018): a bijection without visible bias, made of operations that vectorise.
#[inline(always)]
fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x21F0_AAAD);
    x ^= x >> 15;
    x = x.wrapping_mul(0x735A_2D97);
    x ^ (x >> 15)
}

/// Zeroes each element with probability `rate` and scales the rest by 1 / (1 − rate), which keeps the mean.
pub fn dropout<const D: usize>(x: Tensor<D>, dropout: Dropout) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&x) {
        return cpu::dropout(x, dropout);
    }
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&x) {
        return gpu::dropout(x, dropout);
    }
    portable(x, dropout)
}
