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
        let [rows, vocabulary, count] = [rows, vocabulary, count].map(|size| size as u32);
        best_kernel::launch_unchecked(&client, cubes, dim, logits, best, rows, vocabulary, count, f32::NAN);
    }
    tensor(best)
}

/// A number in the order of `f32::total_cmp`: devices need not compare infinities and NaN as the host does.
#[cube]
fn order(value: f32) -> u32 {
    let bits = u32::reinterpret(value);
    let flipped = select(bits >= 0x8000_0000u32, 0xFFFF_FFFFu32, 0x8000_0000u32);
    bits ^ flipped
}

/// 1 for NaN and +∞, with which no log-probability is a number; otherwise 0. A logit of −∞ is that of an impossible token.
#[cube]
fn is_wrong(value: f32) -> f32 {
    let bits = u32::reinterpret(value);
    let infinite = (bits & 0x7FFF_FFFFu32) >= 0x7F80_0000u32;
    select(infinite && bits != 0xFF80_0000u32, 1.0f32, 0.0f32)
}

#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
fn best_kernel(logits: &[f32], best: &mut [f32], rows: u32, vocabulary: u32, count: u32, not_a_number: f32) {
    let row = CUBE_POS as u32;
    if row >= rows {
        terminate!();
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let mut orders = Shared::<[u32]>::new_slice(comptime!(UNITS as usize));
    let mut places = Shared::<[u32]>::new_slice(comptime!(UNITS as usize));
    let unit = UNIT_POS as usize;
    let start = row * vocabulary;
    let candidates = vocabulary - 1u32; // `<pad>` is last
    let mut peak = f32::new(f32::MIN);
    let mut wrong = 0.0f32;
    let mut word = UNIT_POS;
    while word < candidates {
        let logit = logits[(start + word) as usize];
        wrong = max(wrong, is_wrong(logit));
        peak = max(peak, logit);
        word += CUBE_DIM;
    }
    let wrong = max_of_cube(wrong, &mut shared);
    let peak = max_of_cube(peak, &mut shared);
    let mut total = 0.0f32;
    word = UNIT_POS;
    while word < candidates {
        total += (logits[(start + word) as usize] - peak).exp();
        word += CUBE_DIM;
    }
    let total = sum_of_cube(total, &mut shared);
    // The total is at least the peak's 1, except without any possible token.
    let known = wrong == 0.0f32 && total > 0.5f32;
    let normaliser = select(known, peak + total.ln(), not_a_number);

    // The order and the word found last: the next comes after both.
    let mut last = 0xFFFF_FFFFu32;
    let mut after = 0u32;
    for rank in 0..count {
        let mut found = 0u32;
        let mut place = candidates;
        word = UNIT_POS;
        while word < candidates {
            let own = order(logits[(start + word) as usize]);
            let follows = own < last || (own == last && word >= after);
            if follows && own > found {
                found = own;
                place = word;
            }
            word += CUBE_DIM;
        }
        sync_cube();
        orders[unit] = found;
        places[unit] = place;
        sync_cube();
        let mut half = CUBE_DIM as usize / 2;
        while half > 0 {
            if unit < half {
                let other = orders[unit + half];
                let its_place = places[unit + half];
                if other > orders[unit] || (other == orders[unit] && its_place < places[unit]) {
                    orders[unit] = other;
                    places[unit] = its_place;
                }
            }
            sync_cube();
            half /= 2;
        }
        last = orders[0];
        after = places[0] + 1u32;
        if UNIT_POS == 0 {
            let at = (2u32 * (row * count + rank)) as usize;
            best[at] = f32::cast_from(places[0]);
            best[at + 1] = logits[(start + places[0]) as usize] - normaliser;
        }
    }
}
