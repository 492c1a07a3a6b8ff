//! Initial weights: Xavier-uniform matrices (Glorot and Bengio 2010), normal embeddings, zero biases, unit gains.
//!
//! In a post-norm stack, query, key and value matrices are smaller by √½. PyTorch's `MultiheadAttention` does the same,
//! since it draws the three as one matrix `[3·d_model, d_model]`. With larger ones training stays on a plateau for
//! thousands of updates. A pre-norm stack, whose residual passes unnormed, does not need it.
//!
//! Query matrices are smaller by 1/√d_k where scores are not divided by it, and embeddings of a network that scales its
//! logits have deviation 1, as in T5 (Raffel et al. 2020). Terms of relative positions are zero.
//!
//! Each weight is a function of (seed, its name, the options named here) computed on the host, so every backend starts from the
//! same numbers.

use burn::module::Module;

use crate::config::{ModelConfig, NormOrder};
use crate::random::{self, Rng};
use crate::weights;

/// Initialises every weight of a module.
pub(crate) fn initialise<M: Module>(module: M, config: &ModelConfig, seed: u64) -> M {
    weights::replace(module, |name, shape| initial(name, shape, config, seed))
}

/// The initial values of one weight in PyTorch's layout.
fn initial(name: &str, shape: &[usize], config: &ModelConfig, seed: u64) -> Vec<f32> {
    let size = shape.iter().product();
    let mut rng = Rng::new(random::key(&[seed, WEIGHTS, random::name_key(name)]));
    match (name.rsplit('.').next(), shape) {
        (Some("gamma"), _) => vec![1.0; size],
        (_, [_]) => vec![0.0; size], // every other vector is a bias
        (Some("weight"), [fan_out, fan_in]) => {
            let limit = gain(name, config) * (6.0 / (fan_in + fan_out) as f64).sqrt();
            (0..size).map(|_| ((2.0 * rng.uniform() - 1.0) * limit) as f32).collect()
        }
        (Some("table"), [_, width]) => normal(&mut rng, size, (*width as f64).powf(-0.5)),
        (Some("bias"), [_, _]) => vec![0.0; size], // the terms of relative positions
        (_, [_, width]) => {
            // Deviation d^-½: times √d it gives the embedding, and as a projection the logits, a variance of one.
            let inverse_root = (*width as f64).powf(-0.5);
            let deviation = if config.scale_logits && !config.scale_embeddings { 1.0 } else { inverse_root };
            let mut values = normal(&mut rng, size, deviation);
            values[size - width..].fill(0.0); // <pad>
            values
        }
        _ => unreachable!("weights are vectors or matrices"),
    }
}

/// The factor of a matrix's Xavier limit.
fn gain(matrix: &str, config: &ModelConfig) -> f64 {
    let into_heads = [".query.", ".key.", ".value."].iter().any(|part| matrix.contains(part));
    let gain = match (config.norm, into_heads) {
        (NormOrder::Post, true) => 0.5f64.sqrt(),
        (NormOrder::Post, false) | (NormOrder::Pre, _) => 1.0,
    };
    match matrix.contains(".query.") && !config.scale_attention {
        true => gain / (config.head_size() as f64).sqrt(),
        false => gain,
    }
}

fn normal(rng: &mut Rng, size: usize, deviation: f64) -> Vec<f32> {
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
            let config = ModelConfig { norm, ..ModelConfig::default() };
            let values = initial(&name, &[64, 32], &config, 1);
            let unscaled = ModelConfig { scale_attention: false, ..config };
            let divisor = if part == "query" { 8.0 } else { 1.0 }; // √64, the width of a head
            let others = initial(&name, &[64, 32], &unscaled, 1);
            assert!(values.iter().zip(&others).all(|(a, b)| (a - divisor * b).abs() < 1e-6), "{part}, unscaled");
            let largest = values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            assert!(largest <= expected && largest > 0.99 * expected, "{part}, {norm:?}: {largest} of {expected}");
        }
    }
}
