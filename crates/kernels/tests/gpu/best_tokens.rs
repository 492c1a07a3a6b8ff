use burn::tensor::{Device, Tensor, TensorData};
use kernels::best_tokens::best_tokens;

use crate::{close, floats, gpu, values};

#[test]
fn the_best_tokens_equal_their_definition() {
    for (rows, vocabulary, count) in [(1, 2, 1), (3, 17, 16), (5, 1000, 10)] {
        let best =
            |device: &Device| floats(best_tokens(values([rows, vocabulary], 0.1, device).mul_scalar(5.0), count));
        let (found, expected) = (best(&gpu()), kernels::with_portable_ops(|| best(&Device::flex())));
        let tokens = |best: &[f32]| best.iter().step_by(2).copied().collect::<Vec<_>>();
        assert_eq!(tokens(&found), tokens(&expected), "{rows} × {vocabulary}");
        close("log-probabilities", &found, &expected, 1e-6);
    }
}

#[test]
fn ties_are_in_the_order_of_ids() {
    let logits = vec![1.0f32, 3.0, 3.0, 1.0, 3.0, 9.0];
    let best = best_tokens(Tensor::from_data(TensorData::new(logits, [1, 6]), &gpu()), 5);
    assert_eq!(floats(best).into_iter().step_by(2).collect::<Vec<_>>(), [1.0, 2.0, 4.0, 0.0, 3.0]);
}

#[test]
fn logits_that_are_not_finite_show() {
    for wrong in [f32::NAN, f32::INFINITY] {
        let logits = Tensor::from_data(TensorData::new(vec![0.0, wrong, 1.0, 2.0], [1, 4]), &gpu());
        assert!(!floats(best_tokens(logits, 1))[1].is_finite(), "{wrong}");
    }
}
