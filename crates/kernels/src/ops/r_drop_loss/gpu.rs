//! The R-Drop loss for GPUs: the logits of both passes, overwritten by their gradients.

use cubecl::prelude::*;

use crate::gpu::{UNITS, integers, row_major, sum_of_cube};
use crate::projection_loss::gpu::{Block, Loss, Sizes, loss_sums, row_of};
use crate::projection_loss::{LossSums, Projection, Targets};

pub fn r_drop_loss(projection: Projection, targets: Targets, alpha: f64) -> LossSums {
    let Targets { ids, smoothing } = targets;
    let targets = row_major(integers(ids));
    loss_sums(projection, Loss { targets, smoothing, passes: 2, launch, alpha: alpha as f32 })
}

fn launch(loss: &Loss, block: Block) {
    let Block { client, count, dim, logits, bias, targets, losses, sizes } = block;
    let [a, b] = logits.try_into().ok().expect("the logits of two passes");
    let (bias, quarter) = (bias.into(), loss.alpha / 4.0);
    // SAFETY: logits hold `rows * vocabulary` values, targets and losses at least `first + rows` rows; targets are ids of the
    // vocabulary, and the kernel compares rows and columns with these numbers.
    unsafe {
        r_drop_kernel::launch_unchecked(&client, count, dim, a, b, bias, targets, losses, sizes, quarter);
    }
}

/// The formulas are those of the form for the CPU.
#[cube(launch_unchecked)]
fn r_drop_kernel(
    a: &mut [f32],
    b: &mut [f32],
    bias: ComptimeOption<&[f32]>,
    targets: &[i32],
    losses: &mut [f32],
    sizes: Sizes,
    quarter: f32,
) {
    let row = CUBE_POS as u32;
    if row >= sizes.rows {
        terminate!();
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let vocabulary = sizes.vocabulary;
    let epsilon = sizes.epsilon;
    let target = u32::cast_from(targets[(sizes.first + row) as usize]);
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
    let real = target != sizes.pad;
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
        let at = (2u32 * (sizes.first + row)) as usize;
        losses[at] = select(real, smoothed, 0.0f32);
        losses[at + 1] = select(real, nll, 0.0f32);
    }
}
