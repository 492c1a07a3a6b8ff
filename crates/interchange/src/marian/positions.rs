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

/// As [`reorder`] along the first axis, for an `order` with each row once: in the memory of the values.
pub(crate) fn reorder_rows(mut values: Vec<f32>, order: &[usize]) -> Vec<f32> {
    let width = values.len().checked_div(order.len()).unwrap_or_default();
    let row = |row: usize| row * width..(row + 1) * width;
    let mut placed = vec![false; order.len()];
    for start in 0..order.len() {
        if placed[start] || order[start] == start {
            continue;
        }
        // Each row of a cycle takes the place of the one before it.
        let first = values[row(start)].to_vec();
        let mut at = start;
        while order[at] != start {
            values.copy_within(row(order[at]), at * width);
            placed[at] = true;
            at = order[at];
        }
        values[row(at)].copy_from_slice(&first);
        placed[at] = true;
    }
    values
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_reordered_in_place() {
        let values: Vec<f32> = (0..21).map(|value| value as f32).collect();
        for order in [[0, 1, 2, 3, 4, 5, 6], [6, 1, 0, 4, 3, 5, 2], [1, 2, 3, 4, 5, 6, 0], [6, 5, 4, 3, 2, 1, 0]] {
            assert_eq!(reorder_rows(values.clone(), &order), reorder(&values, &[7, 3], 0, &order), "{order:?}");
        }
        assert!(reorder_rows(Vec::new(), &[]).is_empty());
    }
}
