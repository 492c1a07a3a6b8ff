//! What a row of logits says: how probable a token is, and which tokens are the most probable.

use crate::simd::{WIDE, exp, max, sum, vectorised};

/// ln Σ exp(logit): what is taken from a logit to make it a log-probability. A logit of −∞ counts for nothing.
pub fn log_sum_exp(logits: &[f32]) -> f64 {
    let (peak, total) = vectorised!({
        let peak = max::<WIDE>(logits);
        (
            peak,
            sum::<WIDE>(
                logits,
                #[inline(always)]
                |x| exp(x - peak),
            ),
        )
    });
    f64::from(peak) + f64::from(total).ln()
}

/// The places of the `count` largest values, largest first; of equal ones the first.
pub fn largest(values: &[f32], count: usize) -> Vec<u32> {
    if count > values.len() / FEW { of_all_sorted(values, count) } else { one_by_one(values, count) }
}

/// One in so many values is few enough to put each in its place; with more of them that takes longer than sorting.
const FEW: usize = 8;

fn of_all_sorted(values: &[f32], count: usize) -> Vec<u32> {
    let mut places: Vec<u32> = (0..values.len() as u32).collect();
    places.sort_by(|&a, &b| values[b as usize].total_cmp(&values[a as usize]));
    places.truncate(count);
    places
}

fn one_by_one(values: &[f32], count: usize) -> Vec<u32> {
    let mut best: Vec<u32> = Vec::with_capacity(count + 1);
    let mut least = f32::NEG_INFINITY;
    for (block, part) in values.chunks(BLOCK).enumerate() {
        // Most blocks hold nothing large; that is told from all of their values at once.
        if best.len() == count && vectorised!(max::<WIDE>(part)) <= least {
            continue;
        }
        for (place, &value) in (block * BLOCK..).zip(part) {
            if best.len() == count && value <= least {
                continue;
            }
            let at = best.partition_point(|&other| values[other as usize].total_cmp(&value).is_ge());
            best.insert(at, place as u32);
            best.truncate(count);
            if let (true, Some(&last)) = (best.len() == count, best.last()) {
                least = values[last as usize];
            }
        }
    }
    best
}

const BLOCK: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_values_in_order() {
        let values = [1.0, 5.0, -2.0, 5.0, 3.0, 0.0];
        assert_eq!(largest(&values, 3), [1, 3, 4]);
        assert_eq!(largest(&values, 9), [1, 3, 4, 0, 5, 2]);
        let many: Vec<f32> = (0..1000).map(|i| ((i * 37) % 1000) as f32).collect();
        let expected: Vec<u32> =
            (0..5).map(|rank| many.iter().position(|&x| x == 999.0 - rank as f32).unwrap() as u32).collect();
        assert_eq!(largest(&many, 5), expected);
    }

    #[test]
    fn few_and_many_come_in_the_same_order() {
        let values: Vec<f32> = (0..1000).map(|i| ((i * 37) % 50) as f32 - 25.0).collect();
        for count in [1, 5, 64, 125, 126, 500, 1000] {
            assert_eq!(of_all_sorted(&values, count), one_by_one(&values, count), "{count}");
        }
        assert!(largest(&values, 0).is_empty());
        assert_eq!(largest(&values, 2000).len(), 1000);
    }

    #[test]
    fn log_sum_exp_of_large_numbers() {
        assert!((log_sum_exp(&[1000.0, 1000.0]) - 1000.0 - 2f64.ln()).abs() < 1e-6);
        assert!((log_sum_exp(&[0.0, f32::NEG_INFINITY, 1.0]) - (1.0 + 1f64.exp()).ln()).abs() < 1e-6);
    }
}
