//! Initial weights: Xavier-uniform matrices (Glorot and Bengio 2010), normal embeddings, zero biases, unit gains.
//!
//! Each weight is drawn on the host by (seed, its name), so every backend starts from the same numbers.

use crate::random::{self, Stream};
use crate::transformer::Transformer;
use crate::weights;

pub(crate) fn initialise(blank: Transformer, seed: u64) -> Transformer {
    weights::replace(blank, |name, shape| initial(name, shape, seed))
}

/// The initial values of one weight in PyTorch's layout.
fn initial(name: &str, shape: &[usize], seed: u64) -> Vec<f32> {
    let size = shape.iter().product();
    let mut stream = Stream::new(random::key(&[seed, WEIGHTS, random::name_key(name)]));
    match (name.rsplit('.').next(), shape) {
        (Some("gamma"), _) => vec![1.0; size],
        (_, [_]) => vec![0.0; size], // every other vector is a bias
        (Some("weight"), [fan_out, fan_in]) => {
            let limit = (6.0 / (fan_in + fan_out) as f64).sqrt();
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

fn normal(stream: &mut Stream, size: usize, width: usize) -> Vec<f32> {
    let deviation = (width as f64).powf(-0.5);
    (0..size).map(|_| (stream.normal() * deviation) as f32).collect()
}

/// Keeps the keys of weights apart from those of dropout and data under the same seed.
const WEIGHTS: u64 = 0x1417;
