//! One position's multi-head attention over keys and values that lie row after row.

use crate::vector::{NARROW, exp_and_sum, max, sum_pairs, vectorised};

/// Keys and values of a sequence, one row of `stride` values a position, in which a key of `d_model` values stands at
/// `keys_at` and a value at `values_at`.
#[derive(Clone, Copy, Debug)]
pub struct KeysValues<'a> {
    pub rows: &'a [f32],
    pub stride: usize,
    pub keys_at: usize,
    pub values_at: usize,
}

/// softmax(q·kᵀ / √d_k) · v of every head (paper, equation 1): `query` and `context` are `[d_model]`, one head after the
/// other. `weights` is room for one weight a position.
///
/// # Panics
/// Rows too short for their keys and values.
pub fn attend(query: &[f32], attended: KeysValues, n_heads: usize, weights: &mut Vec<f32>, context: &mut [f32]) {
    let head_size = query.len() / n_heads;
    let scale = 1.0 / (head_size as f32).sqrt();
    let KeysValues { rows, stride, keys_at, values_at } = attended;
    weights.resize(rows.len() / stride, 0.0);
    vectorised!({
        let heads = query.chunks_exact(head_size).zip(context.chunks_exact_mut(head_size));
        for (head, (query, context)) in heads.enumerate() {
            let from = head * head_size;
            for (weight, row) in weights.iter_mut().zip(rows.chunks_exact(stride)) {
                let key = &row[keys_at + from..][..head_size];
                *weight = scale * sum_pairs::<NARROW>(query, key, |q, k| q * k);
            }
            let peak = max::<NARROW>(weights);
            let total = exp_and_sum::<NARROW>(weights, peak);
            context.fill(0.0);
            for (weight, row) in weights.iter().zip(rows.chunks_exact(stride)) {
                let value = &row[values_at + from..][..head_size];
                context.iter_mut().zip(value).for_each(|(c, &v)| *c += weight * v);
            }
            context.iter_mut().for_each(|c| *c /= total);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_follow_the_scores() {
        // Two heads of one value each over three positions, keys and values behind one value of no meaning.
        let rows = [9.0, 0.0, 1.0, 10.0, 20.0, 9.0, 0.0, 2.0, 30.0, 40.0, 9.0, 0.0, 3.0, 50.0, 60.0];
        let attended = KeysValues { rows: &rows, stride: 5, keys_at: 1, values_at: 3 };
        let mut context = [0.0; 2];
        attend(&[5.0, 1.0], attended, 2, &mut Vec::new(), &mut context);
        let exps = [1f64, 2.0, 3.0].map(f64::exp);
        let expected = (20.0 * exps[0] + 40.0 * exps[1] + 60.0 * exps[2]) / exps.iter().sum::<f64>();
        assert!((context[0] - 30.0).abs() < 1e-5, "equal scores, equal weights: {context:?}");
        assert!((f64::from(context[1]) - expected).abs() < 1e-4, "{context:?}, not {expected}");
    }
}
