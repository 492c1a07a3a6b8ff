//! Log-probabilities and the most probable tokens of a row of logits.

use crate::simd::{WIDE, exp, max, sum, vectorised};

/// ln Σ exp(logit); a logit minus this is its log-probability. Logits of −∞ are ignored.
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

/// The indices of the `count` largest values, largest first; ties in index order.
pub fn largest(values: &[f32], count: usize) -> Vec<u32> {
    if count > values.len() / FEW { by_sorting(values, count) } else { by_insertion(values, count) }
}

/// Minimum number of values per selected one for insertion in order; otherwise sorting is faster.
const FEW: usize = 8;

fn by_sorting(values: &[f32], count: usize) -> Vec<u32> {
    let mut places: Vec<u32> = (0..values.len() as u32).collect();
    places.sort_by(|&a, &b| values[b as usize].total_cmp(&values[a as usize]));
    places.truncate(count);
    places
}

fn by_insertion(values: &[f32], count: usize) -> Vec<u32> {
    let mut best: Vec<u32> = Vec::with_capacity(count + 1);
    let mut least = f32::NEG_INFINITY;
    for (block, part) in values.chunks(BLOCK).enumerate() {
        // Most blocks contain no large value, which one vector loop detects.
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
    fn largest_values_in_order() {
        let values = [1.0, 5.0, -2.0, 5.0, 3.0, 0.0];
        assert_eq!(largest(&values, 3), [1, 3, 4]);
        assert_eq!(largest(&values, 9), [1, 3, 4, 0, 5, 2]);
        let many: Vec<f32> = (0..1000).map(|i| ((i * 37) % 1000) as f32).collect();
        let expected: Vec<u32> =
            (0..5).map(|rank| many.iter().position(|&x| x == 999.0 - rank as f32).unwrap() as u32).collect();
        assert_eq!(largest(&many, 5), expected);
    }

    #[test]
    fn both_ways_give_the_same_order() {
        let values: Vec<f32> = (0..1000).map(|i| ((i * 37) % 50) as f32 - 25.0).collect();
        for count in [1, 5, 64, 125, 126, 500, 1000] {
            assert_eq!(by_sorting(&values, count), by_insertion(&values, count), "{count}");
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
