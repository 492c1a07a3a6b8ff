use burn::tensor::{Device, Tensor};
use kernels::Dropout;
use kernels::residual::{LayerNorm, add, add_and_norm, add_and_rms_norm, layer_norm, rms_norm};

use crate::{Leaf, equals_the_definition, values};

const SHAPES: [[usize; 3]; 3] = [[1, 1, 3], [3, 17, 33], [2, 9, 301]];

fn inputs(shape: [usize; 3], device: &Device) -> (Tensor<3>, Tensor<3>, Tensor<1>, Tensor<1>) {
    let leaf = |seed| values(shape, seed, device).require_grad();
    let parameter = |seed| values([shape[2]], seed, device).require_grad();
    (leaf(0.1), leaf(0.2), parameter(0.3), parameter(0.4))
}

#[test]
fn connections_equal_their_definition() {
    let dropout = Dropout { key: 77, rate: 0.25 };
    for shape in SHAPES {
        for dropout in [None, Some(dropout)] {
            let name = format!("{shape:?} {dropout:?}");
            equals_the_definition(&format!("sum {name}"), 1e-6, |device| {
                let (x, change, ..) = inputs(shape, device);
                (add(x.clone(), change.clone(), dropout), vec![("x", Leaf::Three(x)), ("change", Leaf::Three(change))])
            });
            equals_the_definition(&format!("layer norm of a sum {name}"), 2e-5, |device| {
                let (x, change, gamma, beta) = inputs(shape, device);
                let norm = LayerNorm { gamma: gamma.clone(), beta: beta.clone(), epsilon: 1e-5 };
                let result = add_and_norm(x.clone(), change.clone(), dropout, norm);
                let parameters = [("gamma", Leaf::One(gamma)), ("beta", Leaf::One(beta))];
                let inputs = [("x", Leaf::Three(x)), ("change", Leaf::Three(change))];
                (result, inputs.into_iter().chain(parameters).collect())
            });
            equals_the_definition(&format!("RMS norm of a sum {name}"), 2e-5, |device| {
                let (x, change, gamma, _) = inputs(shape, device);
                let result = add_and_rms_norm(x.clone(), change.clone(), dropout, gamma.clone(), 1e-5);
                (result, vec![("x", Leaf::Three(x)), ("change", Leaf::Three(change)), ("gamma", Leaf::One(gamma))])
            });
        }
    }
}

#[test]
fn norms_equal_their_definition() {
    for shape in SHAPES {
        equals_the_definition(&format!("layer norm {shape:?}"), 2e-5, |device| {
            let (x, _, gamma, beta) = inputs(shape, device);
            let norm = LayerNorm { gamma: gamma.clone(), beta: beta.clone(), epsilon: 1e-5 };
            (
                layer_norm(x.clone(), norm),
                vec![("x", Leaf::Three(x)), ("gamma", Leaf::One(gamma)), ("beta", Leaf::One(beta))],
            )
        });
        equals_the_definition(&format!("RMS norm {shape:?}"), 2e-5, |device| {
            let (x, _, gamma, _) = inputs(shape, device);
            (rms_norm(x.clone(), gamma.clone(), 1e-5), vec![("x", Leaf::Three(x)), ("gamma", Leaf::One(gamma))])
        });
    }
}
