//! From the paper's sinusoids to Marian's.
//!
//! The paper interleaves sines and cosines (`sin₀ cos₀ sin₁ cos₁ …`), Marian keeps them apart (`sin₀ sin₁ … cos₀ cos₁ …`);
//! the frequencies are the same. Nothing in the network depends on the order of the `d_model` columns that all layers
//! share: reordering them in every weight that reads or writes them, the positions among these, changes no output. So a
//! network with the one kind of positions is, reordered, exactly one with the other.

/// For each column of Marian's order the paper's column that goes there.
///
/// ```
/// assert_eq!(interchange::marian::positions::halves_of_interleaved(6), [0, 2, 4, 1, 3, 5]);
/// ```
pub fn halves_of_interleaved(d_model: usize) -> Vec<usize> {
    (0..d_model).step_by(2).chain((1..d_model).step_by(2)).collect()
}

/// Takes from a tensor along `axis` the entries `order`, in that order.
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
