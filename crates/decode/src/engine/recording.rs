//! The attention of one source and target, as numbers: what an engine records for `views`.

use model::ByAttention;

/// A row of numbers for each token.
pub type Matrix = Vec<Vec<f32>>;

/// The attention of one layer; each field holds one matrix per head.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerRecording {
    /// Weights after the softmax, `[query, key]`; each row sums to one, hidden keys are exactly zero.
    pub maps: Vec<Matrix>,
    /// `[query, head_size]`.
    pub queries: Vec<Matrix>,
    /// `[key, head_size]`.
    pub keys: Vec<Matrix>,
    /// `[key, head_size]`.
    pub values: Vec<Matrix>,
}

/// Everything that one pass over a source and a target attended to, and the logits that it gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// Per attention, one entry a layer.
    pub layers: ByAttention<Vec<LayerRecording>>,
    /// `[target_len][vocabulary]`: the prediction of each target token.
    pub logits: Matrix,
}

/// Splits rows of all heads together, `[row][d_model]`, into one matrix per head.
pub(super) fn by_head(rows: &[Vec<f32>], n_heads: usize) -> Vec<Matrix> {
    let head = |head: usize| {
        let part = |row: &Vec<f32>| row[head * row.len() / n_heads..(head + 1) * row.len() / n_heads].to_vec();
        rows.iter().map(part).collect()
    };
    (0..n_heads).map(head).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_split_into_heads() {
        let rows = [vec![1.0, 2.0, 3.0, 4.0], vec![5.0, 6.0, 7.0, 8.0]];
        assert_eq!(by_head(&rows, 2), [[[1.0, 2.0], [5.0, 6.0]], [[3.0, 4.0], [7.0, 8.0]]]);
    }
}
