use burn::tensor::{Device, Tensor};
use kernels::attention::{Scoring, attention};
use kernels::mask::KeyLengths;
use kernels::{Dropout, Mask};

use crate::{Leaf, equals_the_definition, floats, gpu, values};

/// Heads of `[batch, len, heads * size]`, as a layer makes them: a view.
fn heads(x: &Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, len, width] = x.dims();
    x.clone().reshape([batch, len, heads, width / heads]).swap_dims(1, 2)
}

fn check(
    name: &str,
    [batch, n_heads, query_len, key_len, size]: [usize; 5],
    mask: Option<&Mask>,
    dropout: Option<Dropout>,
) {
    equals_the_definition(name, 2e-5, |device: &Device| {
        let leaf = |len, seed| values([batch, len, n_heads * size], seed, device).require_grad();
        let (queries, keys, values) = (leaf(query_len, 0.1), leaf(key_len, 0.2), leaf(key_len, 0.3));
        let [q, k, v] = [&queries, &keys, &values].map(|x| heads(x, n_heads));
        let result = attention(q, k, v, Scoring::scaled(size), mask, dropout);
        (result, vec![("queries", Leaf::Three(queries)), ("keys", Leaf::Three(keys)), ("values", Leaf::Three(values))])
    });
}

#[test]
fn attention_equals_its_definition_with_every_mask() {
    let shapes: [[usize; 5]; 3] = [[1, 1, 1, 1, 1], [3, 2, 17, 17, 5], [2, 3, 9, 70, 4]];
    let dropout = Dropout { key: 5, rate: 0.2 };
    for (i, shape) in shapes.into_iter().enumerate() {
        let lengths: Vec<usize> = (0..shape[0]).map(|row| shape[3].saturating_sub(3 * row)).collect();
        let lengths = KeyLengths::new(&lengths);
        let masks =
            [None, Some(Mask::Causal), Some(Mask::Padding(lengths.clone())), Some(Mask::CausalPadding(lengths))];
        for mask in masks.into_iter().take(if i == 1 { 4 } else { 3 }) {
            check(&format!("{shape:?} {mask:?}"), shape, mask.as_ref(), None);
        }
        check(&format!("{shape:?}, the first key"), shape, Some(&Mask::First(1)), None);
        check(&format!("{shape:?} with dropout"), shape, None, Some(dropout));
    }
}

#[test]
fn attention_with_a_bias_equals_its_definition() {
    let (dropout, size) = (Dropout { key: 6, rate: 0.3 }, 4);
    let shapes: [[usize; 4]; 4] = [[1, 1, 1, 1], [2, 3, 17, 17], [1, 2, 1, 40], [3, 2, 70, 5]];
    for [batch, n_heads, query_len, key_len] in shapes {
        let lengths = KeyLengths::new(&vec![key_len.div_ceil(2); batch]);
        let causal = (query_len == key_len).then_some(Mask::CausalPadding(lengths.clone()));
        for mask in [None, Some(Mask::Padding(lengths)), Some(Mask::First(key_len.div_ceil(3))), causal] {
            let name = format!("{batch} {n_heads} {query_len} {key_len} {mask:?}");
            equals_the_definition(&name, 2e-5, |device: &Device| {
                let leaf = |len, seed| values([batch, len, n_heads * size], seed, device).require_grad();
                let (queries, keys, values_) = (leaf(query_len, 0.1), leaf(key_len, 0.2), leaf(key_len, 0.3));
                let bias = values([n_heads, query_len + key_len - 1], 0.4, device).require_grad();
                let [q, k, v] = [&queries, &keys, &values_].map(|x| heads(x, n_heads));
                let scoring = Scoring { divisor: 1.7, bias: Some(bias.clone()) };
                let result = attention(q, k, v, scoring, mask.as_ref(), Some(dropout));
                let [queries, keys, values_] = [queries, keys, values_].map(Leaf::Three);
                let leaves = [("queries", queries), ("keys", keys), ("values", values_), ("bias", Leaf::Two(bias))];
                (result, leaves.into())
            });
        }
    }
}

#[test]
fn attention_without_keys_is_zero() {
    let device = gpu().autodiff();
    let [queries, keys] = [3, 0].map(|len| Tensor::<4>::ones([2, 1, len, 4], &device).require_grad());
    for dropout in [None, Some(Dropout { key: 5, rate: 0.2 })] {
        let (values, scoring) = (keys.clone(), Scoring::scaled(4));
        let result = attention(queries.clone(), keys.clone(), values, scoring, None, dropout);
        assert_eq!(floats(result.clone()), [0.0; 24]);
        let gradients = result.sum().backward();
        assert_eq!(floats(queries.grad(&gradients).expect("a gradient")), [0.0; 24]);
        assert_eq!(keys.grad(&gradients).expect("a gradient").dims(), [2, 1, 0, 4]);
    }
}

#[test]
fn a_row_without_visible_keys_is_zero() {
    let mask = Mask::Padding(KeyLengths::new(&[0, 2]));
    check("no key", [2, 1, 3, 3, 4], Some(&mask), None);
}
