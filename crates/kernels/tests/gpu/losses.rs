use burn::tensor::{Device, Int, Tensor, TensorData};
use kernels::embedding::embedding;
use kernels::projection_loss::{LabelSmoothing, Projection, Targets, projection_loss};
use kernels::r_drop_loss::r_drop_loss;

use crate::{Leaf, close, equals_the_definition, floats, gpu, values};

fn ids(ids: &[i32], device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(ids.to_vec(), [ids.len()]), &device.clone().without_autodiff())
}

/// Ids below `vocabulary`, some of them padding and some twice.
fn some_ids(len: usize, vocabulary: usize) -> Vec<i32> {
    (0..len).map(|i| if i % 5 == 4 { vocabulary as i32 - 1 } else { (i * 7 % vocabulary) as i32 }).collect()
}

#[test]
fn losses_equal_their_definition() {
    let shapes = [(1, 1, 2), (17, 3, 33), (70, 33, 301)];
    for ((rows, width, vocabulary), has_bias) in shapes.into_iter().zip([false, true, false]) {
        for alpha in [None, Some(0.7)] {
            let smoothing = LabelSmoothing { epsilon: 0.1, pad_id: vocabulary - 1 };
            let targets = some_ids(rows, vocabulary);
            let inputs = |device: &Device| {
                let passes = if alpha.is_some() { 2 } else { 1 };
                let hidden = values([passes * rows, width], 0.1, device).require_grad();
                let matrix = values([vocabulary, width], 0.2, device).require_grad();
                let bias = has_bias.then(|| values([vocabulary], 0.3, device).require_grad());
                (Projection { hidden, matrix, bias }, Targets { ids: ids(&targets, device), smoothing })
            };
            let loss = |projection, targets| match alpha {
                None => projection_loss(projection, targets),
                Some(alpha) => r_drop_loss(projection, targets, alpha),
            };
            let name = format!("{rows} × {width} × {vocabulary} {alpha:?}");
            equals_the_definition(&name, 2e-5, |device| {
                let (projection, targets) = inputs(device);
                let leaves = [
                    ("hidden", Leaf::Two(projection.hidden.clone())),
                    ("matrix", Leaf::Two(projection.matrix.clone())),
                ];
                let bias = projection.bias.clone().map(|bias| ("bias", Leaf::One(bias)));
                (loss(projection, targets).smoothed, leaves.into_iter().chain(bias).collect())
            });
            let nll = |device: &Device| {
                let (projection, targets) = inputs(&device.clone().autodiff());
                floats(loss(projection, targets).nll)
            };
            close(&name, &nll(&gpu()), &kernels::with_portable_ops(|| nll(&Device::flex())), 1e-5);
        }
    }
}

/// A vocabulary with which 65 rows are two blocks of logits, the rows of one or two passes.
#[test]
fn blocks_of_rows_add_up() {
    let (rows, vocabulary, device) = (65, 262_145, gpu());
    let targets = some_ids(rows, vocabulary);
    let hidden = values([2 * rows, 1], 0.1, &device);
    let of = |first: usize, last: usize, alpha: Option<f64>| {
        let pass = |pass: usize| hidden.clone().slice([pass * rows + first..pass * rows + last, 0..1]);
        let states = match alpha {
            None => pass(0),
            Some(_) => Tensor::cat(vec![pass(0), pass(1)], 0),
        };
        let states = states.autodiff().require_grad();
        let matrix = values([vocabulary, 1], 0.2, &device).autodiff().require_grad();
        let smoothing = LabelSmoothing { epsilon: 0.1, pad_id: vocabulary - 1 };
        let projection = Projection { hidden: states.clone(), matrix: matrix.clone(), bias: None };
        let targets = Targets { ids: ids(&targets[first..last], &device), smoothing };
        let loss = match alpha {
            None => projection_loss(projection, targets),
            Some(alpha) => r_drop_loss(projection, targets, alpha),
        };
        let gradients = loss.smoothed.clone().backward();
        let gradient = |leaf: Tensor<2>| floats(leaf.grad(&gradients).expect("a gradient"));
        [floats(loss.smoothed), gradient(states), gradient(matrix)]
    };
    for alpha in [None, Some(0.7)] {
        let [loss, hidden, matrix] = of(0, rows, alpha);
        let [first, last] = [of(0, 64, alpha), of(64, 65, alpha)];
        let sum = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f32>>();
        close("loss", &loss, &sum(&first[0], &last[0]), 1e-6);
        close("matrix", &matrix, &sum(&first[2], &last[2]), 1e-5);
        // The rows of each pass: those of the first block, then those of the second.
        let passes = first[1].chunks(64).zip(last[1].chunks(1));
        close("hidden", &hidden, &passes.flat_map(|(first, last)| [first, last].concat()).collect::<Vec<_>>(), 1e-5);
    }
}

#[test]
fn embeddings_equal_their_definition() {
    for (batch, len, vocabulary, width) in [(1, 1, 1, 1), (3, 17, 29, 5), (2, 9, 200, 133)] {
        equals_the_definition(&format!("{batch} × {len} of {vocabulary} × {width}"), 1e-5, |device| {
            let matrix = values([vocabulary, width], 0.1, device).require_grad();
            let ids = ids(&some_ids(batch * len, vocabulary), device).reshape([batch, len]);
            (embedding(matrix.clone(), ids, 3.0), vec![("matrix", Leaf::Two(matrix))])
        });
    }
}
