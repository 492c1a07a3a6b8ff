//! The most probable tokens on a GPU: a cube per row, which looks for one token after the other.

use burn::tensor::Tensor;
use cubecl::prelude::*;

use crate::gpu::{UNITS, empty, max_of_cube, per_cube, primitive, row_major, sum_of_cube, tensor};

pub fn best_tokens(logits: Tensor<2>, count: usize) -> Tensor<3> {
    let [rows, vocabulary] = logits.dims();
    let logits = row_major(primitive(logits.without_autodiff()));
    let (client, best) = (logits.client.clone(), empty(&logits, [rows, count, 2]));
    let (cubes, dim) = per_cube(&client, rows);
    // SAFETY: logits hold `rows * vocabulary` values and the result two for each of `rows * count` tokens; the kernel compares
    // rows, words and tokens with these numbers.
    unsafe {
        let (logits, best) = (logits.into_buffer_arg(), best.clone().into_buffer_arg());
        let sizes = (rows as u32, vocabulary as u32, count as u32);
        best_kernel::launch_unchecked(&client, cubes, dim, logits, best, sizes.0, sizes.1, sizes.2);
    }
    tensor(best)
}

#[cube(launch_unchecked)]
fn best_kernel(logits: &[f32], best: &mut [f32], rows: u32, vocabulary: u32, count: u32) {
    let row = CUBE_POS as u32;
    if row >= rows {
        terminate!();
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let mut places = Shared::<[u32]>::new_slice(comptime!(UNITS as usize));
    let unit = UNIT_POS as usize;
    let start = row * vocabulary;
    let candidates = vocabulary - 1u32; // `<pad>` is last
    let mut peak = f32::new(-3.0e38f32);
    let mut word = UNIT_POS;
    while word < candidates {
        peak = max(peak, logits[(start + word) as usize]);
        word += CUBE_DIM;
    }
    let peak = max_of_cube(peak, &mut shared);
    let mut total = 0.0f32;
    word = UNIT_POS;
    while word < candidates {
        total += (logits[(start + word) as usize] - peak).exp();
        word += CUBE_DIM;
    }
    let normaliser = peak + sum_of_cube(total, &mut shared).ln();

    // The value and the word found last: the next comes after both.
    let mut last = f32::new(3.0e38f32);
    let mut after = 0u32;
    for rank in 0..count {
        let mut value = f32::new(-3.0e38f32);
        let mut place = candidates;
        word = UNIT_POS;
        while word < candidates {
            let logit = logits[(start + word) as usize];
            let follows = logit < last || (logit == last && word >= after);
            if follows && logit > value {
                value = logit;
                place = word;
            }
            word += CUBE_DIM;
        }
        sync_cube();
        shared[unit] = value;
        places[unit] = place;
        sync_cube();
        let mut half = CUBE_DIM as usize / 2;
        while half > 0 {
            if unit < half {
                let other = shared[unit + half];
                let its_place = places[unit + half];
                if other > shared[unit] || (other == shared[unit] && its_place < places[unit]) {
                    shared[unit] = other;
                    places[unit] = its_place;
                }
            }
            sync_cube();
            half /= 2;
        }
        last = shared[0];
        after = places[0] + 1u32;
        if UNIT_POS == 0 {
            let at = (2u32 * (row * count + rank)) as usize;
            best[at] = f32::cast_from(places[0]);
            best[at + 1] = last - normaliser;
        }
    }
}
