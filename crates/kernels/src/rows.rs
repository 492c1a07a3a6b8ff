//! Rows in blocks of a fixed size, so that no result depends on how many threads share the blocks.

/// Rows that one thread takes at a time.
pub const BLOCK: usize = 256;

/// The sum of one vector of `width` per block, in the order of the blocks.
pub fn added_in_order(blocks: Vec<Vec<f32>>, width: usize) -> Vec<f32> {
    let add = |mut total: Vec<f32>, block: Vec<f32>| {
        total.iter_mut().zip(block).for_each(|(total, x)| *total += x);
        total
    };
    blocks.into_iter().reduce(add).unwrap_or_else(|| vec![0.0; width])
}
