//! Fused dropout for GPUs: the mask of the host, bit for bit, computed where it is applied.

use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::dropout::{Dropout, DropoutMask};
use crate::gpu::{self, Elementwise, Kept, exactly};

pub fn dropout<const D: usize>(x: Tensor<D>, dropout: Dropout) -> Tensor<D> {
    gpu::one(x, dropout)
}

impl gpu::Operation for Dropout {
    fn forward(&self, inputs: Vec<CubeTensor>, _tracked: bool) -> (CubeTensor, Kept) {
        let [x] = exactly(inputs);
        (self.applied_on_gpu(x), Vec::new())
    }

    fn backward(&self, _kept: Kept, gradient: CubeTensor, _wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        vec![Some(self.applied_on_gpu(gradient))]
    }
}

impl Dropout {
    /// The product with the mask.
    pub(crate) fn applied_on_gpu(&self, x: CubeTensor) -> CubeTensor {
        gpu::elementwise([x], |Elementwise { client, count, dim, inputs: [x], out, elements }| {
            // SAFETY: both buffers hold `elements` values, and the kernel compares every position with that number.
            unsafe {
                dropout_kernel::launch_unchecked(&client, count, dim, x, out, elements, arguments(Some(*self)));
            }
        })
    }
}

/// The arguments of a kernel; without dropout, a mask that it does not read.
pub(crate) fn arguments(dropout: Option<Dropout>) -> DropoutArgumentsLaunch {
    let DropoutMask { low, high, threshold, scale } = dropout.unwrap_or(Dropout { key: 0, rate: 0.0 }).prepare();
    DropoutArgumentsLaunch::new(low, high, threshold, scale)
}

/// A [`DropoutMask`] as a kernel sees it.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(crate) struct DropoutArguments {
    low: u32,
    high: u32,
    threshold: u32,
    scale: f32,
}

/// The factor of the element with this index: [`DropoutMask::factor`].
#[cube]
pub(crate) fn factor(mask: &DropoutArguments, index: u32) -> f32 {
    let drawn = mix(mix(index ^ mask.low) + mask.high);
    select(drawn >= mask.threshold, mask.scale, 0.0f32)
}

#[cube]
fn mix(x: u32) -> u32 {
    let a = x ^ (x >> 16u32);
    let b = a * 0x21F0_AAADu32;
    let c = b ^ (b >> 15u32);
    let d = c * 0x735A_2D97u32;
    d ^ (d >> 15u32)
}

#[cube(launch_unchecked)]
fn dropout_kernel(x: &[f32], out: &mut [f32], elements: u32, mask: DropoutArguments) {
    if ABSOLUTE_POS < elements as usize {
        out[ABSOLUTE_POS] = x[ABSOLUTE_POS] * factor(&mask, ABSOLUTE_POS as u32);
    }
}
