//! The order of columns that turns the paper's sinusoids into Marian's.
//!
//! The paper interleaves sines and cosines (`sin₀ cos₀ sin₁ cos₁ …`); Marian puts all sines before all cosines (`sin₀ sin₁ …
//! cos₀ cos₁ …`). The frequencies are the same. All layers share the same `d_model` columns, and no output depends on their
//! order, provided that every weight which reads or writes them is reordered alike. So reordered weights with one kind of
//! positions equal the original ones with the other, exactly.

use model::position::{SinusoidLayout, sinusoids};

use crate::tensor::StoredTensor;

/// Returns, for each column in Marian's order, its index in the paper's order.
///
/// ```
/// assert_eq!(interchange::marian::positions::halves_of_interleaved(6), [0, 2, 4, 1, 3, 5]);
/// ```
pub fn halves_of_interleaved(d_model: usize) -> Vec<usize> {
    (0..d_model).step_by(2).chain((1..d_model).step_by(2)).collect()
}

/// Maximum distance of stored sinusoids from computed ones; half precision needs this much.
const TOLERANCE: f32 = 1e-3;

/// Checks that a stored table is that of the sinusoids, all sines before all cosines; the error is (found, expected).
pub(crate) fn check_sinusoids(stored: &StoredTensor, rows: usize, width: usize) -> Result<(), (String, String)> {
    let StoredTensor { shape, values } = stored;
    if shape[..] != [rows, width] {
        return Err((format!("shape {shape:?}"), format!("[{rows}, {width}]")));
    }
    let computed = sinusoids(SinusoidLayout::Halves, 0, rows, width);
    let furthest = values.iter().zip(computed).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    if furthest > TOLERANCE || values.iter().any(|value| value.is_nan()) {
        let found = format!("numbers up to {furthest} away from Marian's sinusoids");
        return Err((found, "these sinusoids".to_owned()));
    }
    Ok(())
}

/// Selects the entries `order` of a tensor of shape `shape` along `axis`, in that order.
///
/// ```
/// use interchange::marian::positions::reorder;
/// assert_eq!(reorder(&[1.0, 2.0, 3.0, 4.0], &[2, 2], 1, &[1, 0]), [2.0, 1.0, 4.0, 3.0]);
/// assert_eq!(reorder(&[1.0, 2.0, 3.0, 4.0], &[2, 2], 0, &[1, 0]), [3.0, 4.0, 1.0, 2.0]);
/// ```
///
/// # Panics
/// When `axis` or an entry of `order` lies outside the shape.
pub fn reorder(values: &[f32], shape: &[usize], axis: usize, order: &[usize]) -> Vec<f32> {
    let inner: usize = shape[axis + 1..].iter().product();
    let block = shape[axis] * inner;
    values
        .chunks_exact(block.max(1))
        .flat_map(|outer| order.iter().flat_map(move |&from| &outer[from * inner..][..inner]))
        .copied()
        .collect()
}
