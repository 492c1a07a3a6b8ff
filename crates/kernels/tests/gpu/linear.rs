use kernels::linear::{Epilogue, linear};

use crate::{Leaf, equals_the_definition, values};

#[test]
fn layers_equal_their_definition() {
    for (rows, d_input, d_output) in [(1, 1, 1), (3, 17, 9), (67, 33, 130), (300, 71, 271)] {
        for (epilogue, has_bias) in
            [(Epilogue::None, true), (Epilogue::Relu, true), (Epilogue::Relu, false), (Epilogue::None, false)]
        {
            equals_the_definition(
                &format!("{rows} × {d_input} × {d_output} {epilogue:?} {has_bias}"),
                3e-5, // the gradient of the bias is a sum of up to 300 terms
                |device| {
                    let x = values([rows, d_input], 0.1, device).require_grad();
                    let weight = values([d_input, d_output], 0.2, device).require_grad();
                    let bias = has_bias.then(|| values([d_output], 0.3, device).require_grad());
                    let result = linear(x.clone(), weight.clone(), bias.clone(), epilogue);
                    let inputs = [("x", Leaf::Two(x)), ("weight", Leaf::Two(weight))];
                    (result, inputs.into_iter().chain(bias.map(|bias| ("bias", Leaf::One(bias)))).collect())
                },
            );
        }
    }
}
