//! Activations on GPUs.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::Curve;
use crate::gpu::{self, Elementwise, Kept, exactly, row_major};

impl gpu::Operation for Curve {
    fn forward(&self, inputs: Vec<CubeTensor>, tracked: bool) -> (CubeTensor, Kept) {
        let [x] = exactly(inputs).map(row_major);
        let result = gpu::elementwise([x.clone()], |Elementwise { client, count, dim, inputs: [x], out, elements }| {
            // SAFETY: both buffers hold `elements` values, with which the kernel compares every position.
            unsafe { curve_kernel::launch_unchecked(&client, count, dim, x, out, elements, *self) }
        });
        (result, if tracked { vec![x] } else { vec![] })
    }

    fn backward(&self, kept: Kept, gradient: CubeTensor, _wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        let [x] = exactly(kept);
        let launch = |Elementwise { client, count, dim, inputs: [x, gradient], out, elements }: Elementwise<2>| {
            // SAFETY: all buffers hold `elements` values, with which the kernel compares every position.
            unsafe { slope_kernel::launch_unchecked(&client, count, dim, x, gradient, out, elements, *self) }
        };
        vec![Some(gpu::elementwise([x, gradient], launch))]
    }
}

/// √(2/π)
const ROOT: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

#[allow(unstable_name_collisions)] // the standard library may have an `erf` one day
#[cube(launch_unchecked)]
fn curve_kernel(input: &[f32], out: &mut [f32], elements: u32, #[comptime] curve: Curve) {
    if ABSOLUTE_POS < elements as usize {
        let x = input[ABSOLUTE_POS];
        let half = 0.5f32 * x;
        out[ABSOLUTE_POS] = match comptime!(curve) {
            Curve::Gelu => half + half * (x * std::f32::consts::FRAC_1_SQRT_2).erf(),
            Curve::GeluTanh => half + half * tanh(ROOT * (x + CUBIC * x * x * x)),
            Curve::Silu => half + half * tanh(half),
        };
    }
}

#[allow(unstable_name_collisions)] // the standard library may have an `erf` one day
#[cube(launch_unchecked)]
fn slope_kernel(input: &[f32], gradient: &[f32], out: &mut [f32], elements: u32, #[comptime] curve: Curve) {
    if ABSOLUTE_POS < elements as usize {
        let x = input[ABSOLUTE_POS];
        let slope = match comptime!(curve) {
            // Φ(x) + x · φ(x), with the density φ(x) = exp(−x²/2) / √(2π)
            Curve::Gelu => {
                let share = 0.5f32 + 0.5f32 * (x * std::f32::consts::FRAC_1_SQRT_2).erf();
                share
                    + x * (0.0f32 - 0.5f32 * x * x).exp()
                        * (0.5f32 * std::f32::consts::FRAC_1_SQRT_2 * std::f32::consts::FRAC_2_SQRT_PI)
            }
            Curve::GeluTanh => {
                let t = tanh(ROOT * (x + CUBIC * x * x * x));
                let inner = ROOT * (1.0f32 + 3.0f32 * CUBIC * x * x);
                0.5f32 * (1.0f32 + t) + 0.5f32 * x * (1.0f32 - t * t) * inner
            }
            // s + x · s · (1 − s), with s the sigmoid
            Curve::Silu => {
                let share = 0.5f32 + 0.5f32 * tanh(0.5f32 * x);
                share + x * share * (1.0f32 - share)
            }
        };
        out[ABSOLUTE_POS] = gradient[ABSOLUTE_POS] * slope;
    }
}

/// tanh(x), without the overflow that some devices have for a large x.
#[cube]
fn tanh(x: f32) -> f32 {
    let power = (-2.0f32 * x.abs()).exp();
    let size = (1.0f32 - power) / (1.0f32 + power);
    select(x < 0.0f32, -size, size)
}
