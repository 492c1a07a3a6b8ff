//! Fused activations and gated units for the CPU.
//!
//! Each curve is x · share(x), where the share is a function of x between 0 and 1.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::Curve;
use crate::array::Array;
use crate::autodiff::{self, Kept};
use crate::simd::{exp, vectorised};

pub fn activation<const D: usize>(x: Tensor<D>, curve: Curve) -> Tensor<D> {
    autodiff::one(x, curve)
}

pub fn gated<const D: usize>(gate: Tensor<D>, inner: Tensor<D>, curve: Curve) -> Tensor<D> {
    assert_eq!(gate.dims(), inner.dims(), "the gate has the shape of the inner layer");
    autodiff::two(gate, inner, Gated { curve })
}

/// Elements per block.
const BLOCK: usize = 1 << 14;

impl autodiff::Operation for Curve {
    fn forward(&self, inputs: Vec<Array>, tracked: bool) -> (Array, Kept) {
        let [x] = autodiff::exactly(inputs).map(Array::row_major);
        let kept = if tracked { vec![x.clone()] } else { vec![] };
        let mut y = x;
        y.values_mut().par_chunks_mut(BLOCK).for_each(|values| match self {
            Self::Gelu => vectorised!(values.iter_mut().for_each(|x| *x *= gelu(*x).0)),
            Self::GeluTanh => vectorised!(values.iter_mut().for_each(|x| *x *= gelu_tanh(*x).0)),
            Self::Silu => vectorised!(values.iter_mut().for_each(|x| *x *= silu(*x).0)),
        });
        (y, kept)
    }

    fn backward(&self, kept: Kept, gradient: Array, _wanted: &[bool]) -> Vec<Option<Array>> {
        let [x] = autodiff::exactly(kept);
        let mut gradient = gradient.row_major();
        let blocks = gradient.values_mut().par_chunks_mut(BLOCK).zip(x.values().par_chunks(BLOCK));
        blocks.for_each(|(d, x)| match self {
            Self::Gelu => vectorised!(slopes(d, x, gelu)),
            Self::GeluTanh => vectorised!(slopes(d, x, gelu_tanh)),
            Self::Silu => vectorised!(slopes(d, x, silu)),
        });
        vec![Some(gradient)]
    }
}

/// Multiplies a gradient by the slope of x · share(x).
#[inline(always)]
fn slopes(gradient: &mut [f32], x: &[f32], share: impl Fn(f32) -> (f32, f32)) {
    for (d, &x) in gradient.iter_mut().zip(x) {
        let (share, slope) = share(x);
        *d *= share + x * slope;
    }
}

/// curve(gate) · inner
#[derive(Debug)]
struct Gated {
    curve: Curve,
}

impl autodiff::Operation for Gated {
    fn forward(&self, inputs: Vec<Array>, tracked: bool) -> (Array, Kept) {
        let [gate, inner] = autodiff::exactly(inputs).map(Array::row_major);
        let kept = if tracked { vec![gate.clone(), inner.clone()] } else { vec![] };
        let mut y = inner;
        let blocks = y.values_mut().par_chunks_mut(BLOCK).zip(gate.values().par_chunks(BLOCK));
        blocks.for_each(|(y, gate)| match self.curve {
            Curve::Gelu => vectorised!(y.iter_mut().zip(gate).for_each(|(y, &g)| *y *= g * gelu(g).0)),
            Curve::GeluTanh => vectorised!(y.iter_mut().zip(gate).for_each(|(y, &g)| *y *= g * gelu_tanh(g).0)),
            Curve::Silu => vectorised!(y.iter_mut().zip(gate).for_each(|(y, &g)| *y *= g * silu(g).0)),
        });
        (y, kept)
    }

    fn backward(&self, kept: Kept, gradient: Array, _wanted: &[bool]) -> Vec<Option<Array>> {
        let [gate, inner] = autodiff::exactly(kept);
        let mut d_inner = gradient.row_major();
        let mut d_gate = inner;
        let both = d_gate.values_mut().par_chunks_mut(BLOCK).zip(d_inner.values_mut().par_chunks_mut(BLOCK));
        both.zip(gate.values().par_chunks(BLOCK)).for_each(|((d_gate, d_inner), gate)| match self.curve {
            Curve::Gelu => vectorised!(gated_slopes(d_gate, d_inner, gate, gelu)),
            Curve::GeluTanh => vectorised!(gated_slopes(d_gate, d_inner, gate, gelu_tanh)),
            Curve::Silu => vectorised!(gated_slopes(d_gate, d_inner, gate, silu)),
        });
        vec![Some(d_gate), Some(d_inner)]
    }
}

/// Replaces the inner values by the gradient of the gate, and that of the product by that of the inner values.
#[inline(always)]
fn gated_slopes(inner: &mut [f32], gradient: &mut [f32], gate: &[f32], share: impl Fn(f32) -> (f32, f32)) {
    for ((inner, d), &gate) in inner.iter_mut().zip(gradient).zip(gate) {
        let (share, slope) = share(gate);
        *inner *= *d * (share + gate * slope);
        *d *= gate * share;
    }
}

/// Φ(x) and its slope. erf has an absolute error of 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26).
#[inline(always)]
fn gelu(x: f32) -> (f32, f32) {
    const ROOT: f32 = std::f32::consts::FRAC_1_SQRT_2;
    const DENSITY: f32 = 0.398_942_3; // 1 / √(2π)
    let t = 1.0 / (1.0 + 0.327_591_1 * ROOT * x.abs());
    let power = exp(-0.5 * x * x);
    let tail = t * (0.254_829_6 + t * (-0.284_496_72 + t * (1.421_413_8 + t * (-1.453_152 + t * 1.061_405_4))));
    let beyond = 0.5 * tail * power; // Φ(−|x|)
    (if x > 0.0 { 1.0 - beyond } else { beyond }, DENSITY * power)
}

/// The share of GELU's approximation and its slope.
#[inline(always)]
fn gelu_tanh(x: f32) -> (f32, f32) {
    const TWICE_ROOT: f32 = 1.595_769; // 2 · √(2/π)
    const CUBIC: f32 = 0.044_715;
    let share = sigmoid(TWICE_ROOT * (x + CUBIC * x * x * x));
    (share, share * (1.0 - share) * TWICE_ROOT * (1.0 + 3.0 * CUBIC * x * x))
}

/// sigmoid(x) and its slope.
#[inline(always)]
fn silu(x: f32) -> (f32, f32) {
    let share = sigmoid(x);
    (share, share * (1.0 - share))
}

/// 1 / (1 + e⁻ˣ), which overflows for no x.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(if x < -87.0 { 87.0 } else { -x }))
}
