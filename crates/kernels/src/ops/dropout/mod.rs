//! Dropout (paper, section 5.4) whose mask is a function of a key, so that nothing has to be stored or replayed.
//!
//! **Why fused:** a generator with a state costs a lock and a draw per element, and a stored mask costs memory and its
//! traffic twice. Here the backward pass draws the same mask again, in registers.

use burn::tensor::{Tensor, TensorData};

#[cfg(feature = "flex")]
use crate::autodiff;
#[cfg(feature = "flex")]
pub(crate) mod cpu;

/// Which elements fall out: each with probability `rate`, as `key` and its index in row-major order decide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    pub key: u64,
    /// At least 0 and below 1.
    pub rate: f64,
}

impl Dropout {
    /// What each element is multiplied by: 0, or 1 / (1 − rate).
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

/// A [`Dropout`] in the form in which factors are drawn.
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

    /// `target = source · factors`, for the elements from index `first` on.
    #[cfg(feature = "flex")]
    #[inline(always)]
    pub(crate) fn apply(&self, target: &mut [f32], source: &[f32], first: usize) {
        let mut index = first as u32;
        for (target, source) in target.iter_mut().zip(source) {
            *target = source * self.factor(index);
            index = index.wrapping_add(1);
        }
    }

    /// `values *= factors`, likewise.
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

/// A 32-bit mixer (Wellons 2018): a bijection without visible bias, of operations that vectorise.
#[inline(always)]
fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x21F0_AAAD);
    x ^= x >> 15;
    x = x.wrapping_mul(0x735A_2D97);
    x ^ (x >> 15)
}

/// Zeroes each element with the dropout's probability and scales the rest so that the mean stays.
pub fn dropout<const D: usize>(x: Tensor<D>, dropout: Dropout) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&x) {
        return cpu::dropout(x, dropout);
    }
    portable(x, dropout)
}

/// The definition: a product with [`Dropout::factors`].
pub fn portable<const D: usize>(x: Tensor<D>, dropout: Dropout) -> Tensor<D> {
    let shape = x.dims();
    let mask = TensorData::new(dropout.factors(shape.iter().product()), shape);
    x.clone() * Tensor::from_data(mask, &x.device().without_autodiff())
}
