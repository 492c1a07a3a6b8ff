//! Initial weights: Xavier-uniform matrices (Glorot and Bengio 2010), normal embeddings, zero biases, unit gains.
//!
//! In a post-norm stack, query, key and value matrices are smaller by √½. PyTorch's `MultiheadAttention` does the same,
//! since it draws the three as one matrix `[3·d_model, d_model]`. With larger ones training stays on a plateau for
//! thousands of updates. A pre-norm stack, whose residual passes unnormed, does not need it.
//!
//! Each weight is a function of (seed, its name, order of norm) computed on the host, so every backend starts from the
//! same numbers.

use burn::module::Module;

use crate::config::NormOrder;
use crate::random::{self, Rng};
use crate::weights;

/// Initialises every weight of a module.
pub(crate) fn initialise<M: Module>(module: M, norm: NormOrder, seed: u64) -> M {
    weights::replace(module, |name, shape| initial(name, shape, norm, seed))
}

/// The initial values of one weight in PyTorch's layout.
fn initial(name: &str, shape: &[usize], norm: NormOrder, seed: u64) -> Vec<f32> {
    let size = shape.iter().product();
    let mut rng = Rng::new(random::key(&[seed, WEIGHTS, random::name_key(name)]));
    match (name.rsplit('.').next(), shape) {
        (Some("gamma"), _) => vec![1.0; size],
        (_, [_]) => vec![0.0; size], // every other vector is a bias
        (Some("weight"), [fan_out, fan_in]) => {
            let limit = gain(name, norm) * (6.0 / (fan_in + fan_out) as f64).sqrt();
            (0..size).map(|_| ((2.0 * rng.uniform() - 1.0) * limit) as f32).collect()
        }
        (Some("table"), [_, width]) => normal(&mut rng, size, *width),
        (_, [_, width]) => {
            // Deviation d^-½: times √d it gives the embedding, and as a projection the logits, a variance of one.
            let mut values = normal(&mut rng, size, *width);
            values[size - width..].fill(0.0); // <pad>
            values
        }
        _ => unreachable!("weights are vectors or matrices"),
    }
}

/// The factor of a matrix's Xavier limit.
fn gain(matrix: &str, norm: NormOrder) -> f64 {
    let into_heads = [".query.", ".key.", ".value."].iter().any(|part| matrix.contains(part));
    match (norm, into_heads) {
        (NormOrder::Post, true) => 0.5f64.sqrt(),
        (NormOrder::Post, false) | (NormOrder::Pre, _) => 1.0,
    }
}

fn normal(rng: &mut Rng, size: usize, width: usize) -> Vec<f32> {
    let deviation = (width as f64).powf(-0.5);
    (0..size).map(|_| (rng.normal() * deviation) as f32).collect()
}

/// Separates the keys of weights from those of dropout and data under the same seed.
const WEIGHTS: u64 = 0x1417;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_fill_their_range() {
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
