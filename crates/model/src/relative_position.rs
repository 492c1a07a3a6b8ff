//! Relative positions (Raffel et al. 2020): a trained term of each attention score by head and distance.
//!
//! > "we use a simplified form of position embeddings where each “embedding” is simply a scalar that is added to the
//! > corresponding logit used for computing the attention weights." (T5, section 2.1)
//!
//! Short distances have a term each; longer ones share terms in intervals that grow with the distance. The encoder
//! distinguishes earlier from later keys; the decoder sees only earlier ones.
//!
//! ```
//! use model::relative_position::bucket;
//!
//! let encoder = |distance| bucket(distance, 32, 128, true);
//! assert_eq!([0, -1, -7, -8, -127, -500].map(encoder), [0, 1, 7, 8, 15, 15]); // earlier keys
//! assert_eq!([1, 7, 8, 500].map(encoder), [17, 23, 24, 31]); // later keys
//! let decoder = |distance| bucket(distance, 32, 128, false);
//! assert_eq!([0, -1, -15, -16, -500, 3].map(decoder), [0, 1, 15, 16, 31, 0]);
//! ```

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::config::ModelConfig;

/// The terms of one stack, or of one layer.
#[derive(Module, Debug)]
pub struct RelativePositions {
    /// A term per bucket of distances and head, `[relative_buckets, n_heads]`.
    pub bias: Param<Tensor<2>>,
    max_distance: usize,
    /// Whether later keys have buckets of their own.
    both_directions: bool,
}

impl RelativePositions {
    /// The terms of a stack of `layers` layers, all zero: none, one for all layers, or one for each.
    pub fn of_stack(config: &ModelConfig, layers: usize, both_directions: bool, device: &Device) -> Vec<Self> {
        let count = config.relative_tables(layers);
        let new = |_| Self {
            bias: Initializer::Zeros.init([config.relative_buckets, config.n_heads], device),
            max_distance: config.relative_max_distance,
            both_directions,
        };
        (0..count).map(new).collect()
    }

    /// The terms by head and distance, `[head, query_len + key_len - 1]`, as attention reads them. Queries have the last
    /// positions of the keys.
    pub fn forward(&self, query_len: usize, key_len: usize) -> Tensor<2> {
        self.terms(key_len - 1, query_len + key_len - 1)
    }

    /// The terms of one query at position `at` and the keys of a buffer of `capacity` positions, `[head, capacity]`. Those of
    /// keys after the query have no meaning.
    pub fn step(&self, at: usize, capacity: usize) -> Tensor<2> {
        self.terms(at, capacity)
    }

    /// The terms of `columns` consecutive distances, `[head, columns]`; that of column `zero` is 0.
    fn terms(&self, zero: usize, columns: usize) -> Tensor<2> {
        let [buckets, _] = self.bias.dims();
        let bucket = |column: usize| {
            let distance = column as isize - zero as isize;
            bucket(distance, buckets, self.max_distance, self.both_directions) as i32
        };
        let bias = self.bias.val();
        let data = TensorData::new((0..columns).map(bucket).collect::<Vec<i32>>(), [columns]);
        let rows = Tensor::<1, Int>::from_data(data, &bias.device());
        bias.select(0, rows).transpose()
    }
}

/// The terms of each layer of a stack in one pass; a shared one is computed once.
pub(crate) struct StackBias {
    biases: Vec<Tensor<2>>,
}

impl StackBias {
    pub fn new(positions: &[RelativePositions], query_len: usize, key_len: usize) -> Self {
        Self { biases: positions.iter().map(|positions| positions.forward(query_len, key_len)).collect() }
    }

    /// The terms of one query at position `at` and a buffer of `capacity` keys.
    pub fn of_step(positions: &[RelativePositions], at: usize, capacity: usize) -> Self {
        Self { biases: positions.iter().map(|positions| positions.step(at, capacity)).collect() }
    }

    /// The terms of one layer, if there are any.
    pub fn layer(&self, layer: usize) -> Option<&Tensor<2>> {
        self.biases.get(layer).or(self.biases.first())
    }
}

/// The bucket of a distance, key position minus query position.
///
/// Half of a direction's buckets hold one distance each. The others divide the distances up to `max_distance`
/// logarithmically; the last one holds all beyond. Computed in float32, as by the programs that train such models, since
/// rounding decides at the boundaries.
pub fn bucket(distance: isize, buckets: usize, max_distance: usize, both_directions: bool) -> usize {
    let (buckets, first) = match both_directions {
        true => (buckets / 2, if distance > 0 { buckets / 2 } else { 0 }),
        false => (buckets, 0),
    };
    let far = match both_directions {
        true => distance.unsigned_abs(),
        false => distance.min(0).unsigned_abs(),
    };
    let single = buckets / 2;
    if far < single {
        return first + far;
    }
    let share = (far as f32 / single as f32).ln() / (max_distance as f64 / single as f64).ln() as f32;
    let interval = (share * (buckets - single) as f32) as usize;
    first + (single + interval).min(buckets - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances at which the shared buckets begin, as transformers has them.
    #[test]
    fn intervals_begin_where_those_of_transformers_do() {
        let cases: [(usize, usize, bool, &[usize]); 6] = [
            (32, 128, true, &[8, 12, 16, 23, 32, 46, 64, 91]),
            (32, 128, false, &[16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113]),
            (64, 256, true, &[16, 20, 23, 27, 32, 39, 46, 54, 64, 77, 91, 108, 128, 153, 182, 216]),
            (8, 20, false, &[4, 6, 9, 14]),
            (12, 500, true, &[3, 17, 91]),
            (12, 500, false, &[6, 13, 27, 55, 115, 240]),
        ];
        for (buckets, max_distance, both_directions, expected) in cases {
            let bucket = |distance| bucket(distance, buckets, max_distance, both_directions);
            let single = if both_directions { buckets / 4 } else { buckets / 2 };
            let begins = (single..1000).filter(|&far| bucket(-(far as isize)) != bucket(1 - far as isize));
            assert_eq!(begins.collect::<Vec<_>>(), expected, "{buckets}, {max_distance}, {both_directions}");
            for far in 1..1000 {
                let later = if both_directions { bucket(-far) + buckets / 2 } else { 0 };
                assert_eq!(bucket(far), later, "{buckets}, {max_distance}, {both_directions}, {far}");
            }
        }
    }
}
