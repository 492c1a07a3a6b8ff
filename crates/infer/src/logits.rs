//! What a row of logits says: how probable a token is, and which tokens are the most probable.

use std::cmp::Ordering;

/// ln Σ exp(logit): what is taken from a logit to make it a log-probability.
pub(crate) fn log_sum_exp(logits: &[f32]) -> f64 {
    let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&x| f64::from((x - peak).exp())).sum();
    f64::from(peak) + sum.ln()
}

/// The places of the `count` largest values; of equal ones the first.
pub(crate) fn largest(values: &[f32], count: usize) -> Vec<u32> {
    let order = |a: &u32, b: &u32| -> Ordering { values[*b as usize].total_cmp(&values[*a as usize]).then(a.cmp(b)) };
    let mut best: Vec<u32> = Vec::with_capacity(count + 1);
    let mut least = f32::NEG_INFINITY;
    for (place, &value) in values.iter().enumerate() {
        if best.len() == count && value <= least {
            continue;
        }
        let place = place as u32;
        let at = best.partition_point(|other| order(other, &place) == Ordering::Less);
        best.insert(at, place);
        best.truncate(count);
        if best.len() == count {
            least = values[best[count - 1] as usize];
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_values_in_order() {
        let values = [1.0, 5.0, -2.0, 5.0, 3.0, 0.0];
        assert_eq!(largest(&values, 3), [1, 3, 4]);
        assert_eq!(largest(&values, 9), [1, 3, 4, 0, 5, 2]);
    }

    #[test]
    fn log_sum_exp_of_large_numbers() {
        assert!((log_sum_exp(&[1000.0, 1000.0]) - 1000.0 - 2f64.ln()).abs() < 1e-9);
    }
}
