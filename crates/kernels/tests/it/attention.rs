//! Fused attention against its portable definition: every mask, biases by distance, and views.

use burn::tensor::{Bool, Device, Tensor, TensorData};
use kernels::Dropout;
use kernels::attention::{self, Scoring};
use kernels::mask::{KeyLengths, Mask};

use crate::oracle::{backward, close, device, leaf};

/// `true` = hidden, `[batch, 1, queries, keys]`.
fn mask(batch: usize, queries: usize, keys: usize, hidden: impl Fn(usize, usize, usize) -> bool) -> Mask {
    let mut data = Vec::new();
    for b in 0..batch {
        for q in 0..queries {
            data.extend((0..keys).map(|k| hidden(b, q, k)));
        }
    }
    Tensor::<4, Bool>::from_data(TensorData::new(data, [batch, 1, queries, keys]), &Device::flex()).into()
}

#[test]
fn attention_of_every_mask() {
    for (batch, heads, queries, keys, head_size) in
        [(1, 1, 1, 1usize, 1), (2, 3, 5, 7, 4), (3, 2, 70, 70, 8), (2, 4, 1, 9, 16)]
    {
        let lengths: Vec<usize> = (0..batch).map(|row: usize| keys.saturating_sub(2 * row)).collect();
        let masks = [
            ("none", None),
            ("padding", Some(mask(batch, 1, keys, |b, _, k| k >= keys.saturating_sub(b + 1)))), // some see nothing
            ("causal", Some(mask(1, queries, keys, |_, q, k| k > q))),
            ("ragged", Some(mask(batch, queries, keys, |b, q, k| k >= (b + q) % (keys + 1)))),
            ("holes", Some(mask(batch, queries, keys, |b, q, k| (b + q + k) % 3 == 0))), // not only last keys
            ("everything", Some(mask(1, 1, keys, |_, _, _| true))),
            ("lengths", Mask::padding(&lengths, keys + 1)),
            ("known causal", Some(Mask::Causal)),
            ("causal lengths", Some(Mask::CausalPadding(KeyLengths::new(&lengths)))),
        ];
        for (kind, mask) in masks {
            for dropped in [None, Some(Dropout { key: 3, rate: 0.2 })] {
                let q = leaf([batch, queries, heads, head_size]);
                let (k, v) = (leaf([batch, keys, heads, head_size]), leaf([batch, heads, keys, head_size]));
                let heads = |x: &Tensor<4>| x.clone().swap_dims(1, 2); // views, as the model makes them
                let scoring = || Scoring::scaled(head_size);
                compare!(
                    format!("attention {batch} {queries} {keys} {head_size}, {kind}, {dropped:?}"),
                    attention::attention(heads(&q), heads(&k), v.clone(), scoring(), mask.as_ref(), dropped),
                    attention::portable(heads(&q), heads(&k), v.clone(), scoring(), mask.as_ref(), dropped),
                    [q, k, v]
                );
            }
        }
    }
}

#[test]
fn attention_with_a_bias_by_distance() {
    for (batch, heads, queries, keys, head_size) in
        [(1, 1, 1, 1usize, 1), (2, 3, 5, 7, 4), (3, 2, 70, 70, 8), (2, 4, 1, 9, 16)]
    {
        let lengths: Vec<usize> = (0..batch).map(|row: usize| keys.saturating_sub(2 * row)).collect();
        let masks = [
            ("none", None),
            ("holes", Some(mask(batch, queries, keys, |b, q, k| (b + q + k) % 3 == 0))),
            ("lengths", Mask::padding(&lengths, keys + 1)),
            ("causal", Some(Mask::Causal)),
        ];
        for (kind, mask) in masks {
            for dropped in [None, Some(Dropout { key: 3, rate: 0.2 })] {
                let (q, k) = (leaf([batch, heads, queries, head_size]), leaf([batch, heads, keys, head_size]));
                let (v, bias) = (leaf([batch, heads, keys, head_size]), leaf([queries + keys - 1, heads]));
                // A view, as the model makes it.
                let scoring = || Scoring { divisor: 0.7, bias: Some(bias.clone().transpose()) };
                compare!(
                    format!("attention {batch} {queries} {keys} {head_size} with a bias, {kind}, {dropped:?}"),
                    attention::attention(q.clone(), k.clone(), v.clone(), scoring(), mask.as_ref(), dropped),
                    attention::portable(q.clone(), k.clone(), v.clone(), scoring(), mask.as_ref(), dropped),
                    [q, k, v, bias]
                );
            }
        }
    }
}

/// A mask by its kind and as a tensor gives the same bits.
#[test]
fn known_masks_equal_their_tensors() {
    let (q, k) = (leaf([2, 2, 70, 8]), leaf([2, 2, 70, 8]));
    let lengths = KeyLengths::new(&[70, 0]);
    for mask in [Mask::Causal, Mask::Padding(lengths.clone()), Mask::CausalPadding(lengths)] {
        let explicit = Mask::from(mask.tensor(70, 70, &device()));
        let [known, explicit] = [mask, explicit].map(|mask| {
            let context = attention::attention(q.clone(), k.clone(), k.clone(), Scoring::scaled(8), Some(&mask), None);
            context.into_data().iter::<f32>().collect::<Vec<_>>()
        });
        assert_eq!(known, explicit);
    }
}

#[test]
fn attention_over_views_that_run_backwards() {
    for len in [1, 2, 3, 20] {
        let (q, k, v) = (leaf([1, 2, len, 5]), leaf([1, 2, len, 5]), leaf([1, 2, len, 5]));
        let flipped = |x: &Tensor<4>| x.clone().flip([2]);
        compare!(
            format!("{len} positions backwards"),
            attention::attention(flipped(&q), flipped(&k), flipped(&v), Scoring::scaled(5), None, None),
            attention::portable(flipped(&q), flipped(&k), flipped(&v), Scoring::scaled(5), None, None),
            [q, k, v]
        );
    }
}
