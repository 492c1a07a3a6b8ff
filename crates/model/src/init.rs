//! Initial weights: Xavier-uniform matrices (Glorot and Bengio 2010), normal embeddings, zero biases, unit gains.
//!
//! In a post-norm stack, query, key and value matrices are smaller by √½, as PyTorch's `MultiheadAttention` draws them,
//! which takes them for one matrix `[3·d_model, d_model]`: with larger ones training stays on a plateau for thousands of
//! updates. A pre-norm stack, through which the residual passes unnormed, gets going without.
//!
//! Each weight is drawn on the host by (seed, its name, order of norm), so every backend starts from the same numbers.

use crate::config::NormOrder;
use crate::random::{self, Rng};
use crate::transformer::Transformer;
use crate::weights;

pub(crate) fn initialise(blank: Transformer, norm: NormOrder, seed: u64) -> Transformer {
    weights::replace(blank, |name, shape| initial(name, shape, norm, seed))
}

/// The initial values of one weight in PyTorch's layout.
fn initial(name: &str, shape: &[usize], norm: NormOrder, seed: u64) -> Vec<f32> {
    let size = shape.iter().product();
    let mut stream = Rng::new(random::key(&[seed, WEIGHTS, random::name_key(name)]));
    match (name.rsplit('.').next(), shape) {
        (Some("gamma"), _) => vec![1.0; size],
        (_, [_]) => vec![0.0; size], // every other vector is a bias
        (Some("weight"), [fan_out, fan_in]) => {
            let limit = gain(name, norm) * (6.0 / (fan_in + fan_out) as f64).sqrt();
            (0..size).map(|_| ((2.0 * stream.uniform() - 1.0) * limit) as f32).collect()
        }
        (Some("table"), [_, width]) => normal(&mut stream, size, *width),
        (_, [_, width]) => {
            // Deviation d^-½: times √d it gives the embedding, and as a projection the logits, a variance of one.
            let mut values = normal(&mut stream, size, *width);
            values[size - width..].fill(0.0); // <pad>
            values
        }
        _ => unreachable!("weights are vectors or matrices"),
    }
}

fn gain(matrix: &str, norm: NormOrder) -> f64 {
    let into_heads = [".query.", ".key.", ".value."].iter().any(|part| matrix.contains(part));
    if norm == NormOrder::Post && into_heads { 0.5f64.sqrt() } else { 1.0 }
}

fn normal(stream: &mut Rng, size: usize, width: usize) -> Vec<f32> {
    let deviation = (width as f64).powf(-0.5);
    (0..size).map(|_| (stream.normal() * deviation) as f32).collect()
}

/// Keeps the keys of weights apart from those of dropout and data under the same seed.
const WEIGHTS: u64 = 0x1417;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_fill_their_range_which_is_smaller_for_those_into_the_heads_of_a_post_norm_stack() {
        let limit = (6.0f32 / (64.0 + 32.0)).sqrt();
        let smaller = limit * 0.5f32.sqrt();
        for (part, norm, expected) in [
            ("query", NormOrder::Post, smaller),
            ("key", NormOrder::Post, smaller),
            ("value", NormOrder::Post, smaller),
            ("output", NormOrder::Post, limit),
            ("query", NormOrder::Pre, limit),
        ] {
            let name = format!("encoder.layers.0.self_attention.{part}.weight");
            let values = initial(&name, &[64, 32], norm, 1);
            let largest = values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            assert!(largest <= expected && largest > 0.99 * expected, "{part}, {norm:?}: {largest} of {expected}");
        }
    }
}
