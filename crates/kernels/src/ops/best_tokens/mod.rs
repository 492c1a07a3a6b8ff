//! The most probable tokens of each row of logits.
//!
//! **Why fused:** a search on a GPU needs a few tokens of each row. Read back as they are, the logits are 38 MB a token for
//! 256 rows and a vocabulary of 37,000; the tokens of a beam of five are 20 KB.

#[cfg(feature = "cube")]
mod gpu;
mod portable;

use burn::tensor::Tensor;
pub use portable::portable;

/// The `count` most probable tokens of each row of `logits` (`[rows, vocabulary]`) with their log-probabilities, best first:
/// pairs of both, `[rows, count, 2]`. Ties are in the order of ids.
///
/// The last id, `<pad>`, is not a candidate. A logit of −∞ is that of an impossible token, with log-probability −∞. A row
/// with NaN or +∞, or without a possible token, has log-probabilities that are NaN.
///
/// # Panics
/// A `count` that is not below the vocabulary.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let logits = Tensor::<2>::from_floats([[0.0, 1.0, 1.0, 9.0]], &Device::flex()); // `<pad>` is 3
/// let best: Vec<f32> = kernels::best_tokens::best_tokens(logits, 2).into_data().iter().collect();
/// let log_probability = 1.0 - (1.0 + 2.0 * 1f32.exp()).ln();
/// assert_eq!([best[0], best[2]], [1.0, 2.0]);
/// assert!((best[1] - log_probability).abs() < 1e-6 && (best[3] - log_probability).abs() < 1e-6);
/// ```
pub fn best_tokens(logits: Tensor<2>, count: usize) -> Tensor<3> {
    assert!(count < logits.dims()[1], "fewer tokens than the vocabulary has");
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&logits) {
        return gpu::best_tokens(logits, count);
    }
    portable(logits, count)
}
