//! The Adam step for GPUs: a launch per tensor, which also clips the gradient and updates the moving average; and the global
//! norm, whose sums have a fixed order.

use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::adam::{AdamState, AdamStep, Average};
use crate::gpu::{UNITS, empty, len, owned, per_cube, per_element, primitive, row_major, sum_of_cube, tensor};

pub fn adam(
    state: AdamState,
    gradient: Tensor<1>,
    factor: Option<Tensor<1>>,
    average: Option<Average>,
    step: AdamStep,
) -> (AdamState, Option<Tensor<1>>) {
    let AdamState { weight, first, second } = state;
    let [weight, first, second] = [weight, first, second].map(|tensor| owned(primitive(tensor)));
    let gradient = row_major(primitive(gradient));
    let factor = factor.map(|factor| row_major(primitive(factor)));
    let (average, kept) =
        average.map_or((None, 0.0), |Average { weight, kept }| (Some(owned(primitive(weight))), kept));
    let elements = len(&weight);
    let others = [Some(&first), Some(&second), Some(&gradient), average.as_ref()];
    assert!(others.into_iter().flatten().all(|other| len(other) == elements), "means and gradient fit the weight");
    assert!(factor.as_ref().is_none_or(|factor| len(factor) == 1), "one factor for the whole gradient");
    let [correction_1, correction_2] = step.bias_corrections();
    let rates = RatesLaunch::new(
        step.beta_1 as f32,
        (1.0 - step.beta_1) as f32,
        step.beta_2 as f32,
        (1.0 - step.beta_2) as f32,
        step.epsilon as f32,
        (1.0 / correction_2.sqrt()) as f32,
        (step.learning_rate / correction_1) as f32,
        (1.0 - step.learning_rate * step.weight_decay) as f32,
        kept as f32,
        (1.0 - kept) as f32,
    );
    let client = weight.client.clone();
    let (count, dim) = per_element(&client, elements);
    // SAFETY: every buffer holds `elements` values, and the factor one; the kernel compares each position with `elements`.
    unsafe {
        adam_kernel::launch_unchecked(
            &client,
            count,
            dim,
            weight.clone().into_buffer_arg(),
            first.clone().into_buffer_arg(),
            second.clone().into_buffer_arg(),
            gradient.into_buffer_arg(),
            factor.map(CubeTensor::into_buffer_arg).into(),
            average.clone().map(CubeTensor::into_buffer_arg).into(),
            elements as u32,
            rates,
        );
    }
    let [weight, first, second] = [weight, first, second].map(tensor);
    (AdamState { weight, first, second }, average.map(tensor))
}

#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Rates {
    beta_1: f32,
    rest_1: f32,
    beta_2: f32,
    rest_2: f32,
    epsilon: f32,
    widening: f32,
    rate: f32,
    shrunk: f32,
    kept: f32,
    replaced: f32,
}

#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
fn adam_kernel(
    weight: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    gradient: &[f32],
    factor: ComptimeOption<&[f32]>,
    average: ComptimeOption<&mut [f32]>,
    elements: u32,
    rates: Rates,
) {
    if ABSOLUTE_POS >= elements as usize {
        terminate!();
    }
    #[comptime]
    let factor = match factor {
        ComptimeOption::Some(factor) => factor[0],
        ComptimeOption::None => 1.0f32,
    };
    let slope = gradient[ABSOLUTE_POS] * factor;
    let mean = rates.beta_1 * first[ABSOLUTE_POS] + rates.rest_1 * slope;
    let square = rates.beta_2 * second[ABSOLUTE_POS] + rates.rest_2 * (slope * slope);
    let change = mean / (square.sqrt() * rates.widening + rates.epsilon);
    let changed = weight[ABSOLUTE_POS] * rates.shrunk - rates.rate * change;
    first[ABSOLUTE_POS] = mean;
    second[ABSOLUTE_POS] = square;
    weight[ABSOLUTE_POS] = changed;
    #[comptime]
    if let ComptimeOption::Some(average) = average {
        average[ABSOLUTE_POS] = average[ABSOLUTE_POS] * rates.kept + changed * rates.replaced;
    }
}

/// Values that a cube adds.
const BLOCK: usize = 64 * UNITS as usize;

/// Tensors of a launch: with the sums, as many buffers as every device binds.
const TENSORS: usize = 6;

/// The root of the sum of all squares, `[1]`.
pub fn norm(gradients: Vec<CubeTensor>) -> Tensor<1> {
    let gradients: Vec<CubeTensor> = gradients.into_iter().map(row_major).collect();
    let blocks = |gradient: &CubeTensor| len(gradient).div_ceil(BLOCK);
    let total: usize = gradients.iter().map(blocks).sum();
    let sums = empty(&gradients[0], [total]);
    let client = sums.client.clone();
    let mut first = 0;
    for group in gradients.chunks(TENSORS) {
        let at = |i: usize| group.get(i).unwrap_or(&group[0]).clone().into_buffer_arg();
        let len = |i: usize| group.get(i).map_or(0, len) as u32;
        let cubes = group.iter().map(blocks).sum();
        let (count, dim) = per_cube(&client, cubes);
        let lengths = LengthsLaunch::new(len(0), len(1), len(2), len(3), len(4), len(5));
        // SAFETY: each buffer holds as many values as its length states, and the kernel compares positions with it.
        // `first + cubes` is at most the length of `sums`.
        unsafe {
            let sums = sums.clone().into_buffer_arg();
            squares_kernel::launch_unchecked(
                &client,
                count,
                dim,
                at(0),
                at(1),
                at(2),
                at(3),
                at(4),
                at(5),
                sums,
                lengths,
                first as u32,
                cubes as u32,
            );
        }
        first += cubes;
    }
    let result = empty(&sums, [1]);
    // SAFETY: `sums` holds `total` values and the result one.
    unsafe {
        let (count, dim) = per_cube(&client, 1);
        let arguments = (sums.into_buffer_arg(), result.clone().into_buffer_arg());
        root_kernel::launch_unchecked(&client, count, dim, arguments.0, arguments.1, total as u32);
    }
    tensor(result)
}

#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Lengths {
    a: u32,
    b: u32,
    c: u32,
    d: u32,
    e: u32,
    f: u32,
}

/// The sum of the squares of each block: those of `a` first, then those of `b`, and so on.
#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
fn squares_kernel(
    a: &[f32],
    b: &[f32],
    c: &[f32],
    d: &[f32],
    e: &[f32],
    f: &[f32],
    sums: &mut [f32],
    lengths: Lengths,
    first: u32,
    cubes: u32,
) {
    let cube = CUBE_POS as u32;
    if cube >= cubes {
        terminate!();
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let after_a = blocks(lengths.a);
    let after_b = after_a + blocks(lengths.b);
    let after_c = after_b + blocks(lengths.c);
    let after_d = after_c + blocks(lengths.d);
    let after_e = after_d + blocks(lengths.e);
    let sum = if cube < after_a {
        squares(a, cube, lengths.a)
    } else if cube < after_b {
        squares(b, cube - after_a, lengths.b)
    } else if cube < after_c {
        squares(c, cube - after_b, lengths.c)
    } else if cube < after_d {
        squares(d, cube - after_c, lengths.d)
    } else if cube < after_e {
        squares(e, cube - after_d, lengths.e)
    } else {
        squares(f, cube - after_e, lengths.f)
    };
    let sum = sum_of_cube(sum, &mut shared);
    if UNIT_POS == 0 {
        sums[(first + cube) as usize] = sum;
    }
}

#[allow(clippy::manual_div_ceil)] // in a kernel
#[cube]
fn blocks(len: u32) -> u32 {
    let block = comptime!(BLOCK as u32);
    (len + block - 1u32) / block
}

/// The sum of a unit's squares within one block.
#[cube]
fn squares(values: &[f32], block: u32, len: u32) -> f32 {
    let size = comptime!(BLOCK as u32);
    let end = min((block + 1u32) * size, len);
    let mut at = block * size + UNIT_POS;
    let mut sum = 0.0f32;
    while at < end {
        let value = values[at as usize];
        sum += value * value;
        at += CUBE_DIM;
    }
    sum
}

#[cube(launch_unchecked)]
fn root_kernel(sums: &[f32], root: &mut [f32], total: u32) {
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let mut at = UNIT_POS;
    let mut sum = 0.0f32;
    while at < total {
        sum += sums[at as usize];
        at += CUBE_DIM;
    }
    let sum = sum_of_cube(sum, &mut shared);
    if UNIT_POS == 0 {
        root[0] = sum.sqrt();
    }
}
