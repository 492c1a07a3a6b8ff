//! The optimizer's update, sums and norms of gradients against their portable definitions.

use burn::tensor::{Device, Tensor, TensorData};
use kernels::adam::{self, AdamState, AdamStep};

use crate::oracle::close;

#[test]
fn adam_updates() {
    let values = |n: usize, scale: f32| {
        Tensor::<1>::from_data(
            TensorData::new((0..n).map(|i| scale * ((i % 17) as f32 - 8.0)).collect::<Vec<_>>(), [n]),
            &Device::flex(),
        )
    };
    for n in [1, 100, 40_000] {
        let start = || AdamState { weight: values(n, 0.3), first: values(n, 0.01), second: values(n, 0.02).abs() };
        for weight_decay in [0.0, 0.5] {
            let rates =
                AdamStep { beta_1: 0.9, beta_2: 0.98, epsilon: 1e-9, learning_rate: 0.01, weight_decay, step: 3 };
            let (oracle, shared) = (adam::portable(start(), values(n, 0.1), rates), start());
            // Tensors with one owner are updated in place, others are copied.
            for (how, moving) in [("in place", start()), ("shared", shared.clone())] {
                let ours = adam::adam(moving, values(n, 0.1), rates);
                close(&format!("weight, {how}"), ours.weight, oracle.weight.clone());
                close(&format!("first moment, {how}"), ours.first, oracle.first.clone());
                close(&format!("second moment, {how}"), ours.second, oracle.second.clone());
            }
            close("shared tensors are unchanged", shared.weight, start().weight);
        }
    }
}

#[test]
fn gradients_add_up_and_have_a_norm() {
    for (rows, width) in [(1, 1), (3, 7), (200, 200)] {
        let of = |scale: f32| {
            let values = (0..rows * width).map(|i| scale * ((i % 23) as f32 - 9.5)).collect::<Vec<_>>();
            Tensor::<2>::from_data(TensorData::new(values, [rows, width]), &Device::flex())
        };
        let shared = of(0.3);
        close("sum beside its first part", adam::accumulate(shared.clone(), of(0.7)), of(0.3) + of(0.7));
        close("the first part, untouched", shared, of(0.3));
        close("sum in place", adam::accumulate(of(0.3), of(0.7)), of(0.3) + of(0.7));
        close("squared norm", adam::squared_norm(of(0.3)), of(0.3).square().sum());
    }
}
