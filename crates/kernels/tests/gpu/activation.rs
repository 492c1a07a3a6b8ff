use kernels::activation::{Curve, activation};

use crate::{Leaf, equals_the_definition, values};

#[test]
fn activations_equal_their_definition() {
    for curve in [Curve::Gelu, Curve::GeluTanh, Curve::Silu] {
        for (shape, scale) in [([1, 1, 1], 1.0), ([3, 17, 7], 4.0), ([1, 1, 301], 100.0)] {
            equals_the_definition(&format!("{curve:?} {shape:?}"), 1e-5, |device| {
                let x = values(shape, 0.1, device).mul_scalar(scale).detach().require_grad();
                (activation(x.clone(), curve), vec![("x", Leaf::Three(x))])
            });
        }
    }
}
