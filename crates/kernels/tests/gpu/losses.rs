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

/// Vocabularies with which 65 rows are two blocks of logits, the rows of one or two passes.
#[test]
fn several_blocks_equal_the_definition() {
    for (alpha, passes, vocabulary) in [(None, 1, 131_073), (Some(0.7), 2, 65_537)] {
        let rows = 65;
        // Gradients are sums of as many float32 terms as the vocabulary has, and GPUs add them one by one.
        equals_the_definition(&format!("{rows} × {vocabulary} {alpha:?}"), 1e-3, |device| {
            let hidden = values([passes * rows, 1], 0.1, device).require_grad();
            let matrix = values([vocabulary, 1], 0.2, device).require_grad();
            let projection = Projection { hidden: hidden.clone(), matrix: matrix.clone(), bias: None };
            let smoothing = LabelSmoothing { epsilon: 0.1, pad_id: vocabulary - 1 };
            let targets = Targets { ids: ids(&some_ids(rows, vocabulary), device), smoothing };
            let loss = match alpha {
                None => projection_loss(projection, targets),
                Some(alpha) => r_drop_loss(projection, targets, alpha),
            };
            (loss.smoothed, vec![("hidden", Leaf::Two(hidden)), ("matrix", Leaf::Two(matrix))])
        });
    }
}

/// The loss of 4 rows against `targets` of them.
fn loss_against(targets: usize, alpha: Option<f64>) {
    let device = gpu();
    let projection =
        Projection { hidden: values([4, 3], 0.1, &device), matrix: values([9, 3], 0.2, &device), bias: None };
    let targets =
        Targets { ids: ids(&some_ids(targets, 9), &device), smoothing: LabelSmoothing { epsilon: 0.1, pad_id: 8 } };
    match alpha {
        None => projection_loss(projection, targets),
        Some(alpha) => r_drop_loss(projection, targets, alpha),
    };
}

#[test]
#[should_panic = "a target per row"]
fn a_loss_has_a_target_per_row() {
    loss_against(3, None);
}

#[test]
#[should_panic = "a target per row"]
fn both_passes_have_the_same_targets() {
    loss_against(4, Some(0.7));
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

#[test]
fn ids_beyond_the_vocabulary_read_the_last_row() {
    let device = gpu();
    let matrix: Tensor<2> = values([3, 5], 0.1, &device);
    let of = |id: i32| floats(embedding(matrix.clone(), ids(&[id], &device).reshape([1, 1]), 1.0));
    for id in [2, 3, 1 << 20, i32::MAX, -1] {
        assert_eq!(of(id), floats(matrix.clone())[10..], "{id}");
    }
}
