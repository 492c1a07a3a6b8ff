use burn::tensor::{Device, Tensor};
use kernels::adam::{AdamState, AdamStep, Average, GlobalNorm, clipped_adam};

use crate::{bits, close, floats, gpu, values};

const RATES: AdamStep =
    AdamStep { beta_1: 0.9, beta_2: 0.98, epsilon: 1e-9, learning_rate: 0.01, weight_decay: 0.1, step: 3 };

/// Weight, moments and average after a step, of `n` values.
fn stepped(n: usize, device: &Device, clips: bool, averages: bool) -> Vec<Tensor<1>> {
    let of = |seed| values([n], seed, device);
    let state = AdamState { weight: of(0.1), first: of(0.2), second: of(0.3).square() };
    let factor = clips.then(|| Tensor::<1>::from_floats([0.4], device));
    let average = averages.then(|| Average { weight: of(0.5), kept: 0.9 });
    let (AdamState { weight, first, second }, average) = clipped_adam(state, of(0.4), factor, average, RATES);
    [weight, first, second].into_iter().chain(average).collect()
}

#[test]
fn steps_equal_their_definition() {
    for (n, clips, averages) in [(1, false, false), (301, true, true), (1000, true, false)] {
        let found = stepped(n, &gpu(), clips, averages);
        let expected = kernels::with_portable_ops(|| stepped(n, &Device::flex(), clips, averages));
        assert_eq!(found.len(), if averages { 4 } else { 3 });
        for (found, expected) in found.into_iter().zip(expected) {
            close("state", &floats(found), &floats(expected), 1e-6);
        }
    }
}

#[test]
fn shared_tensors_are_not_changed() {
    let device = gpu();
    let of = |seed| values([17], seed, &device);
    let state = AdamState { weight: of(0.1), first: of(0.2), second: of(0.3).square() };
    let (before, kept) = (state.clone(), state.clone());
    clipped_adam(state, of(0.4), None, None, RATES);
    assert_eq!(bits(kept.weight), bits(values([17], 0.1, &device)));
    assert_eq!(bits(before.first), bits(of(0.2)));
}

#[test]
fn the_global_norm_is_a_sum_in_a_fixed_order() {
    let device = gpu();
    let sizes: [&[usize]; 2] = [&[3], &[1, 17, 20_000, 8192, 8193, 5, 7, 300, 9000]];
    for sizes in sizes {
        let norm = || {
            let mut norm = GlobalNorm::default();
            sizes.iter().for_each(|&n| norm.add(values([n], 0.1, &device)));
            norm.root().expect("tensors")
        };
        let expected = sizes.iter().flat_map(|&n| floats(values([n], 0.1, &device)));
        let expected = expected.map(|x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt() as f32;
        close("norm", &floats(norm()), &[expected], 1e-5);
        assert_eq!(bits(norm()), bits(norm()));
    }
}

#[test]
fn a_norm_adds_tensors_with_and_without_kernels() {
    let device = gpu();
    let mut norm = GlobalNorm::default();
    kernels::with_portable_ops(|| norm.add(Tensor::<1>::from_floats([1.0, 2.0], &device)));
    norm.add(Tensor::<1>::from_floats([2.0, 4.0], &device));
    close("norm", &floats(norm.root().expect("tensors")), &[5.0], 1e-6);
}
