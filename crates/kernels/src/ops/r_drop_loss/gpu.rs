//! The R-Drop loss for GPUs: the logits of both passes, overwritten by their gradients.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::gpu::{UNITS, integers, max_of_cube, per_cube, row_major, sum_of_cube};
use crate::projection_loss::gpu::{Loss, loss_sums};
use crate::projection_loss::{LossSums, Projection, Targets};

pub fn r_drop_loss(projection: Projection, targets: Targets, alpha: f64) -> LossSums {
    let Targets { ids, smoothing } = targets;
    let targets = row_major(integers(ids));
    loss_sums(projection, Loss { targets, smoothing, passes: 2, rows, alpha: alpha as f32 })
}

/// Replaces the logits of both passes by their gradients; zero for padding.
fn rows(
    loss: &Loss,
    logits: &[CubeTensor],
    bias: Option<&CubeTensor>,
    losses: &CubeTensor,
    [first, rows, vocabulary]: [usize; 3],
) {
    let client = losses.client.clone();
    let (count, dim) = per_cube(&client, rows);
    // SAFETY: logits hold `rows * vocabulary` values, targets and losses at least `first + rows` rows; targets are ids of the
    // vocabulary, and the kernel compares rows and columns with these numbers.
    unsafe {
        r_drop_kernel::launch_unchecked(
            &client,
            count,
            dim,
            logits[0].clone().into_buffer_arg(),
            logits[1].clone().into_buffer_arg(),
            bias.cloned().map(CubeTensor::into_buffer_arg).into(),
            loss.targets.clone().into_buffer_arg(),
            losses.clone().into_buffer_arg(),
            first as u32,
            rows as u32,
            vocabulary as u32,
            loss.smoothing.pad_id as u32,
            loss.smoothing.epsilon as f32,
            loss.alpha / 4.0,
        );
    }
}

/// Sums over the logits of one row.
#[derive(CubeType, Clone, Copy)]
struct Row {
    /// ln Σ exp(logit)
    normaliser: f32,
    average: f32,
    at_target: f32,
}

#[cube]
fn row_of(
    logits: &mut [f32],
    bias: &ComptimeOption<&[f32]>,
    start: u32,
    vocabulary: u32,
    target: u32,
    shared: &mut Shared<[f32]>,
) -> Row {
    let mut peak = f32::new(-3.0e38f32);
    let mut sum = 0.0f32;
    let mut chosen = 0.0f32;
    let mut word = UNIT_POS;
    while word < vocabulary {
        let at = (start + word) as usize;
        let mut logit = logits[at];
        #[comptime]
        if let ComptimeOption::Some(bias) = bias {
            logit += bias[word as usize];
            logits[at] = logit;
        }
        peak = max(peak, logit);
        sum += logit;
        chosen += select(word == target, logit, 0.0f32);
        word += CUBE_DIM;
    }
    let peak = max_of_cube(peak, shared);
    let average = sum_of_cube(sum, shared) / f32::cast_from(vocabulary);
    let at_target = sum_of_cube(chosen, shared);
    let mut total = 0.0f32;
    word = UNIT_POS;
    while word < vocabulary {
        total += (logits[(start + word) as usize] - peak).exp();
        word += CUBE_DIM;
    }
    let normaliser = peak + sum_of_cube(total, shared).ln();
    Row { normaliser, average, at_target }
}

/// The formulas are those of the form for the CPU.
#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
fn r_drop_kernel(
    a: &mut [f32],
    b: &mut [f32],
    bias: ComptimeOption<&[f32]>,
    targets: &[i32],
    losses: &mut [f32],
    first: u32,
    rows: u32,
    vocabulary: u32,
    pad: u32,
    epsilon: f32,
    quarter: f32,
) {
    let row = CUBE_POS as u32;
    if row >= rows {
        terminate!();
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let target = u32::cast_from(targets[(first + row) as usize]);
    let start = row * vocabulary;
    let of_a = row_of(a, &bias, start, vocabulary, target, &mut shared);
    let of_b = row_of(b, &bias, start, vocabulary, target, &mut shared);
    let mut kl_ab = 0.0f32;
    let mut kl_ba = 0.0f32;
    let mut word = UNIT_POS;
    while word < vocabulary {
        let log_a = a[(start + word) as usize] - of_a.normaliser;
        let log_b = b[(start + word) as usize] - of_b.normaliser;
        kl_ab += log_a.exp() * (log_a - log_b);
        kl_ba += log_b.exp() * (log_b - log_a);
        word += CUBE_DIM;
    }
    let kl_ab = sum_of_cube(kl_ab, &mut shared);
    let kl_ba = sum_of_cube(kl_ba, &mut shared);
    let rest = 1.0f32 - epsilon;
    let spread = epsilon / f32::cast_from(vocabulary);
    let real = target != pad;
    word = UNIT_POS;
    while word < vocabulary {
        let at = (start + word) as usize;
        let log_a = a[at] - of_a.normaliser;
        let log_b = b[at] - of_b.normaliser;
        let p = log_a.exp();
        let q = log_b.exp();
        let d = log_a - log_b;
        let smoothed = spread + select(word == target, rest, 0.0f32);
        let of_p = 0.5f32 * (p - smoothed) + quarter * (p * (d - kl_ab) + p - q);
        let of_q = 0.5f32 * (q - smoothed) + quarter * (q * (0.0f32 - d - kl_ba) + q - p);
        a[at] = select(real, of_p, 0.0f32);
        b[at] = select(real, of_q, 0.0f32);
        word += CUBE_DIM;
    }
    if UNIT_POS == 0 {
        let nll = 0.5f32 * (of_a.normaliser - of_a.at_target + of_b.normaliser - of_b.at_target);
        let chosen = 0.5f32 * rest * (of_a.at_target + of_b.at_target);
        let average = 0.5f32 * epsilon * (of_a.average + of_b.average);
        let entropy = 0.5f32 * (of_a.normaliser + of_b.normaliser) - chosen - average;
        let smoothed = entropy + quarter * (kl_ab + kl_ba);
        let at = (2u32 * (first + row)) as usize;
        losses[at] = select(real, smoothed, 0.0f32);
        losses[at + 1] = select(real, nll, 0.0f32);
    }
}
