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
fn impossible_tokens_are_last() {
    const IMPOSSIBLE: f32 = f32::NEG_INFINITY;
    let mut many = vec![IMPOSSIBLE; 301];
    many[77] = 0.5;
    many[300] = 9.0; // `<pad>`
    for logits in [vec![IMPOSSIBLE, 3.0, IMPOSSIBLE, -3.3e38, 1.0, 9.0], many] {
        let best = |device: &Device| {
            let logits = TensorData::new(logits.clone(), [1, logits.len()]);
            floats(best_tokens(Tensor::from_data(logits, device), 5))
        };
        let (found, expected) = (best(&gpu()), kernels::with_portable_ops(|| best(&Device::flex())));
        // Impossible tokens of the definition are in no order.
        let possible = expected.iter().skip(1).step_by(2).filter(|log| log.is_finite()).count();
        assert_eq!(
            found[..2 * possible].iter().step_by(2).collect::<Vec<_>>(),
            expected[..2 * possible].iter().step_by(2).collect::<Vec<_>>()
        );
        close("possible tokens", &found[..2 * possible], &expected[..2 * possible], 1e-6);
        let impossible = found.iter().skip(1).step_by(2).filter(|&&log| log == IMPOSSIBLE).count();
        assert_eq!(possible + impossible, 5, "{found:?}");
    }
}

#[test]
fn logits_that_are_not_finite_show() {
    const IMPOSSIBLE: f32 = f32::NEG_INFINITY;
    let few = |wrong| vec![0.0, wrong, 1.0, 2.0];
    let rest = |wrong| [vec![wrong; 299], vec![0.0, 1.0]].concat();
    for logits in [few(f32::NAN), few(-f32::NAN), few(f32::INFINITY), vec![IMPOSSIBLE; 4], rest(f32::NAN)] {
        let data = TensorData::new(logits.clone(), [1, logits.len()]);
        let best = floats(best_tokens(Tensor::from_data(data, &gpu()), 2));
        assert!(best[1].is_nan() && best[3].is_nan(), "{best:?} of {:?}", &logits[..4]);
    }
}
