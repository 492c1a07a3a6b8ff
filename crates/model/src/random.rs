//! Randomness as a function of (seed, purpose, position), never as the state of a generator.
//!
//! The same key gives the same numbers on every backend, at any thread count and after any interruption.

/// Folds words into one well-mixed 64-bit key: `key(&[seed, STEP, step, site])`.
pub fn key(parts: &[u64]) -> u64 {
    parts.iter().fold(0x243F_6A88_85A3_08D3, |state, &part| mix(state ^ mix(part.wrapping_add(GOLDEN))))
}

/// A key for a name, such as a parameter's.
pub fn name_key(name: &str) -> u64 {
    key(&name.bytes().map(u64::from).collect::<Vec<_>>())
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection in which every input bit reaches every output bit.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The sequence of numbers that belongs to one key (SplitMix64).
///
/// ```
/// use model::random::Rng;
/// let first: Vec<u64> = (0..3).map({ let mut rng = Rng::new(7); move |_| rng.next_u64() }).collect();
/// let again: Vec<u64> = (0..3).map({ let mut rng = Rng::new(7); move |_| rng.next_u64() }).collect();
/// assert_eq!(first, again);
/// ```
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The sequence of a [`key`].
    pub fn new(key: u64) -> Self {
        Self { state: key }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Uniform in [0, 1), with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform integer in `0..n`; `n` must not be zero.
    pub fn below(&mut self, n: usize) -> usize {
        // The high half of a 128-bit product; its bias of n / 2^64 is far too small to detect.
        ((self.next_u64() as u128 * n as u128) >> 64) as usize
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Shuffles in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_match_the_distributions() {
        let mut rng = Rng::new(key(&[1, 2]));
        let n = 100_000;
        let uniform = (0..n).map(|_| rng.uniform()).sum::<f64>() / n as f64;
        assert!((uniform - 0.5).abs() < 0.005, "{uniform}");
        let normal: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let mean = normal.iter().sum::<f64>() / n as f64;
        let variance = normal.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn keys_differ_by_every_part_and_by_order() {
        let keys = [key(&[1, 2]), key(&[2, 1]), key(&[1]), key(&[1, 2, 0]), name_key("a.b"), name_key("a.c")];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn a_shuffle_is_a_permutation() {
        let mut items: Vec<usize> = (0..100).collect();
        Rng::new(3).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
